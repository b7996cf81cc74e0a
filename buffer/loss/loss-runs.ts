/**
 * What of a slice that is being given up is lost to one destination, as losses: runs of rows of one value class without
 * another row of it between, so that a row is named by one record and counts are exact. The first run goes on from the
 * last one told, where nothing of the class lies between.
 * Loss records themselves that are lost are named otherwise, or what names them would become ever more: by one record
 * that also spans others that stay. It counts exactly too: one of those that goes later is counted in it then.
 */
import type { RecordType } from "../../agent/contract/record.ts";
import { unixMs } from "../../agent/contract/time.ts";
import type { Books } from "../ledger/books.ts";
import type { Chain } from "../chain/chain.ts";
import type { Claim } from "../chain/claims.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Loss } from "./loss.ts";
import type { UntoldLoss } from "./losses.ts";
import { typeOfCode } from "../ledger/schema.ts";
import type { Peeked } from "../room/space.ts";
import { codesOf, LOSSES, typesOf, VALUE_CLASSES } from "../room/value.ts";

/** Further than this it is not looked whether a row stayed. */
const NEAR = 100_000;

export interface Leaving extends Peeked {
  readonly value: number;
  readonly claim: Claim;
  /** It is given up for this destination. */
  readonly goes: boolean;
}
export interface Lost {
  readonly rows: readonly Leaving[];
  readonly told: readonly UntoldLoss[];
}
export const NOTHING: Lost = { rows: [], told: [] };

/** `slice`: all that is there between its first and its last row, in order. */
export function lossesOf(books: Books, chain: Chain, slice: readonly Leaving[], { value, reason }: { readonly value: number; readonly reason: Loss["reason"] }): Lost {
  if (value === LOSSES) return lossRecordsOf(books, chain, slice.filter((row) => row.value === LOSSES && row.goes && row.claim === "needed"), reason);
  const first = slice[0]?.seq ?? 0;
  let last = lastOf(books, chain, { first, value, reason });
  const between = namedBetween(books, chain, { after: Math.min(first - 1, last?.to ?? Infinity), to: slice.at(-1)?.seq ?? 0, value });
  const isApart = (before: UntoldLoss, seq: number): boolean => seq <= before.to || between.some((from) => from > before.to && from < seq);
  const [rows, told]: [Leaving[], UntoldLoss[]] = [[], []];
  let run: UntoldLoss | null = null;
  const close = (): void => {
    if (run) told.push(run);
    run = null;
  };
  for (const row of slice) {
    const type = typeOfCode(row.type);
    if (row.value !== value || row.claim === "undue" || !type) continue;
    if (row.claim !== "needed" || !row.goes) {
      close();
      if (last && row.seq > last.to) last = null;
      continue;
    }
    if (run && isApart(run, row.seq)) close();
    const goesOn: UntoldLoss | null = run ?? (last && !isApart(last, row.seq) ? last : null);
    if (run === null && goesOn !== null) last = null;
    run = grown(goesOn ?? begun(row, value, reason), row, type);
    rows.push(row);
  }
  close();
  return { rows, told };
}

function lossRecordsOf({ standing }: Books, chain: Chain, rows: readonly Leaving[], reason: Loss["reason"]): Lost {
  const to = rows.at(-1)?.seq ?? 0;
  const known: UntoldLoss[] = [...standing.toldOfClass(chain.id, LOSSES, to)];
  const others = standing.toldBetween(chain.id, Math.min(...known.map((loss) => loss.to), rows[0]?.seq ?? 0), to).filter((loss) => loss.value !== LOSSES && namesAny(loss, LOSSES));
  const told = new Map<number, UntoldLoss>();
  for (const row of rows) {
    const last = known.findLast(({ from }) => from <= row.seq);
    const isApart = last === undefined || others.some(({ from }) => last.to < from && from < row.seq);
    const run = grown(isApart ? begun(row, LOSSES, reason) : last, row, "loss");
    if (isApart) known.splice(last === undefined ? 0 : known.indexOf(last) + 1, 0, run);
    else known[known.indexOf(last)] = run;
    told.set(run.from, run);
  }
  return { rows, told: [...told.values()] };
}

/** The last loss of the class, when rows from `first` on may be added to it. */
function lastOf({ ledger, standing }: Books, chain: Chain, { first, value, reason }: { readonly first: number; readonly value: number; readonly reason: Loss["reason"] }): UntoldLoss | null {
  const last = standing.lastTold(chain.id, value);
  if (last?.reason !== reason || last.count === 0 || chain.doneTo > last.to) return null;
  return first > last.to && isKeptBetween(ledger, last.to, first, value) ? null : last;
}
/** A row of the class stayed there, for some cursor had yet to pass it: the loss before it must not name it. Where that would take long to see, another loss begins too. */
function isKeptBetween(ledger: Ledger, after: number, before: number, value: number): boolean {
  const others = VALUE_CLASSES.map((_, index) => index + 1).filter((one) => one !== value);
  return before - after > NEAR || ledger.next(after, before - 1, codesOf(others)) !== undefined;
}
/** First rows of what was told of the class already, though its rows may be gone: no loss may go on across it. */
function namedBetween({ standing }: Books, chain: Chain, { after, to, value }: { readonly after: number; readonly to: number; readonly value: number }): readonly number[] {
  return standing.toldBetween(chain.id, after, to).filter((loss) => namesAny(loss, value)).map(({ from }) => from);
}
/** Where types are unknown a loss names all. */
const namesAny = ({ byType }: UntoldLoss, value: number): boolean => typesOf(value).some((type) => byType[type] !== undefined) || Object.keys(byType).length === 0;

const begun = ({ seq, start }: Peeked, value: number, reason: Loss["reason"]): UntoldLoss => ({ reason, from: seq, to: seq, value, count: 0, byType: {}, start: unixMs(start), end: unixMs(start) });
const grown = (run: UntoldLoss, { seq, start }: Peeked, type: RecordType): UntoldLoss => ({
  ...run, to: Math.max(run.to, seq), count: run.count + 1, byType: { ...run.byType, [type]: (run.byType[type] ?? 0) + 1 }, end: unixMs(Math.max(run.end, start)),
});
