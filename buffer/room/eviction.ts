/**
 * One slice of giving up rows for want of room: which of a thousand go, whom they are lost to, and the loss records that
 * say so, in one transaction. buffer/room/room.ts decides when, and in what order.
 */
import type { UnixMs } from "../../agent/contract/time.ts";
import type { Books } from "../ledger/books.ts";
import type { Chain } from "../chain/chain.ts";
import { claimsOf, type Claim } from "../chain/claims.ts";
import type { Deliveries } from "../chain/deliveries.ts";
import { forgetGone } from "./forgetting.ts";
import { lossesOf, NOTHING, type Leaving, type Lost } from "../loss/loss-runs.ts";
import { tellLoss, type Teller } from "../loss/losses.ts";
import { TYPE_CODES, typeOfCode } from "../ledger/schema.ts";
import type { Peeked, Space } from "./space.ts";
import { EVERYONE, NO_CLASS, SUPERSEDED } from "./sweeps.ts";
import { tellingsOf, type Telling } from "./tellings.ts";
import { valueOfCode, type LOSSES } from "./value.ts";

export const SLICE_ROWS = 1_000;
/** Numbers over which superseded loss records are looked for: they lie among many other rows. */
const WIDE = 20_000;
/** Superseded loss records given up for each that tells of them. */
const WORTH = 4;

/** What a sweep takes. `had`: rows nobody needs any more, whatever their value; `young`: also those a broker acknowledged lately. */
export type Sweep =
  | { readonly take: "had"; readonly young: boolean }
  /** `left`: also what stayed behind when the class was swept, for some cursor had yet to pass it. */
  | { readonly take: "value"; readonly value: number; readonly left?: true }
  /** Loss records of which a later revision is kept; `told`: also those that whom they concern was told, confirmed or not. `on`: on account of this destination's own limit. */
  | { readonly take: "loss"; readonly value: typeof LOSSES; readonly told: boolean; readonly on?: Chain }
  /** At most `most` of them. */
  | { readonly take: "alone"; readonly value: number; readonly chain: Chain; readonly most: number };

export interface Parts {
  readonly books: Books;
  readonly space: Space;
  /** Configured destinations. */
  readonly chains: readonly Chain[];
  /** Every destination ever known. */
  readonly known: readonly Chain[];
  readonly teller: Teller;
  /** Rows after it may not go: they have not been reported stored. */
  readonly syncedSeq: number;
  readonly healed: (chain: Chain) => number;
  /** Rows refused and not yet on the disk. */
  readonly deliveries: Deliveries;
}
export interface Swept {
  /** Last row looked at; null: there was none. */
  readonly to: number | null;
  /** True when there may be more after it. */
  readonly isFull: boolean;
  readonly removed: number;
  /** Rows given up, over all destinations. */
  readonly lost: number;
}
interface Judged extends Peeked {
  readonly value: number;
  readonly claims: readonly Claim[];
  /** Of loss records, where it matters. */
  readonly telling: Telling | null;
  readonly goes: boolean;
}

/** Rows after `after` up to `through`, at most a slice. Throws; then nothing of it was done. */
export function sweepSlice(parts: Parts, sweep: Sweep, after: number, through: number): Swept {
  const { books, space, chains } = parts;
  const looked = lookAt(space, sweep, after, through);
  if (looked === null) return { to: null, isFull: false, removed: 0, lost: 0 };
  const claims = chains.map((chain) => claimsOf(books, chain, { after, to: looked.to }, { healed: parts.healed(chain), refused: parts.deliveries.refusedOf(chain) }));
  const tellings = sweep.take === "loss" ? tellingsOf(books, chains) : null;
  const judged = judge(sweep, chains, looked.rows.map((row) => {
    const type = typeOfCode(row.type);
    return { ...row, value: valueOfCode(row.type), claims: claims.map((claim) => claim(row.seq, type)), telling: tellings && type === "loss" ? tellings(row.seq) : null };
  }));
  const to = judged.length < looked.rows.length ? judged.at(-1)?.seq : looked.to;
  if (to === undefined) return { to: null, isFull: false, removed: 0, lost: 0 };
  let going: ReadonlySet<number> = new Set(judged.filter(({ goes }) => goes).map(({ seq }) => seq));
  let losses = chains.map((chain, index) => lostTo(books, sweep, judged, { chain, index }));
  // A loss record for each row given up would make no room. What is superseded can wait until it is worth its while.
  if (going.size <= losses.reduce((sum, { told }) => sum + told.length, 0) * worthOf(sweep)) [going, losses] = [new Set(), chains.map(() => NOTHING)];
  carryOut(parts, sweep, { after, to, judged, going, losses });
  return { to, isFull: looked.isFull || judged.length < looked.rows.length, removed: going.size, lost: losses.reduce((sum, { rows }) => sum + rows.length, 0) };
}

