/**
 * Time, as types. Two clocks never meet in one subtraction: wall time and time since boot are different brands.
 * Only `agent/runtime/time/clock.ts` reads a clock or sets a timer; everyone else is handed a `Clock`.
 */

/** Milliseconds since 1970-01-01T00:00:00Z, integer. Event time everywhere in the detectors. */
export type UnixMs = number & { readonly unit: "unix ms" };
/** Milliseconds since boot; comparable only within one `Instant.boot`. */
export type MonoMs = number & { readonly unit: "mono ms" };

/** The one place where a number becomes a wall time. */
export const unixMs = (value: number): UnixMs => value as UnixMs;
/** The one place where a number becomes a time since boot. */
export const monoMs = (value: number): MonoMs => value as MonoMs;

/** Wall clock (may jump: never subtract two of them for a duration) and time since boot. */
export interface Instant {
  readonly unixMs: UnixMs;
  readonly monoMs: MonoMs;
  readonly boot: string;
}

export interface Clock {
  now(): Instant;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts. Leaves no listener behind. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /**
   * A deadline: aborts with a `TimeoutError` after `ms`, or with `parent`'s reason when that aborts first.
   * Call `clear()` when the wait is over; it removes the timer and the listener on `parent`.
   */
  deadline(ms: number, parent: AbortSignal): Deadline;
  /** Calls `task` once after `ms`, at the earliest; the returned function cancels it. Never keeps the process alive. */
  after(ms: number, task: () => void): () => void;
}

export interface Deadline {
  readonly signal: AbortSignal;
  clear(): void;
}

/** RFC 3339, UTC, millisecond precision: the only form in which a time leaves in a record. */
export const rfc3339 = (at: UnixMs): string => new Date(at).toISOString();
