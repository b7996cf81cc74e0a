/**
 * Reads out of a damaged or displaced database what can be believed: checkpoints, and the rows that not every destination
 * has settled, past whatever cannot be read, into the file that takes its place. Changes nothing in the source. Says which
 * numbers are not carried over (buffer/damage/replaced-losses.ts tells of them).
 * Bounded in time, since nothing else runs meanwhile: what is beyond is lost to the destinations, though it is still in
 * the quarantined file.
 */
import type { Checkpoint } from "../../agent/contract/outbox.ts";
import type { Log } from "../../agent/contract/ports.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { openChainTables } from "../chain/chain-tables.ts";
import type { Connection } from "../ledger/connection.ts";
import { Ledger, RECORD_COLUMNS, type PreparedRow, type ReadRow, type StoredRow } from "../ledger/ledger.ts";
import { openStandingTables, type StandingTables, type ToldLoss } from "../chain/standing-tables.ts";
import { Sweeps } from "../room/sweeps.ts";
import { damagedEpoch, readTailMark } from "./tail-mark.ts";

/** The agent is to be in service within 10 s: counted from the moment at which the file was first opened to be read out. */
const SALVAGE_MS = 6_000;
/** Between two words of how far it has come. */
const PROGRESS_MS = 1_000;
/** Ranges remembered each by itself; what comes after them is one. Twenty are told apart (buffer/damage/replaced-losses.ts). */
const MOST_RANGES = 10_000;
/** Rows after which what was carried over is synced: so that the time a slow card needs for it is counted too. */
const SYNC_ROWS = 20_000;
/** Rows read at once; a part that cannot be read is halved until the rows around the damage are found. */
const CHUNK_ROWS = 512;
/** So many chunks without one readable row, more than a damaged page can hide: from then on only their first row is tried. */
const BARREN_CHUNKS = 16;
/** Above any number a buffer reaches: 10,000 records a second for a century stay below 2^45. */
export const HIGHEST_SEQ = 2 ** 46;

export interface LostRange {
  readonly from: number | null;
  /** Inclusive; null: whatever came after. */
  readonly to: number | null;
  readonly count: number | null;
}
export interface Lost {
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
  readonly count: number;
}
export interface Salvaged {
  readonly epoch: string | null;
  readonly rows: number;
  readonly checkpoints: number;
  /** Ranges that are not carried over, apart and in order. */
  readonly lost: readonly Lost[];
  /** Losses told before, whose records are among what is lost. */
  readonly retold: readonly { readonly destination: string; readonly told: ToldLoss }[];
  /** First number that some destination may neither have got under it nor know the fate of; null: unknown. */
  readonly named: number | null;
  /** First number that was looked for. */
  readonly from: number;
  /** Last number that is known of. */
  readonly last: number;
  /** True: nothing came after it. */
  readonly isEndKnown: boolean;
}
export interface Target {
  append(row: PreparedRow): void;
  saveCheckpoint(checkpoint: Checkpoint): void;
  /** What was appended is on the medium. */
  sync(): void;
}
export interface SalvageOptions {
  /** The database's own name; what is read may be a copy of it. */
  readonly path: string;
  readonly clock: Clock;
  readonly destinations: readonly { readonly name: string; readonly confirm?: boolean }[];
  readonly log: Log;
  /** When reading out began, by time since boot. */
  readonly began: number;
  /** Last row known to be stored, where that is known better than from the file. */
  readonly through: number | null;
  /** The file is an older copy of itself that was gone on with: beyond this row its numbers may name two rows each. Null: it is not. */
  readonly heldThrough: number | null;
}

export const NOTHING: Salvaged = { epoch: null, rows: 0, checkpoints: 0, lost: [], retold: [], named: null, from: 1, last: 0, isEndKnown: false };

