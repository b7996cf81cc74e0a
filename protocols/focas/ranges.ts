/**
 * Points that lie near each other (macro variables, PMC addresses of one width) are read as one range, and share its
 * answer. Where a control answers a range shorter than asked (some do) or refuses it, for one number in it that is not
 * there, its points are asked for one by one from then on.
 */
import type { Answer } from "./blocks.ts";
import { READ_FUNCTIONS } from "./functions.ts";
import { Item, type Way } from "./item.ts";

interface Member {
  readonly item: Item<number>;
  readonly way: Way<number>;
}
interface Place {
  readonly first: number;
  readonly last: number;
  /** What must be equal for two points to lie in one range. */
  readonly key: string;
  /** Bytes of an answer for each number from `first` on. */
  readonly bytesEach: number;
}

/** Bytes of data of one range; what lies between two points is read with them up to GAP bytes. */
const LONGEST = 256;
const GAP = 32;

export class PointRange {
  readonly #item: Item<Uint8Array>;
  readonly #members: readonly Member[];
  readonly #bytesEach: number;
  #isOne = true;

  constructor(members: readonly Member[], { first, bytesEach }: Place, last: number) {
    const [{ way }] = members as readonly [Member];
    const { block } = way;
    const bytes = (last - first + 1) * bytesEach;
    this.#members = members;
    this.#bytesEach = bytesEach;
    this.#item = new Item(`range ${first} to ${last}`, [{
      block: { ...block, values: [first, last, ...block.values.slice(2)] }, bytes,
      decode: (data) => (data.length < bytes ? null : data),
    }]);
  }

  /** What to ask for. */
  get asks(): readonly Item<unknown>[] { return this.#isOne ? [this.#item] : this.#members.map(({ item }) => item); }

  /** Hands the answer on. True: it was none, and the points have yet to be asked for, one by one. */
  spread(): boolean {
    if (!this.#isOne) return false;
    const { value, status, way } = this.#item;
    this.#isOne = value !== null || (status !== 0 && way !== null);
    if (!this.#isOne) return true;
    const start = way?.block.values[0] ?? 0;
    for (const member of this.#members) {
      const at = ((member.way.block.values[0] ?? 0) - start) * this.#bytesEach;
      const answer: Answer = { status, detail: [0, 0], data: value?.subarray(at, at + member.way.bytes) ?? new Uint8Array(0) };
      member.item.take(answer);
    }
    return false;
  }
}

/** The ranges of these points, and the points that stand alone. */
export function rangesOf(items: readonly Item<number>[]): { readonly ranges: readonly PointRange[]; readonly alone: readonly Item<number>[] } {
  const groups = new Map<string, { readonly member: Member; readonly place: Place }[]>();
  const alone: Item<number>[] = [];
  for (const item of items) {
    const place = item.way && placeOf(item.way);
    if (item.way === null || place === null) alone.push(item);
    else groups.set(place.key, [...(groups.get(place.key) ?? []), { member: { item, way: item.way }, place }]);
  }
  const ranges: PointRange[] = [];
  for (const group of groups.values()) {
    for (const run of runsOf(group.toSorted((one, other) => one.place.first - other.place.first))) {
      const [first] = run;
      if (first === undefined) continue;
      if (run.length === 1) alone.push(first.member.item);
      else ranges.push(new PointRange(run.map(({ member }) => member), first.place, Math.max(...run.map(({ place }) => place.last))));
    }
  }
  return { ranges, alone };
}

function placeOf({ block, bytes }: Way<number>): Place | null {
  const [first = 0, last = 0, area = 0, width = 0] = block.values;
  const isPmc = block.device === READ_FUNCTIONS.pmc.device && block.command === READ_FUNCTIONS.pmc.command;
  // Elements wider than a byte are turned round each for itself (§5.14): only those that line up share a range.
  if (isPmc) return { first, last, key: `pmc ${block.path} ${area} ${width} ${first % bytes}`, bytesEach: 1 };
  return block.device === 1 && block.command === READ_FUNCTIONS.macro.command ? { first, last, key: `macro ${block.path}`, bytesEach: bytes } : null;
}

function* runsOf<T extends { readonly place: Place }>(sorted: readonly T[]): Generator<readonly T[]> {
  let run: T[] = [];
  for (const one of sorted) {
    const { bytesEach, last } = one.place;
    const start = run[0]?.place.first ?? one.place.first;
    const end = run.reduce((most, { place }) => Math.max(most, place.last), start);
    if (run.length > 0 && ((one.place.first - end) * bytesEach > GAP || (last - start + 1) * bytesEach > LONGEST)) {
      yield run;
      run = [];
    }
    run.push(one);
  }
  if (run.length > 0) yield run;
}
