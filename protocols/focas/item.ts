/**
 * One value that is asked for again and again, and the ways there are to it: series differ in which function they have.
 * The first way that gives a value is kept for the session; a refusal that will not change leads to the next one, and
 * after the last the value is given up, but for one that was once given: it is asked for on, because some controls refuse
 * a function in some modes only (focas.md §9, 7). So the series need not be known, and a refusal costs nothing but its value.
 */
import { isLasting, type Answer } from "./blocks.ts";
import type { Block } from "./functions.ts";

export interface Way<T> {
  readonly block: Block;
  /** Data bytes of a good answer, for the size of a frame. */
  readonly bytes: number;
  /** Data of a good answer; null: it says nothing. */
  decode(data: Uint8Array): T | null;
}

/** A way that once gave a value is refused so often in a row before the others are tried. */
const PATIENCE = 10;

export class Item<T> {
  readonly name: string;
  readonly #ways: readonly Way<T>[];
  #at = 0;
  #asked = false;
  /** The way that last gave a value. */
  #proven: number | null = null;
  #refusals = 0;
  #value: T | null = null;
  #status = 0;

  /** `ways` in order of preference. */
  constructor(name: string, ways: readonly Way<T>[]) {
    this.name = name;
    this.#ways = ways;
  }

  /** The last answer; null while it is not known. */
  get value(): T | null { return this.#value; }
  /** Of the last answer. */
  get status(): number { return this.#status; }
  /** The way to take; null: given up. */
  get way(): Way<T> | null { return this.#ways[this.#at] ?? null; }
  /** No other way needs to be tried. */
  get isSettled(): boolean { return this.#proven === this.#at || this.way === null || (this.#asked && this.#at === this.#ways.length - 1); }

  take({ status, data }: Answer): void {
    const { way } = this;
    if (way === null) return;
    [this.#asked, this.#status, this.#value] = [true, status, status === 0 ? way.decode(data) : null];
    if (this.#value !== null) [this.#proven, this.#refusals] = [this.#at, 0];
    if (this.#proven === this.#at && !(isLasting(status) && ++this.#refusals >= PATIENCE)) return;
    const isLast = this.#at === this.#ways.length - 1;
    if (isLasting(status) || (status === 0 && !isLast)) [this.#at, this.#asked, this.#refusals] = [isLast ? this.#proven ?? this.#ways.length : this.#at + 1, false, 0];
  }

  /** Forgets that it was given up: some controls refuse a function only in some modes (focas.md §9, 7). */
  reconsider(): void {
    if (this.way === null) this.#at = 0;
  }
}
