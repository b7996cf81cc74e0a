/**
 * When the next write comes: at once after a pause, else within `groupMs` of the last, so that commits share a
 * transaction; later for commits that may wait, to spare the card; and for cursors alone only after a while.
 */
import type { LogFields } from "../../agent/contract/ports.ts";
import type { StoreOptions } from "../options.ts";

/** How long acknowledgements wait for a commit to ride with before the cursors are written alone: what a kill repeats. */
const CURSOR_MS = 30_000;
/** From this many on they wait only so long. */
const CURSOR_ROWS = 500;
const FULL_CURSOR_MS = 250;

export class WriteTimer {
  readonly #options: Pick<StoreOptions, "clock" | "log">;
  readonly #groupMs: number;
  readonly #write: () => void;
  #cancelWrite: (() => void) | null = null;
  /** When `#cancelWrite`'s write is to come. */
  #writeAtMs = Infinity;
  #isDue = false;
  #isEnded = false;
  #cancelCursors: (() => void) | null = null;
  #settledRows = 0;
  #lastWriteMs = -Infinity;

  constructor(options: Pick<StoreOptions, "clock" | "log">, groupMs: number, write: () => void) {
    this.#options = options;
    this.#groupMs = groupMs;
    this.#write = write;
  }

  /** A write is to come, but not in this turn. */
  get isHeld(): boolean { return this.#cancelWrite !== null && !this.#isDue; }

  /** A write by then at the latest; never sooner after the last than `groupMs`. */
  by(latestMs: number): void {
    if (this.#isDue) return;
    const dueMs = Math.max(this.#lastWriteMs + this.#groupMs, latestMs);
    if (this.#cancelWrite !== null && this.#writeAtMs <= dueMs) return;
    this.#cancelWrite?.();
    this.#cancelWrite = null;
    const wait = dueMs - this.#options.clock.now().monoMs;
    if (wait <= 0) return this.soon();
    this.#writeAtMs = dueMs;
    this.#cancelWrite = this.#after(wait);
  }
  /** After what runs now, so that commits made together are written together. */
  soon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      if (!this.#isEnded) this.#write();
    });
  }
  /** Cursors moved, by some `rows` (default: what should not be lost): written with the next commit, or alone after a while. */
  cursors(rows = CURSOR_ROWS): void {
    const [before, after] = [this.#settledRows, this.#settledRows + rows];
    this.#settledRows = after;
    const isFull = before < CURSOR_ROWS && after >= CURSOR_ROWS;
    if (this.#cancelCursors !== null && !isFull) return;
    this.#cancelCursors?.();
    this.#cancelCursors = this.#options.clock.after(after >= CURSOR_ROWS ? FULL_CURSOR_MS : CURSOR_MS, () => {
      this.#cancelCursors = null;
      if (!this.#isEnded) this.#write();
    });
  }

  /** A write begins, with all there is: nothing else is due. */
  began(): void {
    this.#cancel();
    this.#settledRows = 0;
    this.#lastWriteMs = this.#options.clock.now().monoMs;
  }
  end(): void {
    this.#isEnded = true;
    this.#cancel();
  }

  #cancel(): void {
    this.#cancelWrite?.();
    this.#cancelWrite = null;
    this.#cancelCursors?.();
    this.#cancelCursors = null;
  }
  /** A sleep, not a timer of `clock.after`: a commit in hand keeps the process alive. */
  #after(wait: number): () => void {
    const cancel = new AbortController();
    this.#options.clock.sleep(wait, cancel.signal).then(() => {
      this.#cancelWrite = null;
      this.#write();
    }, () => undefined).catch((cause: unknown) => { // Cancelled: it was written before its time, or the outbox closed.
      this.#options.log.error(describe(cause), "the buffer failed outside a commit");
    });
    return () => {
      cancel.abort();
    };
  }
}

export const describe = (cause: unknown): LogFields => ({ error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) });
