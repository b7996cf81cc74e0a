/**
 * What the adapter's clock shows. SHDR sends no time but the stamps of its lines: an event that arrives as it happens
 * tells it, one that was told late does not. So a stamp near our clock, or ahead of it, counts at once; one that lies
 * back counts when another, a second and more later, lies back as far. Until then nobody knows it, and our clock stands
 * for it. Pure, but for what it keeps; all in ms, `monoMs` of our clock.
 */

/** A clock is right up to this; an event is told within it. */
const NEAR_MS = 5_000;
const CONFIRM_AFTER_MS = 1_000;
const AGREE_MS = 2_000;
/** A clock that runs slower is followed by this share of the difference. */
const FOLLOW = 0.02;

interface Known {
  /** Adapter's time less our monotonic time. */
  readonly base: number;
  readonly monoMs: number;
}

export class AdapterClock {
  readonly #ourBase: number;
  readonly #connectedMono: number;
  /** What it showed when we connected, as far as we know. */
  #connectedAt: number | null = null;
  #settled: number | null = null;
  #candidate: Known | null = null;
  #relativeBase: number | null = null;

  /** At the moment of the connection. */
  constructor(now: { readonly unixMs: number; readonly monoMs: number }) {
    this.#ourBase = now.unixMs - now.monoMs;
    this.#connectedMono = now.monoMs;
  }

  /** True when the stamp is of before the connection. */
  isBefore(stampMs: number): boolean {
    return stampMs < (this.#connectedAt ?? this.#connectedMono + this.#ourBase);
  }

  /** What it shows at `monoMs`; null: not known. */
  at(monoMs: number): number | null {
    return this.#settled === null ? null : Math.trunc(this.#settled + monoMs);
  }

  /**
   * The newest stamp of what an adapter sends to everyone who connects. It may be as old as it likes: near our clock it
   * shows that both are right; ahead of it, that the adapter's is wrong, but not by how much.
   */
  greeted(stampMs: number, monoMs: number): void {
    const base = stampMs - monoMs;
    if (Math.abs(base - this.#ourBase) <= NEAR_MS) this.#settle(base);
  }

  /** True when nobody can have been there: of a clock that is ahead, and by how much is not known yet, or of one stamp alone. */
  isAhead(stampMs: number, monoMs: number): boolean {
    return stampMs - monoMs > (this.#settled ?? this.#ourBase) + NEAR_MS;
  }

  heard(stampMs: number, monoMs: number): void {
    const base = stampMs - monoMs;
    const off = base - (this.#settled ?? this.#ourBase);
    if (Math.abs(off) <= NEAR_MS || (this.#settled === null && off > 0)) {
      this.#settle(this.#settled === null || off > 0 ? base : this.#settled + off * FOLLOW);
      return;
    }
    const before = this.#candidate;
    if (before === null || Math.abs(base - before.base) > AGREE_MS) this.#candidate = { base, monoMs };
    else if (monoMs - before.monoMs >= CONFIRM_AFTER_MS) this.#settle(Math.max(base, before.base));
  }

  /** A clock that is set back shows times again; one that goes ahead makes nothing older than it was. */
  #settle(base: number): void {
    [this.#settled, this.#candidate] = [base, null];
    const connected = this.#connectedMono + base;
    if (this.#connectedAt === null || connected < this.#connectedAt - NEAR_MS) this.#connectedAt = connected;
  }

  /** Relative stamps count from the first of a session, which is of now. */
  absolute(ms: number, monoMs: number): number {
    this.#relativeBase ??= Math.trunc(this.#ourBase + monoMs) - ms;
    return this.#relativeBase + ms;
  }
}
