/**
 * How long ago a destination's broker acknowledged what: a broker can lose what it acknowledged, so such rows are kept for
 * a window. A mark (time, row) now and then, kept on the disk, is enough; times are the gateway's. When its clock is set
 * while we run, the marks move with it: what was acknowledged an hour ago stays an hour old.
 */
import { unixMs, type Clock, type Instant } from "../../agent/contract/time.ts";
import type { Chain } from "../chain/chain.ts";
import type { Passed, StandingTables } from "../chain/standing-tables.ts";

const MARKS = 48;
/** Less is a clock's own running. */
const STEP_MS = 1_000;

export class Healing {
  readonly #windowMs: number;
  readonly #clock: Clock;
  readonly #marks = new Map<number, Passed[]>();
  #looked: Instant;

  constructor(windowMs: number, clock: Clock) {
    this.#windowMs = windowMs;
    this.#clock = clock;
    this.#looked = clock.now();
  }
  load(standing: StandingTables, chains: readonly Chain[], now: number): void {
    for (const chain of chains) {
      // What was acknowledged by the end of the last run, if no mark says when, counts from now.
      const known = standing.passed(chain.id).filter(({ at }) => at <= now);
      this.#marks.set(chain.id, known);
    }
  }
  /** The broker had rows up to here before the window began. */
  through(chain: Chain, now: number): number {
    this.#redate();
    return this.#marks.get(chain.id)?.findLast(({ at }) => at <= now - this.#windowMs)?.through ?? 0;
  }
  /** Notes how far each has come. Inside a transaction. */
  note(standing: StandingTables, chains: readonly Chain[], now: number): void {
    this.#redate();
    for (const chain of chains) {
      const marks = this.#marks.get(chain.id) ?? [];
      const last = marks.at(-1);
      if (last && (last.through === chain.through || (now >= last.at && now - last.at < this.#windowMs / MARKS))) continue;
      const old = marks.findLastIndex(({ at }) => at <= now - this.#windowMs);
      // A clock set back leaves marks of the future: they would hold rows for longer than they should.
      const kept = [...marks.slice(Math.max(0, old)).filter(({ at }) => at <= now), { at: now, through: chain.through }];
      standing.replacePassed(chain.id, kept);
      this.#marks.set(chain.id, kept);
    }
  }

  #redate(): void {
    const now = this.#clock.now();
    const steppedMs = now.unixMs - this.#looked.unixMs - (now.monoMs - this.#looked.monoMs);
    if (Math.abs(steppedMs) <= STEP_MS) return;
    this.#looked = now;
    for (const [chain, marks] of this.#marks) this.#marks.set(chain, marks.map((mark) => ({ ...mark, at: unixMs(Math.trunc(mark.at + steppedMs)) })));
  }
}
