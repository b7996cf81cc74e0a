/**
 * Everything of a buffer that carries a checksum or must fit together, looked through in slices with a pause between, so
 * that a running agent is not held up: each slice is one short read transaction. The structure of the file itself is
 * looked through by a process of its own (buffer/quick-check.ts), where one is given.
 * What the agent gave up or deleted on purpose is no damage; a row that every destination has had and that is damaged is
 * told, as one that no longer matters.
 */
import type { Damage, VerifyStep } from "../../agent/contract/buffer-reader.ts";
import type { Connection } from "../connection.ts";
import type { QuickCheck } from "../quick-check.ts";
import { isNeeded, openLook, rowsAfter, type Look } from "./look.ts";

const SLICE = 500;
/** Chains under a filter are walked so many links at once. */
const LINKS = 5_000;

export interface VerifyParts {
  readonly db: Connection;
  readonly quickCheck: QuickCheck | null;
  /** Lets others have their turn. */
  readonly pause: (signal: AbortSignal) => Promise<void>;
}

export async function* verify(parts: VerifyParts, signal: AbortSignal): AsyncGenerator<Damage | VerifyStep, void, void> {
  const { db, quickCheck } = parts;
  const look = <T>(read: (look: Look) => T): T => db.transaction(() => read(openLook(db)))();
  if (quickCheck) {
    yield { part: "the structure of the file", done: 0, of: 0 };
    const found = await quickCheck(db.name, signal);
    signal.throwIfAborted();
    if (found !== null) yield { place: "file", seq: null, matters: true, words: found };
  }
  yield* look(checkpoints);
  yield* cursors(look);
  for (const { id, name } of look(({ chains }) => chains.map(({ id, name }) => ({ id, name })))) yield* chain(parts, { look, id, name }, signal);
  yield* rows(parts, look, signal);
}

function checkpoints({ ledger }: Look): readonly Damage[] {
  return ledger.checkpointKeys().flatMap((key) => {
    const found = ledger.checkpoint(key);
    return found === null || typeof found === "string" ? [] : [{ place: "checkpoints" as const, seq: null, matters: true, words: `the saved position ${key} does not match its checksum: its machine would start from the source's current values` }];
  });
}

/** Cursors, routes and what stands beside them are checked as they are read. */
function* cursors(look: <T>(read: (look: Look) => T) => T): Generator<Damage> {
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
  readonly look: <T>(read: (look: Look) => T) => T;
  readonly id: number;
  readonly name: string;
}
interface Link { readonly seq: number; readonly prev: number; readonly n: number }

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

async function* rows({ pause }: VerifyParts, look: OfChain["look"], signal: AbortSignal): AsyncGenerator<Damage | VerifyStep> {
  const [first, last] = look(({ ledger }) => [ledger.firstSeq, ledger.lastSeq] as const);
  let [after, seen] = [first - 1, 0];
  while (after < last) {
    const { damaged, through, count } = look((now) => {
      const slice = rowsAfter(now, after, SLICE).filter(({ seq }) => seq <= last);
      const found = slice.filter((row) => "damaged" in row && row.seq >= now.ledger.firstSeq)
        .map(({ seq }): Damage => {
          const matters = isNeeded(now, seq, now.ledger.typeOf(seq) ?? null);
          return { place: "rows", seq, matters, words: `record ${seq} is missing or does not match its checksum${matters ? "" : "; every destination has had it"}` };
        });
      return { damaged: found, through: slice.at(-1)?.seq ?? last, count: slice.length - found.length };
    });
    yield* damaged;
    after = through;
    seen += count;
    yield { part: "rows", done: seen, of: Math.max(seen, last - first + 1) };
    await pause(signal);
  }
  if (seen === 0) yield { part: "rows", done: 0, of: 0 };
}
