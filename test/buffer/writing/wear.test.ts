/** What is written is measured against what the card endures; what is of low value waits for others, what is money never. */
import { describe, expect, it } from "vitest";
import type { Outbox } from "../../../agent/contract/outbox.ts";
import { LONGEST_MS, WearGauge } from "../../../buffer/writing/wear.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { commitOf, record } from "../records.ts";
import { numbers, open, temporaryDirectory } from "../support.ts";

const DAY = 86_400_000;
const MINUTE = 60_000;
const GB = 1e9;
/** 1 GB a day is what this card allows. */
const CARD = { enduranceBytes: 3_650 * GB, lifeMs: 3_650 * DAY };

describe("the wear of the card", () => {
  const gauge = (perMinute: () => number, card: typeof CARD | null = CARD) => {
    const clock = fakeClock();
    let written = 5_000_000; // What the process wrote before is nobody's rate.
    const own = new WearGauge(clock, card, () => written);
    return {
      own,
      minutes: async (count: number): Promise<void> => {
        for (let minute = 0; minute < count; minute++) {
          await clock.advance(MINUTE);
          written += perMinute();
          own.patienceMs([]);
        }
      },
    };
  };
  it("is not known in the first minute, then a rate, and years", async () => {
    const { own, minutes } = gauge(() => 2 * GB / 1_440);
    expect(own.status()).toBeUndefined();
    await minutes(60);
    const wear = own.status();
    expect(wear).toMatchObject({ by: "process", overMs: 60 * MINUTE, allowedBytesPerDay: GB, alarm: null });
    expect(wear?.bytesPerDay).toBeCloseTo(2 * GB, -6);
    expect(wear?.cardYears).toBeCloseTo(3_650 / 2 / 365.25, 3);
  });
  it("is told in words once a day's writing is more than the card allows for", async () => {
    const { own, minutes } = gauge(() => 2 * GB / 1_440);
    await minutes(11 * 60);
    expect(own.status()?.alarm).toBeNull();
    await minutes(2 * 60);
    expect(own.status()?.alarm).toMatch(/^1083 MB were written within a day, but the card lasts as long as buffer.card.life asks only at 1000 MB/);
    await minutes(30 * 60);
    expect(own.status()).toMatchObject({ overMs: DAY });
  });
  it("makes low value wait longer, up to its bound, and less again when there is ease; never money", async () => {
    let rate = 3 * GB / 1_440;
    const { own, minutes } = gauge(() => rate);
    expect(own.patienceMs(["state"])).toBe(0);
    await minutes(30);
    expect(own.patienceMs(["state", "alarm", "summary", "connection", "receipt"])).toBe(LONGEST_MS);
    for (const money of ["cycle", "downtime", "count", "loss"] as const) expect(own.patienceMs(["state", money])).toBe(0);
    rate = 0.1 * GB / 1_440;
    await minutes(30);
    expect(own.patienceMs(["state"])).toBe(0);
  });
  it("asks nothing of anybody without a card", async () => {
    const { own, minutes } = gauge(() => GB, null);
    await minutes(60);
    expect([own.patienceMs(["state"]), own.status()?.cardYears, own.status()?.allowedBytesPerDay, own.status()?.alarm]).toEqual([0, null, null, null]);
  });
  it("is counted in pages of the log and the database where the system does not count", async () => {
    const clock = fakeClock();
    const own = new WearGauge(clock, CARD, () => null);
    own.synced({ frames: 10, carried: 0 });
    own.synced({ frames: 30, carried: 30 });
    own.synced({ frames: 5, carried: 0 }); // The log began anew.
    await clock.advance(DAY / 2);
    expect(own.status()).toMatchObject({ by: "buffer", syncsPerDay: 6, bytesPerDay: 2 * (35 * 4_120 + 30 * 4_096) });
  });
});

describe("a commit that may wait", () => {
  const settled = async (work: Promise<unknown>): Promise<boolean> => Promise.race([work.then(() => true), new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 150))]);
  const patient = (outbox: Outbox, n: number): Promise<number> =>
    outbox.commit(commitOf([], { checkpoint: { key: "VMC-3", json: `{"n":${n}}` }, patienceMs: 60_000 }));
  it("is taken along by one that may not", async () => {
    const outbox = open({ dataDir: temporaryDirectory() });
    const waiting = patient(outbox, 1);
    expect(await settled(waiting)).toBe(false);
    expect(outbox.checkpoint("VMC-3")).toBe('{"n":1}'); // Whoever asks meanwhile is told what will be.
    await outbox.commit(commitOf([record(1, "cycle")], { machine: "VMC-4", checkpoint: { key: "VMC-4", json: "{}" } }));
    expect(await settled(waiting)).toBe(true);
  });
  it("is written when its time has come, when many of one machine wait, and at the close", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir });
    await outbox.commit(commitOf([record(1)], { patienceMs: 50 }));
    expect(numbers(outbox)).toEqual([1]);
    await Promise.all(Array.from({ length: 8 }, (_, n) => patient(outbox, n)));
    const last = patient(outbox, 9);
    await outbox.close();
    await last;
    expect(open({ dataDir }).checkpoint("VMC-3")).toBe('{"n":9}');
  });
});
