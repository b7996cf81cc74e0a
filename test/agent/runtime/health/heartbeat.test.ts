/** When the agent shows what it knows of itself: every ten seconds, and soon after something changed; and what it costs to look. */
import { describe, expect, it, onTestFinished } from "vitest";
import type { StoreCondition } from "../../../../agent/contract/outbox.ts";
import type { Link } from "../../../../agent/contract/source.ts";
import { unixMs } from "../../../../agent/contract/time.ts";
import { heartbeat } from "../../../../agent/runtime/health/heartbeat.ts";
import { createBoard } from "../../../../agent/runtime/link/board.ts";
import type { MachineStatus } from "../../../../agent/runtime/machine/machine-status.ts";
import { IDENTITY } from "../../../support/delivering.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { memoryOutbox } from "../../../support/memory-outbox.ts";

const UP: Link = { state: "up", peer: "it" };
const DOWN: Link = { state: "down", fault: "lost", message: "it went", retryInMs: 1 };
const MACHINE: MachineStatus = {
  phase: "following", link: UP, peer: "it", caughtUp: false, lateReadings: 0, holeSince: null, complete: null, lastBatchAt: null, clockOffsetMs: 0, clockShiftMs: 0, clockWarning: null,
};
const NO_REQUESTS = { status: () => ({ accepted: { confirm: 0, replay: 0, cmd: 0 }, refused: { confirm: 0, replay: 0, cmd: 0 }, lastRefusals: [] }) };

async function beating() {
  const clock = fakeClock();
  const board = createBoard();
  const stopping = new AbortController();
  const now = { machine: MACHINE, destination: UP, condition: { state: "ok" } as StoreCondition, fault: null as string | null };
  const count = { shown: 0, statuses: 0 };
  board.onChange((changed) => (count.shown += changed.filter(({ scope }) => scope === "heartbeat").length));
  const stored = memoryOutbox().status();
  const running = heartbeat({
    board, identity: IDENTITY, startedAt: clock.now(), endurance: { status: () => null }, clockTrust: { state: () => "synchronised" }, ports: { clock, network: clock },
    outbox: { epoch: "epoch-1", condition: () => now.condition, fault: () => now.fault, status() {
      count.statuses++;
      return { ...stored, condition: now.condition, fault: now.fault };
    } },
    machines: [{ id: "VMC-3", status: () => now.machine }],
    destinations: [{ name: "bridge", get link() { return now.destination; }, delivery: null, downlinks: NO_REQUESTS }],
  }, stopping.signal);
  onTestFinished(async () => {
    stopping.abort();
    await running;
  });
  await clock.advance(1);
  return { clock, now, count };
}

describe("heartbeat", () => {
  it("is shown at the start and every ten seconds, and the whole status is made no oftener", async () => {
    const { clock, count } = await beating();
    expect(count).toEqual({ shown: 1, statuses: 1 });
    await clock.advance(9_500);
    expect(count).toEqual({ shown: 1, statuses: 1 });
    await clock.advance(60_000);
    expect(count).toEqual({ shown: 7, statuses: 7 });
  });

  it("is shown within a quarter of a second when something changes that a person waits for", async () => {
    const { clock, now, count } = await beating();
    const changes: readonly (() => void)[] = [
      () => (now.machine = { ...MACHINE, caughtUp: true }),
      () => (now.machine = { ...MACHINE, phase: "holding", link: DOWN }),
      () => (now.machine = MACHINE),
      () => (now.machine = { ...MACHINE, caughtUp: true }),
      () => (now.destination = DOWN),
      () => (now.destination = UP),
      () => (now.fault = "a row does not match its checksum"),
      () => (now.fault = null),
      () => (now.condition = { state: "degraded", fault: "full", since: unixMs(0), message: "the disk is full", heldRecords: 0, heldBytes: 0 }),
      () => (now.condition = { state: "ok" }),
    ];
    for (const [index, change] of changes.entries()) {
      change();
      await clock.advance(250);
      expect(count.shown, `after change ${index}`).toBe(index + 2);
    }
  });

  it("is not shown for a machine that is behind for a moment", async () => {
    const { clock, now, count } = await beating();
    for (const caughtUp of [true, false, true, false]) {
      now.machine = { ...MACHINE, caughtUp };
      await clock.advance(250);
    }
    expect(count.shown).toBe(2);
  });
});