/** Null: there is nothing. Of superseded loss records only loss records are looked at. */
function lookAt(space: Space, sweep: Sweep, after: number, through: number): { readonly rows: readonly Peeked[]; readonly to: number; readonly isFull: boolean } | null {
  const isWide = isOfSuperseded(sweep);
  const rows = space.peek(after, through, isWide ? 1 : SLICE_ROWS);
  const [first, last] = [rows[0], rows.at(-1)];
  if (!first || !last) return null;
  if (!isWide) return { rows, to: last.seq, isFull: rows.length === SLICE_ROWS };
  const to = Math.min(through, first.seq + WIDE - 1);
  return { rows: space.peekType(after, to, TYPE_CODES.loss), to, isFull: to < through };
}
/** Rows to go for each record that tells of them. */
const worthOf = (sweep: Sweep): number => (sweep.take === "loss" ? (sweep.told ? 1 : WORTH) : sweep.take === "value" && sweep.left ? 1 : -1);
const isOfSuperseded = (sweep: Sweep): boolean => sweep.take === "loss" && !sweep.told;

function judge(sweep: Sweep, chains: readonly Chain[], rows: readonly Omit<Judged, "goes">[]): readonly Judged[] {
  if (sweep.take === "had") {
    const mayGo = (claim: Claim): boolean => claim === "undue" || claim === "covered" || claim === "had" || (sweep.young && claim === "young");
    return rows.map((row) => ({ ...row, goes: row.claims.every(mayGo) }));
  }
  const ofValue = (row: Omit<Judged, "goes">): boolean => row.value === sweep.value;
  if (sweep.take === "value") return rows.map((row) => ({ ...row, goes: ofValue(row) && !row.claims.includes("held") }));
  if (sweep.take === "loss") return rows.map((row) => ({ ...row, goes: (row.telling === "superseded" || (sweep.told && row.telling === "told")) && !row.claims.includes("held") }));
  const own = chains.indexOf(sweep.chain);
  // Its span may not cover a row that its cursor has yet to pass.
  let taken = 0;
  const stop = rows.findIndex((row) => ofValue(row) && (row.claims[own] === "held" || (row.claims[own] === "needed" && taken++ === sweep.most)));
  return (stop === -1 ? rows : rows.slice(0, stop)).map((row) =>
    ({ ...row, goes: ofValue(row) && row.claims.every((claim, index) => claim === "undue" || claim === "covered" || (index === own && claim === "needed")) }));
}

/** Whom the slice costs what. */
function lostTo(books: Books, sweep: Sweep, judged: readonly Judged[], { chain, index }: { readonly chain: Chain; readonly index: number }): Lost {
  if (sweep.take === "had" || (sweep.take === "alone" && sweep.chain !== chain)) return NOTHING;
  const slice = judged.map((row): Leaving => ({ ...row, claim: row.claims[index] ?? "undue", goes: row.goes || sweep.take === "alone" }));
  return lossesOf(books, chain, slice, { value: sweep.value, reason: sweep.take === "alone" || (sweep.take === "loss" && sweep.on === chain) ? "destination_limit" : "buffer_full" });
}

interface Plan {
  readonly after: number;
  readonly to: number;
  readonly judged: readonly Judged[];
  readonly going: ReadonlySet<number>;
  readonly losses: readonly Lost[];
}

