/**
 * Through which row a destination may have been sent what is due to it: kept across restarts, so that a repeat says that
 * it may be one, after whatever end. No row leaves before a number at or beyond it is on the medium. That number runs ahead
 * in blocks and is written with what is written anyway, so a record costs no write of its own; an orderly end writes it
 * exactly. After any other end rows that were never sent are taken for sent: BLOCK_ROWS at most, and none that did not exist.
 */
export const BLOCK_ROWS = 4_000;
/** So many left, the next block is due: more than is handed over at once, and than leaves while it is written and synced. */
const LOW_ROWS = 2_000;

/** `stored`: the number on the disk, if any; `through`: all due up to there is settled; `last`: the last row due. */
interface Opened { readonly stored: number | undefined; readonly through: number; readonly last: number }

export class SentMark {
  /** Sent before this process, perhaps. */
  readonly #before: number;
  /** Sent by this one. */
  #sent: number;
  /** Nothing that is due and unsent lies before it. May be ahead of a transaction that failed: good for reserving only. */
  #clear = 0;
  #reserved: number;
  #saved: number;
  /** On the medium. */
  #synced = -1;

  constructor({ stored, through, last }: Opened) {
    // Never kept, or an agent that does not keep it has sent meanwhile: nobody knows, so all may have been.
    this.#before = stored === undefined || through > stored ? last : Math.min(stored, last);
    this.#sent = through;
    this.#reserved = Math.max(stored ?? 0, this.#before);
    this.#saved = stored ?? -1;
  }

  get reserved(): number { return this.#reserved; }
  get isDirty(): boolean { return this.#reserved !== this.#saved; }
  /** Rows through here may leave. */
  get mayLeave(): number { return this.#synced; }
  /** For an orderly end. */
  get exact(): number { return Math.max(this.#before, this.#sent); }

  /** A row leaves: true when it may have been sent before. */
  sending(seq: number): boolean {
    const isRepeat = seq <= this.#before || seq <= this.#sent;
    this.reach(seq);
    return isRepeat;
  }
  /** Rows through here are sent, or need not be any more. */
  reach(seq: number): void {
    if (seq > this.#sent) this.#sent = seq;
    this.#reserve(this.#sent);
  }
  /** A row `next` is appended after `last`, the last that was due. */
  following(last: number, next: number): void {
    if (this.#sent < last && this.#clear < last) return;
    this.#clear = next - 1;
    this.#reserve(this.#clear);
  }
  /** A row is to leave next, and may not yet. */
  want(seq: number): void {
    if (seq > this.#reserved) this.#reserved = seq + BLOCK_ROWS;
  }

  saved(): void {
    this.#saved = this.#reserved;
  }
  /** What the disk says, after a write that failed. */
  reread(stored: number | undefined): void {
    this.#saved = stored ?? -1;
  }
  /** A sync begins; call what it returns when it has succeeded. */
  syncing(): () => void {
    const covered = this.#saved;
    return () => {
      this.#synced = Math.max(this.#synced, covered);
    };
  }

  #reserve(from: number): void {
    if (this.#reserved - from < LOW_ROWS) this.#reserved = from + BLOCK_ROWS;
  }
}
