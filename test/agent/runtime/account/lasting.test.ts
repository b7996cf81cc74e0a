/** For how long the buffer lasts: from the rows kept, with few reads; told at the start, and not made up. */
import { describe, expect, it } from "vitest";
import type { LedgerRow, OutboxStatus } from "../../../../agent/contract/outbox.ts";
import { unixMs } from "../../../../agent/contract/time.ts";
import { Endurance } from "../../../../agent/runtime/account/endurance.ts";
import { daysWords, firstSince, lasting } from "../../../../agent/runtime/account/lasting.ts";
import { hours } from "../../cli/buffer/buffer.ts";
import { open, temporaryDirectory } from "../../../buffer/support.ts";
import { testPorts } from "../../../support/ports.ts";

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 27, 12);
const BODY = "x".repeat(360);
/** Rows by number and the time at which they were learned; some may be gone. */
function ledger(rows: readonly (readonly [seq: number, at: number])[]) {
  let reads = 0;
  return {
    reads: () => reads,
    history(after: number, limit: number): readonly LedgerRow[] {
      reads += 1;
      return rows.filter(([seq]) => seq > after).slice(0, limit).map(([seq, at]) => ({
        seq, machine: "VMC-3", type: "state", id: "", rev: 1, start: unixMs(at), observedAt: unixMs(at), late: false, clock: null, context: "{}", body: BODY,
      }));
    },
  };
}
const status = (lastSeq: number, more: Partial<OutboxStatus> = {}): OutboxStatus => ({
  epoch: "e", lastSeq, syncedSeq: lastSeq, bytes: 1e6, budgetBytes: 1e9, freeBytes: null, destinations: [], fault: null, condition: { state: "ok" }, ...more,
});
const every = (count: number, stepMs: number, first = 1) => Array.from({ length: count }, (_, index) => [first + index, NOW - (count - 1 - index) * stepMs] as const);

describe("the first row since an instant", () => {
  it("is found with few reads, where rows are gone too", () => {
    const rows = every(100_000, 1_000).filter(([seq]) => seq > 1_000 && (seq < 40_000 || seq > 60_000 || seq % 7 === 0));
    const own = ledger(rows);
    for (const back of [0, 1, 999, 1_000, 39_999_000, 50_000_000, 98_999_000, 99_000_000, 2e9]) {
      const expected = rows.find(([, at]) => at >= NOW - back)?.[0] ?? 100_001;
      expect(firstSince(own, 100_000, unixMs(NOW - back))).toBe(expected);
    }
    expect(own.reads()).toBeLessThan(9 * 20);
    expect(firstSince(own, 100_000, unixMs(NOW + 1))).toBe(100_001);
    expect(firstSince(ledger([]), 0, unixMs(NOW))).toBe(1);
  });
});

describe("for how long the buffer lasts", () => {
  it("is the room by the rate of the last day, whatever was before", () => {
    // A record a second for 2 days, then one in 10 s for a day.
    const slow = every(8_640, 10_000, 172_801);
    const rows = [...Array.from({ length: 172_800 }, (_, index) => [index + 1, NOW - DAY - (172_800 - index) * 1_000] as const), ...slow];
    const found = lasting(ledger(rows), { status: status(181_440), reserveBytes: 0 });
    expect(found?.recordsPerDay).toBeCloseTo(8_640, -2);
    expect(found?.bytesPerRecord).toBeCloseTo(1.12 * 400, 0);
    expect(found?.days).toBeCloseTo(0.9e9 / (8_640 * 448), -1);
  });
  it("counts what waits already, what the disk has free and what must stay free", () => {
    const rows = every(8_640, 10_000);
    const days = (more: Partial<OutboxStatus>, reserveBytes = 0): number => lasting(ledger(rows), { status: status(8_640, more), reserveBytes })?.days ?? Number.NaN;
    const perDay = 8_640 * 448;
    expect(days({ freeBytes: 100 * perDay })).toBeCloseTo(100, 0);
    expect(days({ freeBytes: 100 * perDay }, 40 * perDay)).toBeCloseTo(60, 0);
    const waiting = { name: "bridge", lastDue: 8_640, waiting: 8_640, acknowledged: 0, rejected: 0, dead: 0, lost: 0, confirmedThrough: null, isConfirming: false, replaying: 0, oldestWaitingAt: null };
    expect(days({ freeBytes: 100 * perDay, destinations: [waiting] })).toBeCloseTo(99, 0);
    expect(days({ freeBytes: 0 }, 40 * perDay)).toBe(0);
  });
  it("is not known of a few minutes, nor of nothing", () => {
    expect(lasting(ledger(every(500, 1_000)), { status: status(500), reserveBytes: 0 })).toBeNull();
    expect(lasting(ledger([]), { status: status(0), reserveBytes: 0 })).toBeNull();
  });
  it("is said in the unit that fits", () => {
    expect([83_143, 12.7, 1.9, 0.5, 0.01, 0].map(daysWords)).toEqual(["more than 10 years", "12 days", "45 hours", "12 hours", "14 minutes", "0 minutes"]);
  });
  it("is told by the agent when it starts, from the rows of the days before", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir });
    const ports = testPorts();
    const stopping = new AbortController();
    const buffer = { budgetBytes: 1e9, keepFree: 0.05, historyMs: DAY, healWindowMs: DAY, card: null };
    const first = new Endurance({ outbox, ports, dataDir, buffer });
    const unknown = first.watch(stopping.signal);
    expect(first.status()).toBeNull();
    await hours(outbox, Date.now(), 50, 24);
    const second = new Endurance({ outbox, ports, dataDir, buffer });
    const known = second.watch(stopping.signal);
    expect(Math.round(second.status()?.recordsPerDay ?? 0)).toBe(Math.round(1_199 * 24 / 23));
    expect(ports.lines.map(({ sentence }) => sentence)).toEqual([
      "for how long the buffer lasts is not known yet: the records of the last day span less than 10 minutes",
      expect.stringMatching(/^without any destination the buffer lasts (\d+ days|more than 10 years) at the rate of the last day$/),
    ]);
    stopping.abort(new Error("the test is over"));
    await Promise.all([unknown, known]);
  });
});
