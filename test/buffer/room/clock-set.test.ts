/** The clock is set while the buffer is open: no row grows old by it, nor is one kept for ever. */
import { expect, it } from "vitest";
import type { Outbox } from "../../../agent/contract/outbox.ts";
import { fakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { commitOf, record } from "../records.ts";
import { numbers, open, temporaryDirectory } from "../support.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** With time running while it is waited for. */
async function committed(outbox: Outbox, clock: FakeClock, rows: Parameters<typeof commitOf>[0] = []): Promise<void> {
  let isDone = false;
  const done = outbox.commit(commitOf(rows, { observedAt: clock.now().unixMs, checkpoint: { key: "k", json: String(clock.now().monoMs) } })).finally(() => (isDone = true));
  while (!isDone) await clock.advance(1);
  await done;
}
/** Rows kept, once upkeep had its turns. */
async function kept(outbox: Outbox, clock: FakeClock): Promise<number> {
  for (let turn = 0; turn < 3; turn += 1) {
    await clock.advance(61_000);
    await committed(outbox, clock);
  }
  return outbox.history(0, 100).length;
}

// Dated a month ahead by the clock that was wrong, history stays that month longer, or until its room is wanted.
it.each([["forward by a month", 30 * DAY_MS, 0], ["from 1970", 56 * 365 * DAY_MS, 0], ["back by a month", -30 * DAY_MS, 3]])("%s: history that was delivered is kept for as long as it was to be, at least", async (_, stepMs, left) => {
  const clock = fakeClock(Date.UTC(2026, 5, 1));
  const outbox = open({ dataDir: temporaryDirectory(), clock, historyMs: DAY_MS });
  await committed(outbox, clock, [record(1), record(2), record(3)]);
  outbox.settle("bridge", { accepted: numbers(outbox), rejected: [] });
  await committed(outbox, clock);
  clock.stepWall(stepMs);
  expect(await kept(outbox, clock)).toBe(3);
  await clock.advance(DAY_MS / 2);
  expect(await kept(outbox, clock)).toBe(3);
  await clock.advance(DAY_MS);
  expect(await kept(outbox, clock)).toBe(left);
});

it("what a broker acknowledged an hour ago stays an hour old, whichever way the clock is set", async () => {
  const clock = fakeClock(Date.UTC(2026, 5, 1));
  // Half full at once: what was acknowledged for longer than the window goes.
  const outbox = open({ dataDir: temporaryDirectory(), clock, budgetBytes: 1_000_000, healWindowMs: 10 * HOUR_MS });
  await committed(outbox, clock, Array.from({ length: 60 }, (_, n) => record(n + 1, "state", { text: "x".repeat(8_000) })));
  outbox.settle("bridge", { accepted: numbers(outbox), rejected: [] });
  await committed(outbox, clock);
  await clock.advance(HOUR_MS);
  clock.stepWall(100 * HOUR_MS);
  await committed(outbox, clock, [record(61)]);
  expect(await kept(outbox, clock)).toBe(61);
  clock.stepWall(-200 * HOUR_MS);
  await clock.advance(HOUR_MS);
  await committed(outbox, clock, [record(62)]);
  expect(await kept(outbox, clock)).toBe(62);
  await clock.advance(9 * HOUR_MS);
  await committed(outbox, clock, [record(63)]);
  expect(await kept(outbox, clock)).toBeLessThan(63);
});
