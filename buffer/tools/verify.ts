/**
 * Everything of a buffer that carries a checksum or must fit together, looked through in slices with a pause between, so
 * that a running agent is not held up: each slice is one short read transaction. The structure of the file itself is
 * looked through by a process of its own (buffer/tools/structure.ts), where one is given.
 * What the agent gave up or deleted on purpose is no damage; a row that every destination has had and that is damaged is
 * told, as one that no longer matters.
 */
import type { Damage, Unchecked, VerifyStep } from "../../agent/contract/buffer-reader.ts";
import type { Connection } from "../ledger/connection.ts";
import { storeError } from "../store-error.ts";
import type { StructureCheck } from "./structure.ts";
import { isNeeded, lookInto, rowsAfter, type Look, type Looking } from "./look.ts";

const SLICE = 500;
/** Chains under a filter are walked so many links at once. */
const LINKS = 5_000;

export interface VerifyParts {
  readonly db: Connection;
  readonly structure: StructureCheck | null;
  /** Lets others have their turn. */
  readonly pause: (signal: AbortSignal) => Promise<void>;
}

export async function* verify(parts: VerifyParts, signal: AbortSignal): AsyncGenerator<Damage | VerifyStep | Unchecked, void, void> {
  const { db, structure } = parts;
  const look = lookInto(db);
  if (structure) {
    yield { part: "the structure of the file", done: 0, of: 0 };
    const verdict = await structure(db.name, signal);
    if ("none" in verdict) yield { unchecked: `the structure of the file: ${verdict.none}` };
    else if (verdict.found !== null) yield { place: "file", seq: null, matters: true, words: verdict.found };
  }
  yield* readable("checkpoints", () => look(checkpoints));
  yield* readable("cursors", () => cursors(look));
  yield* chains(parts, look, signal);
  yield* rows(parts, look, signal);
}

/** What cannot be read at all is damage, and no reason to look no further. */
function* readable(place: Damage["place"], read: () => Iterable<Damage>): Generator<Damage> {
  try {
    yield* read();
  } catch (cause) {
    yield unreadable(place, null, cause);
  }
}
function unreadable(place: Damage["place"], seq: number | null, cause: unknown): Damage {
  const error = storeError(cause, "cannot read", place);
  const isDamage = error.fault === "corrupt" || (cause instanceof Error && "code" in cause && cause.code === "SQLITE_ERROR");
  if (!isDamage) throw error;
  return { place, seq, matters: true, words: `${seq === null ? `the ${place}` : `records from ${seq} on`} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}` };
}

function checkpoints({ ledger }: Look): readonly Damage[] {
  return ledger.checkpointKeys().flatMap((key) => {
    const found = ledger.checkpoint(key);
    return found === null || typeof found === "string" ? [] : [{ place: "checkpoints" as const, seq: null, matters: true, words: `the saved position ${key} does not match its checksum: its machine would start from the source's current values` }];
  });
}

/** Cursors, routes and what stands beside them are checked as they are read. */
function* cursors(look: Looking): Generator<Damage> {
  const found = look(({ chains, ledger }) => chains.flatMap((one): Damage[] => {
    const wrong = (words: string): Damage => ({ place: "cursors", seq: null, matters: true, words: `${one.name}: ${words}` });
    return [
      ...(one.through > ledger.lastSeq ? [wrong(`its cursor stands at ${one.through}, but the newest record is ${ledger.lastSeq}`)] : []),
      ...((one.confirmedThrough ?? 0) > ledger.lastSeq ? [wrong(`confirmed through ${one.confirmedThrough ?? 0}, but the newest record is ${ledger.lastSeq}`)] : []),
      ...(one.waiting < 0 ? [wrong(`${one.waiting} records wait, which cannot be`)] : []),
    ];
  }));
  yield* found;
}

interface OfChain {
  readonly look: Looking;
  readonly id: number;
  readonly name: string;
}
interface Link { readonly seq: number; readonly prev: number; readonly n: number }

async function* chains(parts: VerifyParts, look: Looking, signal: AbortSignal): AsyncGenerator<Damage | VerifyStep> {
  try {
    for (const { id, name } of look((now) => now.chains.map(({ id, name }) => ({ id, name })))) yield* chain(parts, { look, id, name }, signal);
  } catch (cause) {
    signal.throwIfAborted();
    yield unreadable("chain", null, cause);
  }
}

/** Under a filter the chain is stored: every link names the one before it, which is there or was let go of. */
async function* chain({ db, pause }: VerifyParts, { look, id, name }: OfChain, signal: AbortSignal): AsyncGenerator<Damage | VerifyStep> {
  const links = db.prepare<[number, number, number], Link>("SELECT seq, prev, n FROM due WHERE destination = ? AND seq > ? ORDER BY seq LIMIT ?");
  let before: Link | null = null;
  for (;;) {
    const slice = links.all(id, before?.seq ?? 0, LINKS);
    for (const link of slice) {
      const sound = look(({ tables }) => isSound(() => tables.due(id, link.seq)));
      if (sound !== null) yield { place: "chain", seq: link.seq, matters: true, words: `${name}: ${sound}` };
      if (before && (link.prev < before.seq || link.n <= before.n)) yield { place: "chain", seq: link.seq, matters: true, words: `${name}: row ${link.seq} names ${link.prev} as the one before it, but ${before.seq} is` };
      before = link;
    }
    if (slice.length < LINKS) return;
    yield { part: `the chain of ${name}`, done: before?.seq ?? 0, of: 0 };
    await pause(signal);
  }
}
function isSound(read: () => unknown): string | null {
  try {
    read();
    return null;
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}

interface Slice {
  readonly damaged: readonly Damage[];
  readonly through: number;
  readonly count: number;
}
function sliceOf(look: Looking, after: number, last: number): Slice {
  try {
    const slice = rowsAfter(look, after, SLICE).filter(({ seq }) => seq <= last);
    const bad = slice.filter((row) => "damaged" in row);
    const damaged = bad.length === 0 ? [] : look((now) => bad.filter(({ seq }) => seq >= now.ledger.firstSeq).map(({ seq }): Damage => {
      const matters = isNeeded(now, seq, now.ledger.typeOf(seq) ?? null);
      return { place: "rows", seq, matters, words: `record ${seq} is missing or does not match its checksum${matters ? "" : "; every destination has had it"}` };
    }));
    return { damaged, through: slice.at(-1)?.seq ?? last, count: slice.length - bad.length };
  } catch (cause) {
    // A part of the table that SQLite cannot follow: beyond it the rows are found again.
    return { damaged: [unreadable("rows", after + 1, cause)], through: after + SLICE, count: 0 };
  }
}

async function* rows({ pause }: VerifyParts, look: Looking, signal: AbortSignal): AsyncGenerator<Damage | VerifyStep> {
  let [first, last] = [0, 0];
  try {
    [first, last] = look(({ ledger }) => [ledger.firstSeq, ledger.lastSeq] as const);
  } catch (cause) {
    yield unreadable("rows", null, cause);
    return;
  }
  let [after, seen] = [first - 1, 0];
  while (after < last) {
    const { damaged, through, count } = sliceOf(look, after, last);
    yield* damaged;
    after = through;
    seen += count;
    yield { part: "rows", done: seen, of: Math.max(seen, last - first + 1) };
    await pause(signal);
  }
  if (seen === 0) yield { part: "rows", done: 0, of: 0 };
}
