/**
 * What was published of a machine while its source was away, held against what the detectors conclude once the source
 * has served that time (design.md §3). Pure; both maps are plain JSON and lie in the buffer with the checkpoint.
 *
 *   published blind: doubted ─┬─ concluded again, the same ─► stands, nothing is published
 *                             ├─ concluded again, another ─► rev + 1
 *                             └─ not concluded: still open as before the hole ─► rev + 1, open;  else ─► rev + 1, void
 *
 * A record revised here is numbered on from what was published, not from what its detector counts: for as long as its
 * number is remembered (REMEMBERED ids, more than several holes touch). Any other record passes as it is.
 */
import type { NewRecord, RecordType } from "../../contract/record.ts";

/** Open records by id, as their detectors last told them. Bounded by what is open: a state, a stop, a gap, the alarms. */
export type Standing = Readonly<Record<string, NewRecord>>;

interface Said {
  /** Of the last revision published. */
  readonly rev: number;
  /** That revision, while it rests on not having seen; null once it was concluded again or taken back. */
  readonly doubted: NewRecord | null;
}
/** By id, oldest first. */
export type Revisions = Readonly<Record<string, Said>>;

export interface Revised {
  readonly revisions: Revisions;
  readonly records: readonly NewRecord[];
}

/** Most that is published blind and still compared: shifts without end would come to less. */
export const DOUBTED_LIMIT = 1_000;
const REMEMBERED = 512;

const isSame = (one: NewRecord, other: NewRecord): boolean => JSON.stringify(one.body) === JSON.stringify(other.body);
const isOpen = ({ body }: NewRecord): boolean => body.status === "open";

/** The last told last. Made anew, without `delete`: an object from which keys were deleted is slow to copy and to write out. */
export function standingAfter(standing: Standing, records: readonly NewRecord[]): Standing {
  let next: Map<string, NewRecord> | null = null;
  for (const record of records) {
    const isKnown = next === null ? Object.hasOwn(standing, record.id) : next.has(record.id);
    if (!isKnown && !isOpen(record)) continue;
    next ??= new Map(Object.entries(standing));
    next.delete(record.id);
    if (isOpen(record)) next.set(record.id, record);
  }
  return next === null ? standing : Object.fromEntries(next);
}

export const doubtedIn = (revisions: Revisions): number => Object.values(revisions).reduce((sum, { doubted }) => sum + (doubted === null ? 0 : 1), 0);

/** What is published of `records`, as concluded; `blind`: without sight of the source, so that it may be taken back. */
export function published(revisions: Revisions, records: readonly NewRecord[], blind: boolean): Revised {
  if (!blind && Object.keys(revisions).length === 0) return { revisions, records };
  let next = revisions;
  const out: NewRecord[] = [];
  for (const record of records) {
    const said = next[record.id];
    if (said === undefined && !blind) {
      out.push(record);
      continue;
    }
    const news = said === undefined ? record : said.doubted !== null && isSame(said.doubted, record) ? null : withRev(record, said.rev + 1);
    if (news !== null) out.push(news);
    next = { ...next, [record.id]: { rev: news?.rev ?? said?.rev ?? record.rev, doubted: blind ? (news ?? said?.doubted ?? record) : null } };
  }
  return { revisions: next, records: out };
}

/** The source has served all it will: what was not concluded again stands open as before the hole, or never was. */
export function settled(revisions: Revisions, standing: Standing): Revised {
  const records: NewRecord[] = [];
  const next: Record<string, Said> = {};
  for (const [id, said] of Object.entries(revisions)) {
    const { doubted } = said;
    if (doubted === null) {
      next[id] = said;
      continue;
    }
    const open = standing[id];
    const news = open === undefined ? voided(doubted) : open;
    const changed = !isSame(news, doubted);
    if (changed) records.push(withRev(news, said.rev + 1));
    next[id] = { rev: changed ? said.rev + 1 : said.rev, doubted: null };
  }
  return { revisions: remembered(next), records };
}

/** Nothing is doubted any more, and nothing taken back: the gap stands as it was published. */
export const accepted = (revisions: Revisions): Revisions =>
  remembered(Object.fromEntries(Object.entries(revisions).map(([id, { rev }]) => [id, { rev, doubted: null }])));

const remembered = (revisions: Revisions): Revisions => Object.fromEntries(Object.entries(revisions).slice(-REMEMBERED));

function withRev<K extends RecordType>(record: NewRecord<K>, rev: number): NewRecord<K> {
  return { ...record, rev };
}
function voided<K extends RecordType>(record: NewRecord<K>): NewRecord<K> {
  return { ...record, body: { ...record.body, status: "void" as const } };
}