/** For receipts. Rows refused before and sent again by hand were counted then. */
function noteDrops({ drops }: Books, chain: Chain | undefined, { rows, told }: Lost, now: UnixMs): void {
  const cause = told[0]?.reason;
  if (!chain || cause === undefined) return;
  drops.note(chain.id, { cause, seqs: rows.map(({ seq }) => seq).filter((seq) => !chain.isReleased(seq)), now });
}

/** Where nothing of a slice is left for one destination. */
function noteGaps({ rows, gaps }: Books, chain: Chain, sweep: Sweep, { after, to, judged, going }: Omit<Plan, "losses">): void {
  gaps.forget(chain.id, chain.through);
  if (isOfSuperseded(sweep)) { // What else is there was not looked at.
    for (const seq of going) gaps.note(chain.id, seq, seq);
    return;
  }
  const kept = judged.filter(({ seq, value }) => !going.has(seq) && !rows.isGivenUp(chain, seq, value)).map(({ seq }) => seq);
  for (const [index, end] of [...kept, to + 1].entries()) {
    const from = (kept[index - 1] ?? after) + 1;
    if (end > from) gaps.note(chain.id, from, end - 1);
  }
}
/** Up to where no loss record is left that is superseded, or may yet be. */
const supersededTo = (judged: readonly Judged[], going: ReadonlySet<number>, to: number): number =>
  Math.min(to, ...judged.filter(({ seq, telling }) => telling !== null && telling !== "told" && !going.has(seq)).map(({ seq }) => seq - 1));

function carryOut({ books, space, chains, known, teller, deliveries }: Parts, sweep: Sweep, { after, to, judged, going, losses }: Plan): void {
  const isIdle = going.size === 0 && losses.every(({ rows }) => rows.length === 0);
  const { ledger, tables, sweeps, gaps } = books;
  const mark = isOfSuperseded(sweep) && after <= Math.max(sweeps.to(EVERYONE, SUPERSEDED), ledger.firstSeq - 1) ? supersededTo(judged, going, to) : 0;
  if (isIdle && (sweep.take === "had" || (sweep.take === "loss" && mark <= after) || (sweep.take === "value" && sweep.left))) return;
  const restore = chains.map((chain) => chain.mark());
  try {
    ledger.transaction(() => {
      deliveries.write(books, teller);
      ledger.setMeta("last", String(ledger.lastSeq)); // An emptied table must not start its numbers again.
      for (const [index, { rows, told }] of losses.entries()) noteDrops(books, chains[index], { rows, told }, teller.now);
      for (const [index, { rows }] of losses.entries()) for (const { seq } of rows) chains[index]?.giveUp(seq);
      if (isOfSuperseded(sweep)) space.removeEach(going);
      else if (going.size > 0) space.remove(after, to, judged, going);
      for (const chain of known) if (chain.isListed(after, to)) for (const seq of going) tables.dropDue(chain.id, seq);
      if (sweep.take === "value" && !sweep.left) sweeps.extend(EVERYONE, sweep.value, after + 1, to);
      else if (going.size > 0) sweeps.extend(EVERYONE, NO_CLASS, after + 1, to);
      if (mark > after) sweeps.extend(EVERYONE, SUPERSEDED, after + 1, mark);
      if (sweep.take === "alone") sweeps.extend(sweep.chain.id, sweep.value, after + 1, to);
      for (const chain of known) if (sweep.take === "alone" ? chain === sweep.chain : gaps.has(chain.id)) noteGaps(books, chain, sweep, { after, to, judged, going });
      for (const [index, { rows, told }] of losses.entries()) {
        const chain = chains[index];
        if (!chain) continue;
        if (sweep.take === "alone" && chain.isListed(after, to)) for (const { seq } of rows) tables.dropDue(chain.id, seq);
        for (const loss of told) tellLoss(teller, chain, loss);
      }
      if (going.size > 0) forgetGone(books, known, after, to);
      for (const chain of chains) if (chain.isDirty) chain.save();
    });
  } catch (cause) {
    for (const back of restore) back();
    sweeps.reload();
    for (const chain of known) chain.reload(ledger.lastSeq);
    throw cause;
  }
  deliveries.written();
  for (const chain of chains) {
    chain.saved();
    chain.advance(books.rows);
  }
}
