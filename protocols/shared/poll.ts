/**
 * When to poll: on a fixed grid from the first poll on, so that it does not drift. A poll that lasts longer than its
 * period is followed by the next at once; the polls whose whole period has passed are skipped, and counted.
 */
import type { Clock } from "../../agent/contract/time.ts";

export interface Poll {
  /** Which place on the grid: 0, 1, 2 … without those skipped. */
  readonly turn: number;
  /** Places skipped since the one before. */
  readonly missed: number;
  /** How long after its place it began. */
  readonly lateMs: number;
}

/** Ends only by the signal, with its reason. The consumer polls in the loop's body: it is its own brake. */
export async function* polls(periodMs: number, clock: Clock, signal: AbortSignal): AsyncGenerator<Poll, never, void> {
  const firstMs = clock.now().monoMs;
  for (let turn = 0, missed = 0; ;) {
    signal.throwIfAborted();
    yield { turn, missed, lateMs: Math.max(0, clock.now().monoMs - firstMs - turn * periodMs) };
    const sinceMs = clock.now().monoMs - firstMs;
    const next = Math.max(turn + 1, Math.floor(sinceMs / periodMs));
    missed = next - turn - 1;
    turn = next;
    await clock.sleep(Math.max(0, next * periodMs - sinceMs), signal);
  }
}
