/**
 * What a source says while this machine's clock is not set yet waits in memory with its time since boot, and is dated once
 * the clock is set, or not waited for any longer. Bounded: beyond HELD readings or batches the source itself is made to
 * wait. When its link is lost, what it can serve again is let go of, because it will.
 */
import type { Batch } from "../../contract/observation.ts";
import { unixMs, type Instant } from "../../contract/time.ts";
import type { Ports } from "../../contract/ports.ts";
import type { Link } from "../../contract/source.ts";
import type { ClockTrust } from "./clock-trust.ts";

export interface UntilSetParts {
  readonly clockTrust: ClockTrust;
  readonly clock: Ports["clock"];
  take(batch: Batch, received: Instant): Promise<void>;
}
interface Held {
  readonly batch: Batch;
  readonly came: Instant;
}

const HELD = 5_000;

export class UntilSet {
  readonly #parts: UntilSetParts;
  readonly #signal: AbortSignal;
  #held: Held[] = [];
  #readings = 0;
  /** Takes what is held as soon as it may be dated. */
  #taking: Promise<void> | null = null;

  constructor(parts: UntilSetParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  async take(batch: Batch): Promise<void> {
    const { clock, clockTrust } = this.#parts;
    const came = clock.now();
    if (clockTrust.state() === "waiting" && this.#held.length < HELD && this.#readings < HELD) {
      this.#held.push({ batch, came });
      this.#readings += batch.items.length;
      this.#taking ??= this.#takeHeld();
      // Told to whoever comes next; until then nobody looks.
      this.#taking.catch(() => undefined);
      return;
    }
    await clockTrust.settled(this.#signal);
    const taking = this.#taking;
    this.#taking = null;
    await taking;
    await this.#parts.take(batch, dated(came, clock.now()));
  }

  onLink({ state }: Link): void {
    if (state !== "up" && this.#held.some(({ batch }) => batch.cursor !== undefined)) this.#clear();
  }

  async #takeHeld(): Promise<void> {
    try {
      await this.#parts.clockTrust.settled(this.#signal);
      for (let next = this.#held.shift(); next !== undefined; next = this.#held.shift()) await this.#parts.take(next.batch, dated(next.came, this.#parts.clock.now()));
    } finally {
      this.#clear();
    }
  }
  #clear(): void {
    this.#held = [];
    this.#readings = 0;
  }
}

/** When it came, by the clock as it is set now. */
const dated = (came: Instant, now: Instant): Instant => ({ ...came, unixMs: unixMs(Math.round(now.unixMs - (now.monoMs - came.monoMs))) });
