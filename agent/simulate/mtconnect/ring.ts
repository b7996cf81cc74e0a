/**
 * The agent's buffer: a ring of observations numbered without a hole, and what was true at any number still in it.
 * Bounded by `size`; the oldest leaves first and is remembered in `base`, the state just before the first number.
 * Facts: mtconnect.md §2 (at), §3 (sequences), §7 (conditions as a set).
 */
import { wholeSet, type Entry } from "./observation.ts";

/** Per item index: what current shows. Several entries only for conditions that are active at once. */
type State = (readonly Entry[] | undefined)[];

export class Ring {
  readonly size: number;
  private readonly entries: (Entry | undefined)[];
  private base: State = [];
  private latest: State = [];
  private firstSequence = 1;
  private nextSequence = 1;
  /** First number since the last clear: places are counted from it, so that the array grows without holes. */
  private origin = 1;

  constructor(size: number) {
    this.size = size;
    this.entries = [];
  }
  get first(): number {
    return this.firstSequence;
  }
  /** The number the next observation gets. */
  get next(): number {
    return this.nextSequence;
  }
  get last(): number {
    return this.nextSequence - 1;
  }
  get(sequence: number): Entry | undefined {
    return this.entries[(sequence - this.origin) % this.size];
  }
  /** Numbers below `entry.sequence` that never came (a recording that lacks them) stay empty. */
  push(entry: Entry): void {
    if (this.nextSequence === this.firstSequence) this.origin = this.firstSequence = this.nextSequence = entry.sequence;
    if (entry.sequence < this.nextSequence) throw new Error(`sequence ${entry.sequence} after ${this.last}: an agent's numbers only rise`);
    while (this.nextSequence < entry.sequence) this.put(undefined);
    this.put(entry);
    apply(this.latest, entry);
  }
  /** Begins anew at `first`, as an agent does that was restarted. */
  clear(first = 1): void {
    this.entries.length = 0;
    this.base = [];
    this.latest = [];
    this.origin = this.firstSequence = this.nextSequence = first;
  }
  /** Entries that current shows, without `at`: now; with it: after that number was applied. */
  state(at?: number): Entry[] {
    if (at === undefined || at === this.last) return this.latest.flatMap((entries) => entries ?? []);
    const state = [...this.base];
    for (let sequence = this.firstSequence; sequence <= at; sequence++) {
      const entry = this.get(sequence);
      if (entry !== undefined) apply(state, entry);
    }
    return state.flatMap((entries) => entries ?? []);
  }
  private put(entry: Entry | undefined): void {
    if (this.nextSequence - this.firstSequence === this.size) {
      const oldest = this.get(this.firstSequence);
      if (oldest !== undefined) apply(this.base, oldest);
      this.firstSequence++;
    }
    this.entries[(this.nextSequence - this.origin) % this.size] = entry;
    this.nextSequence++;
  }
}

function apply(state: State, entry: Entry): void {
  const before = state[entry.item.index];
  state[entry.item.index] = entry.level === "" ? [merged(before?.[0], entry)] : conditions(before ?? [], entry);
}

const merged = (before: Entry | undefined, entry: Entry): Entry => (entry.set === null ? entry : wholeSet(entry, new Map([...before?.set ?? [], ...entry.set])));

/** Normal with a code clears that one, without clears all; Unavailable replaces all (mtconnect.md §7, Conditions). */
function conditions(active: readonly Entry[], entry: Entry): readonly Entry[] {
  const others = active.filter((one) => (one.level === "FAULT" || one.level === "WARNING") && one.key !== entry.key);
  if (entry.level === "UNAVAILABLE" || (entry.level === "NORMAL" && entry.key === "")) return [entry];
  if (entry.level === "NORMAL") return others.length === 0 ? [entry] : others;
  return [...others, entry];
}
