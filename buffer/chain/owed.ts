/**
 * Loss records that a destination refused. What they name is then covered by nothing it holds, and naming a refused loss by
 * another loss would never end; so each stays owed and is sent again, now and then, until it is taken or a later revision
 * names its row too. One that was refused rests until it is offered again: nothing refuses it many times a second.
 * Bound: MOST_OWED for each destination. A broker that leaves so many untaken has taken none for long.
 */
export const MOST_OWED = 1_000;

export class Owed {
  #seqs: Set<number>;
  readonly #resting = new Set<number>();
  /** Since what is on the disk; more than that after a transaction that failed. */
  readonly #changed = new Set<number>();

  constructor(seqs: readonly number[]) {
    this.#seqs = new Set(seqs);
  }
  get all(): readonly number[] { return [...this.#seqs]; }
  get changed(): ReadonlySet<number> { return this.#changed; }
  get isDirty(): boolean { return this.#changed.size > 0; }
  get size(): number { return this.#seqs.size; }
  get first(): number { return this.#seqs.size === 0 ? Infinity : Math.min(...this.#seqs); }
  has(seq: number): boolean {
    return this.#seqs.has(seq);
  }

  /** It was refused, for the first time or again, and rests. False when there are too many already. */
  add(seq: number): boolean {
    if (this.#seqs.size >= MOST_OWED && !this.#seqs.has(seq)) return false;
    if (!this.#seqs.has(seq)) this.#changed.add(seq);
    this.#seqs.add(seq);
    this.#resting.add(seq);
    return true;
  }
  /** It was taken, or is named otherwise, or is gone. False when it was not owed. */
  take(seq: number): boolean {
    this.#resting.delete(seq);
    const wasThere = this.#seqs.delete(seq);
    if (wasThere) this.#changed.add(seq);
    return wasThere;
  }
  /** All may be sent again. */
  offer(): void {
    this.#resting.clear();
  }
  /** Those that may be sent after a number, in order. */
  offered(after: number): readonly number[] {
    if (this.#seqs.size === this.#resting.size) return [];
    return [...this.#seqs].filter((seq) => seq > after && !this.#resting.has(seq)).sort((a, b) => a - b);
  }
  /** What a transaction that failed had changed. */
  restore(seqs: readonly number[]): void {
    this.#seqs = new Set(seqs);
  }
  saved(): void {
    this.#changed.clear();
  }
}
