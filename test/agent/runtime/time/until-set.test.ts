/** What a source says before the clock is set: dated by when it came, in order, within a bound, and once. */
import { describe, expect, test } from "vitest";
import type { Batch } from "../../../../agent/contract/observation.ts";
import { unixMs, type Instant } from "../../../../agent/contract/time.ts";
import type { ClockTrustState } from "../../../../agent/runtime/time/clock-trust.ts";
import { UntilSet } from "../../../../agent/runtime/time/until-set.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

const NOW = Date.UTC(2026, 10, 27, 6);
const YEARS = 56 * 365 * 86_400_000;

function rig(failing = false) {
  const clock = fakeClock(NOW - YEARS);
  const stopping = new AbortController();
  let state: ClockTrustState = "waiting";
  let settle = (): void => undefined;
  const settled = new Promise<void>((resolve) => (settle = resolve));
  const taken: string[] = [];
  const untilSet = new UntilSet({
    clock,
    clockTrust: { state: () => state, settled: (signal) => Promise.race([settled, new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))))]), watch: () => Promise.resolve() },
    take(batch, received: Instant) {
      if (failing) return Promise.reject(new Error("the disk is full"));
      taken.push(`${String(batch.cursor?.["next"] ?? "-")} at ${(received.unixMs - NOW) / 1_000}`);
      return Promise.resolve();
    },
  }, stopping.signal);
  return {
    clock, taken, untilSet, stopping,
    set: async (next: ClockTrustState = "synchronised"): Promise<void> => {
      clock.stepWall(YEARS);
      state = next;
      settle();
      await clock.advance(0);
    },
  };
}
const batch = (next: number, items = 1): Batch => ({
  items: Array.from({ length: items }, () => ({ kind: "reading" as const, signal: "execution", quality: "GOOD" as const, value: "ACTIVE", sourceTime: unixMs(NOW) })), cursor: { next }, caughtUp: true,
});

describe("until the clock is set", () => {
  test("what comes waits, and is dated by when it came; what comes after follows it", async () => {
    const { clock, taken, untilSet, set } = rig();
    for (const next of [1, 2]) {
      await untilSet.take(batch(next));
      await clock.advance(10_000);
    }
    expect(taken).toEqual([]);
    await set();
    expect(taken, "without waiting for more").toEqual(["1 at 0", "2 at 10"]);
    await untilSet.take(batch(3));
    expect(taken.at(-1)).toBe("3 at 20");
  });
  test("it is let go too when the clock is not waited for any longer", async () => {
    const { taken, untilSet, set } = rig();
    await untilSet.take(batch(1));
    await set("unsynchronised");
    expect(taken).toEqual(["1 at 0"]);
  });
  test("a source that says more than is held has to wait", async () => {
    const { taken, untilSet, set } = rig();
    for (let next = 1; next <= 5; next += 1) await untilSet.take(batch(next, 1_000));
    let isTaken = false;
    const waiting = untilSet.take(batch(6)).then(() => (isTaken = true));
    await new Promise(setImmediate);
    expect(isTaken).toBe(false);
    await set();
    await waiting;
    expect(taken.map((line) => line.slice(0, 1))).toEqual(["1", "2", "3", "4", "5", "6"]);
  });
  test("a lost link lets go of what the source serves again, and keeps what it cannot", async () => {
    const { taken, untilSet, set } = rig();
    await untilSet.take(batch(1));
    untilSet.onLink({ state: "down", fault: "lost", message: "cut", retryInMs: 1 });
    await untilSet.take(batch(1));
    await untilSet.take(batch(2));
    await set();
    expect(taken).toEqual(["1 at 0", "2 at 0"]);
    const forgetful = rig();
    await forgetful.untilSet.take({ items: [], caughtUp: true });
    forgetful.untilSet.onLink({ state: "down", fault: "lost", message: "cut", retryInMs: 1 });
    await forgetful.set();
    expect(forgetful.taken).toEqual(["- at 0"]);
  });
  test("what fails is told to whoever comes next, and a stop ends the wait", async () => {
    const { untilSet, set } = rig(true);
    await untilSet.take(batch(1));
    await set();
    await expect(untilSet.take(batch(2))).rejects.toThrow("the disk is full");
    const { untilSet: other, stopping } = rig();
    for (let next = 1; next <= 5; next += 1) await other.take(batch(next, 1_000));
    const waiting = other.take(batch(6));
    stopping.abort();
    await expect(waiting).rejects.toThrow("stopped");
  });
});
