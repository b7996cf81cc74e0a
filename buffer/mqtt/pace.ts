/**
 * How fast messages leave: a token bucket on the network clock, for brokers with a quota. The configured rate is the
 * most there is; a broker that complains (0x96, 0x97) halves what was really sent, and each quiet minute doubles it
 * again. After a pause a burst is allowed: by default what a tenth of a second is good for, so that no second holds much
 * more than the rate.
 */
import type { Clock } from "../../agent/contract/time.ts";

const QUIET_MS = 60_000;
/** No broker is known to allow less, and a complaint on a link that sent next to nothing must not stop what comes next. */
const SLOWEST_PER_SECOND = 10;
/** Throttled to more than this is not throttled: no broker's quota is there. */
const FREE_PER_SECOND = 10_000;

export class Pace {
  readonly #clock: Clock;
  readonly #limit: number | null;
  #throttle: { readonly perSecond: number; readonly sinceMs: number } | null = null;
  readonly #burst: number | null;
  #tokens: number;
  #atMs: number;

  /** `limit` per second; null: none. `burst` messages at once, after a pause and at first. */
  constructor(clock: Clock, limit: number | null, burst: number | null = null) {
    this.#clock = clock;
    this.#limit = limit;
    this.#burst = burst;
    this.#tokens = burst ?? 1;
    this.#atMs = clock.now().monoMs;
  }

  /** Takes leave to send one message: 0, or after how many milliseconds to ask again. */
  take(): number {
    if (this.#limit === null && this.#throttle === null) return 0;
    const nowMs = this.#clock.now().monoMs;
    const perSecond = this.#perSecond(nowMs);
    if (perSecond === null) return 0;
    this.#tokens = Math.min(this.#burst ?? Math.max(1, perSecond / 10), this.#tokens + Math.max(0, nowMs - this.#atMs) * perSecond / 1_000);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return Math.max(1, Math.ceil((1 - this.#tokens) * 1_000 / perSecond));
    this.#tokens -= 1;
    return 0;
  }

  /** The broker says that it was too much; `perSecond` is what was sent. */
  complain(perSecond: number): void {
    const nowMs = this.#clock.now().monoMs;
    const before = this.#perSecond(nowMs) ?? Number.POSITIVE_INFINITY;
    const slowest = Math.min(SLOWEST_PER_SECOND, (this.#limit ?? Number.POSITIVE_INFINITY) / 2);
    this.#throttle = { perSecond: Math.max(slowest, Math.min(before, perSecond) / 2), sinceMs: nowMs };
    this.#tokens = 0;
    this.#atMs = nowMs;
  }

  /** Messages a second because of the broker's complaints; null when it has none. */
  throttledTo(): number | null {
    const nowMs = this.#clock.now().monoMs;
    this.#perSecond(nowMs);
    return this.#throttle && this.#perSecond(nowMs);
  }

  #perSecond(nowMs: number): number | null {
    if (!this.#throttle) return this.#limit;
    const perSecond = this.#throttle.perSecond * 2 ** Math.floor((nowMs - this.#throttle.sinceMs) / QUIET_MS);
    if (perSecond < (this.#limit ?? FREE_PER_SECOND)) return perSecond;
    this.#throttle = null;
    return this.#limit;
  }
}