export function salvage(db: Connection, target: Target, options: SalvageOptions): Salvaged {
  const mark = readTailMark(options.path);
  const found = epochOf(db) ?? mark?.epoch ?? null;
  const epoch = found === null ? null : (damagedEpoch(options.path, found) ?? found);
  const cursors = readable(() => cursorsOf(db, options.destinations)) ?? null;
  const known = Math.max(options.through ?? 0, mark?.epoch === epoch ? (mark?.through ?? 0) : 0, ...(cursors ?? []).map(({ reached }) => reached));
  const ledger = readable(() => new Ledger(db, { epoch: epoch ?? "unknown", lastSeq: known }));
  if (!ledger) return { ...NOTHING, epoch };
  const end = readable(() => lastWhole(ledger)) ?? null;
  const last = Math.max(known, options.through === null ? (end ?? lastReachable(ledger)) : 0);
  const standing = readable(() => openStandingTables(db));
  readable(() => standing && new Sweeps(ledger, standing)); // The ledger then misses none of what was given up.
  const checkpoints = saveCheckpoints(ledger, target);
  const done = cursors === null || cursors.length === 0 ? 0 : Math.min(last, ...cursors.map((cursor) => cursor.done));
  const from = Math.max(readable(() => firstWhole(ledger)) ?? 1, done + 1);
  const { rows, lost } = carryRows(ledger, target, { from, last, ...options });
  const retold = readable(() => retoldOf(cursors ?? [], lost, standing));
  // Where a loss record may have gone, or the file is older than what was told: nobody knows which rows before were refused.
  const isInDoubt = lost.length > 0 || end === null || end < known || cursors === null || (standing !== undefined && retold === undefined);
  const salvaged = { epoch, rows, checkpoints, lost, retold: retold ?? [], named: isInDoubt ? 1 : from, from, last, isEndKnown: options.through !== null && end !== null };
  return options.heldThrough === null ? salvaged : olderCopy(salvaged, options.heldThrough);
}

/** Of the numbers beyond `held` nothing is said but that whatever had them may be lost: rows carried over from there come under new ones all the same. */
function olderCopy(salvaged: Salvaged, held: number): Salvaged {
  const lost = salvaged.lost.filter(({ from }) => from <= held).map(({ from, to }) => ({ from, to: Math.min(to, held), count: Math.min(to, held) - from + 1 }));
  const last = Math.min(salvaged.last, held);
  return { ...salvaged, lost, named: 1, from: Math.min(salvaged.from, last + 1), last, isEndKnown: false };
}

/** Null where the file does not give it. */
const epochOf = (db: Connection): string | null =>
  readable(() => db.prepare<[], string>("SELECT value FROM meta WHERE key = 'epoch'").pluck().get()) ?? null;

/** Undefined where the file does not give it. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof Error) return undefined; // Any error means: this cannot be read. What else can be is read apart.
    throw cause;
  }
}

/** The newest row that is what it was: a number on a damaged page may be any. */
function lastWhole(ledger: Ledger): number {
  const inMeta = Number(ledger.meta("last") ?? 0);
  for (const row of ledger.db.prepare<[], StoredRow>(`SELECT ${RECORD_COLUMNS} FROM record r ORDER BY r.seq DESC LIMIT ${BARREN_CHUNKS * CHUNK_ROWS}`).iterate())
    if (row.seq <= inMeta || !("damaged" in ledger.decode(row))) return Math.max(row.seq, inMeta);
  return inMeta;
}
/** Rows before it went when they were no longer needed. */
function firstWhole(ledger: Ledger): number {
  const row = ledger.db.prepare<[], StoredRow>(`SELECT ${RECORD_COLUMNS} FROM record r ORDER BY r.seq LIMIT 1`).get();
  return row === undefined ? Number(ledger.meta("last") ?? 0) + 1 : "damaged" in ledger.decode(row) ? 1 : row.seq;
}
/** The newest page cannot be read: the highest number that a search still comes to; 0 where it is none of ours. */
function lastReachable(ledger: Ledger): number {
  const before = ledger.db.prepare<[number], StoredRow>(`SELECT ${RECORD_COLUMNS} FROM record r WHERE r.seq <= ? ORDER BY r.seq DESC LIMIT 1`);
  let [low, high, best] = [0, HIGHEST_SEQ, 0];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const found = readable(() => before.get(middle) ?? null);
    if (found === undefined) high = middle;
    else [low, best] = [middle, found === null || "damaged" in ledger.decode(found) ? 0 : found.seq];
  }
  return best;
}

