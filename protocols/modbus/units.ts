/**
 * Which units of a bus answer (modbus.md §4, §6.4). One that does not is left alone for a while, longer each time, and at
 * least so long that asking it takes at most a 25th of the bus: the others keep their rate. Pure but for what it remembers.
 *
 *   answers ──silent──► resting (5 s, 10 s … 60 s) ──asked once──► answers, or resting again
 */

const FIRST_REST_MS = 5_000;
const LONGEST_REST_MS = 60_000;
/** A dead unit costs the others at most one part in so many. */
const SHARE = 25;

interface Resting {
  readonly restMs: number;
  readonly untilMs: number;
  readonly why: string;
}

export class Units {
  readonly #resting = new Map<number, Resting>();
  readonly #answering = new Set<number>();

  /** Some unit answered when it was last asked: the bus itself is well. */
  get someAnswer(): boolean {
    return this.#answering.size > 0;
  }

  /** Why a unit is left alone, or null when it is to be read. */
  resting(unit: number): string | null {
    return this.#resting.get(unit)?.why ?? null;
  }

  /** Its rest is over: it may be asked once. */
  isDue(unit: number, nowMs: number): boolean {
    const resting = this.#resting.get(unit);
    return resting !== undefined && nowMs >= resting.untilMs;
  }

  restLeftMs(unit: number, nowMs: number): number {
    return Math.max(0, (this.#resting.get(unit)?.untilMs ?? nowMs) - nowMs);
  }

  answered(unit: number): void {
    this.#resting.delete(unit);
    this.#answering.add(unit);
  }

  /** `costMs` is how long the bus was held up. True when the unit had answered until now. */
  silent(unit: number, { nowMs, costMs, why }: { readonly nowMs: number; readonly costMs: number; readonly why: string }): boolean {
    this.#answering.delete(unit);
    const before = this.#resting.get(unit);
    const restMs = Math.max(Math.min(LONGEST_REST_MS, (before?.restMs ?? FIRST_REST_MS / 2) * 2), costMs * SHARE);
    this.#resting.set(unit, { restMs, untilMs: nowMs + restMs, why });
    return before === undefined;
  }
}