interface Cursor {
  readonly id: number;
  readonly name: string;
  readonly through: number;
  /** Highest number that its chain knows of. */
  readonly reached: number;
  /** Nothing up to it is wanted any more. */
  readonly done: number;
}
/** Of the configured destinations. */
function cursorsOf(db: Connection, destinations: SalvageOptions["destinations"]): readonly Cursor[] {
  const configured = new Map(destinations.map((destination) => [destination.name, destination]));
  const standing = readable(() => openStandingTables(db));
  /** Also not confirmed, asked for again, or a loss record that was refused: such rows are still wanted. */
  const doneThrough = ({ id, name, through }: Pick<Cursor, "id" | "name" | "through">): number => {
    const confirmed = readable(() => standing?.standing(id))?.confirmed ?? (configured.get(name)?.confirm === true ? 0 : Infinity);
    return Math.min(through, confirmed, (readable(() => standing?.replays(id)[0]?.from) ?? Infinity) - 1, (readable(() => standing?.owed(id)[0]) ?? Infinity) - 1);
  };
  const tables = openChainTables(db);
  return tables.cursors().filter(({ name }) => configured.has(name)).map(({ id, name, through }) => ({
    id, name, through, reached: (readable(() => standing?.toldOver(id, 0, Infinity)) ?? []).reduce((last, { row }) => Math.max(last, row), Math.max(through, readable(() => tables.lastDue(id))?.seq ?? 0)), done: doneThrough({ id, name, through }),
  }));
}
/** Losses whose last record neither was taken nor is carried over. */
function retoldOf(cursors: readonly Cursor[], lost: readonly Lost[], standing: StandingTables | undefined): Salvaged["retold"] {
  const isLost = (seq: number): boolean => lost.some(({ from, to }) => from <= seq && seq <= to);
  return cursors.flatMap(({ id, name, through }) =>
    (standing?.toldOver(id, 0, Infinity) ?? []).filter(({ row }) => (row > through || standing?.owed(id).includes(row)) && isLost(row)).map((told) => ({ destination: name, told })));
}

function saveCheckpoints(ledger: Ledger, target: Target): number {
  let saved = 0;
  for (const key of readable(() => ledger.checkpointKeys()) ?? []) {
    const json = readable(() => ledger.checkpoint(key));
    if (typeof json !== "string") continue;
    target.saveCheckpoint({ key, json });
    saved++;
  }
  return saved;
}

interface Span {
  readonly from: number;
  readonly last: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly began: number;
}
function carryRows(ledger: Ledger, target: Target, { from, last, clock, log, began }: Span): { readonly rows: number; readonly lost: readonly Lost[] } {
  let saidMono = clock.now().monoMs;
  const lost: { from: number; to: number; count: number }[] = [];
  const lose = (seq: number, to = seq): void => {
    const before = lost.at(-1);
    if (before && (before.to === seq - 1 || lost.length === MOST_RANGES)) [before.to, before.count] = [to, before.count + to - seq + 1];
    else lost.push({ from: seq, to, count: to - seq + 1 });
  };
  let [rows, unsynced, barren] = [0, 0, 0];
  for (let at = from; at <= last; at += CHUNK_ROWS) {
    const to = Math.min(last, at + CHUNK_ROWS - 1);
    const { monoMs } = clock.now();
    if (monoMs > began + SALVAGE_MS) {
      lose(at, last);
      log.warn({ through: at - 1, last, rows }, "the damaged buffer could not be read out to its end within the time a start may take: what is beyond is named as lost, and still lies in the file that is set aside");
      break;
    }
    if (monoMs > saidMono + PROGRESS_MS) {
      saidMono = monoMs;
      log.info({ rows, through: at - 1, last }, "reading out the damaged buffer");
    }
    if (barren >= BARREN_CHUNKS && !readable(() => [...ledger.read(at - 1, at, 1)])) {
      lose(at, to);
      continue;
    }
    const before = rows;
    for (const row of readAround(ledger, at, to)) {
      if ("damaged" in row) lose(row.seq);
      else {
        target.append(row);
        rows++;
      }
    }
    barren = rows > before ? 0 : barren + 1;
    unsynced += rows - before;
    if (unsynced >= SYNC_ROWS) {
      target.sync();
      unsynced = 0;
    }
  }
  return { rows, lost };
}
/** Rows from `from` to `to`, inclusive; those on pages that cannot be read come back damaged. A page with other rows on it ends a reading before those behind it: what is missing is looked for apart. */
function* readAround(ledger: Ledger, from: number, to: number): Generator<ReadRow> {
  const rows = readable(() => [...ledger.read(from - 1, to, to - from + 1)]);
  if (rows && isInOrder(rows, from, to) && !rows.some((row) => "damaged" in row)) yield* rows;
  else if (from === to) yield { seq: from, damaged: true };
  else {
    const middle = Math.floor((from + to) / 2);
    yield* readAround(ledger, from, middle);
    yield* readAround(ledger, middle + 1, to);
  }
}

/** A damaged page can also give rows that were not asked for. */
const isInOrder = (rows: readonly ReadRow[], from: number, to: number): boolean =>
  rows.every(({ seq }, index) => seq >= from && seq <= to && seq > (rows[index - 1]?.seq ?? from - 1));
