/**
 * What happens before the database is opened for writing: it is made when there is none, refused when it is of a newer
 * version, and set aside when it is damaged: database, log and index together (a database without its log is another
 * database), under quarantine/<UTC time>/. Evidence is never changed or deleted but for the oldest, beyond a bound.
 * The new file has a new epoch and holds what could be saved (checkpoints, rows not yet settled) and a loss record; it is
 * complete before the old one is moved, so a cut at any point leaves one or the other.
 */
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { Checkpoint } from "../../agent/contract/outbox.ts";
import { openChains } from "../chain/chains.ts";
import { openChainTables, type ChainTables } from "../chain/chain-tables.ts";
import { createDatabase, DATABASE_NAME, NEXT_SUFFIX, removeDraft, syncDirectory, syncFile, type Connection } from "../ledger/connection.ts";
import { openLegible } from "./legible.ts";
import { dropRescue } from "./rescue.ts";
import { lookThrough } from "./look-through.ts";
import { checkpointsOf, rowsOf, type Queued } from "../writing/held.ts";
import { layoutDamage, versionDamage } from "./layout-check.ts";
import { Ledger, type PreparedRow } from "../ledger/ledger.ts";
import { folderName, QUARANTINE } from "./older.ts";
import { lossRow } from "../loss/loss.ts";
import type { StoreOptions } from "../options.ts";
import { replacedLosses } from "./replaced-losses.ts";
import { NOTHING, salvage, type Salvaged, type SalvageOptions, type Target } from "./salvage.ts";
import { APPLICATION_ID, SCHEMA_VERSION } from "../ledger/schema.ts";
import { faultOf } from "../store-error.ts";
import { damagedEpoch, readTailMark, storedThrough } from "./tail-mark.ts";

/** Left by a process that met damage while running: the next start believes it, however well the file looks. */
const DAMAGED_MARK = "cellgate.db-damaged";
const KEEP_FOLDERS = 5;
const KEEP_BYTES = 1024 ** 3;
const PARTS = ["", "-wal", "-shm", "-tail"];

/** After an unclean stop a file up to this is looked through whole before anything is written; a larger one beside the work (buffer/damage/quick-check.ts). */
const LOOKED_THROUGH_BYTES = 8 * 1024 * 1024;

/** A commit that waits in memory. */
export type Held = Pick<Queued, "rows" | "checkpoint" | "alsoCheckpoints">;

/** What became of a file that could not be gone on with. */
export interface Replaced {
  /** Where it lies now; null when there was nothing left of it. */
  readonly folder: string | null;
  readonly saved: Salvaged;
}

export interface Prepared {
  /** The process before us did not close the file. */
  readonly wasLeftOpen: boolean;
  /** It was set aside. */
  readonly replaced: Replaced | null;
  /** Last row of the file that was found; null: it was made now. */
  readonly held: number | null;
}
export function prepareDatabase(options: StoreOptions): Prepared {
  const path = join(options.dataDir, DATABASE_NAME);
  const mark = join(options.dataDir, DAMAGED_MARK);
  removeDraft(path);
  dropRescue(path);
  const isNew = !existsSync(path);
  if (isNew) {
    const replaced = prepareMissing(options, path);
    rmSync(mark, { force: true });
    if (replaced !== null) return { wasLeftOpen: false, replaced, held: null };
  }
  rmSync(path + NEXT_SUFFIX, { force: true });
  const { damage, wasLeftOpen, lastSeq } = inspectTwice(path, options);
  const [marked = null, heldThrough = ""] = existsSync(mark) ? readFileSync(mark, "utf8").split("\n") : [];
  if (marked === null && damage === null) return { wasLeftOpen, replaced: null, held: isNew ? null : lastSeq };
  const replaced = replaceDamaged(options, path, { damage: marked || damage || "marked as damaged while running", heldThrough: heldThrough === "" ? null : Number(heldThrough) });
  rmSync(mark, { force: true });
  return { wasLeftOpen: false, replaced, held: null };
}
function prepareMissing(options: StoreOptions, path: string): Replaced | null {
  const isLeft = PARTS.some((part) => existsSync(path + part));
  if (existsSync(path + NEXT_SUFFIX)) { // We were cut while the old one was set aside: the new one is complete.
    if (isLeft) setAside(options);
  } else if (isLeft) {
    // A log without its database is evidence, and must never meet another database; and what was stored is gone.
    const epoch = readTailMark(path)?.epoch ?? null;
    return replace(options, { damage: `the database ${path} is gone`, held: [], save: () => ({ ...NOTHING, epoch }), release: () => undefined });
  } else createDatabase(options.dataDir, randomUUID(), () => undefined);
  adopt(options.dataDir);
  return null;
}

/** So that the next start sets the file aside even when its head and tail look well. `heldThrough`: as of SalvageOptions. Never throws. */
export function markDamaged({ dataDir, log }: StoreOptions, damage: string, heldThrough: number | null = null): void {
  try {
    writeFileSync(join(dataDir, DAMAGED_MARK), `${damage.replaceAll("\n", " ")}\n${heldThrough ?? ""}`);
  } catch (cause) {
    log.error({ error: String(cause), dataDir }, "the buffer is damaged, and no mark of it could be left for the next start");
  }
}

/** SQLite tells a read that fails as damage: only what is found again is. */
function inspectTwice(path: string, { log }: StoreOptions): ReturnType<typeof inspect> {
  const first = inspect(path);
  if (first.damage === null) return first;
  const second = inspect(path);
  if (second.damage === null) log.warn({ damage: first.damage, file: path }, "the buffer looked damaged and then did not: check the storage medium and the kernel log");
  return second;
}
/** What is wrong with the file, in words, or null. Looks at the head and the newest rows only: the backlog may be long. */
function inspect(path: string): { readonly damage: string | null; readonly wasLeftOpen: boolean; readonly lastSeq: number } {
  let db: Connection | null = null;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true });
    const version = db.pragma("user_version", { simple: true }) as number;
    if (db.pragma("application_id", { simple: true }) !== APPLICATION_ID) return { damage: "it is not a Cellgate buffer", wasLeftOpen: true, lastSeq: 0 };
    const misstated = version >= 1 && version <= SCHEMA_VERSION ? null : versionDamage(db, version);
    if (misstated !== null) return { damage: misstated, wasLeftOpen: true, lastSeq: 0 };
    const undeclared = layoutDamage(db);
    if (undeclared !== null) return { damage: undeclared, wasLeftOpen: true, lastSeq: 0 };
    const ledger = new Ledger(db);
    if (ledger.damagedTexts > 0) return { damage: "a text that its records share does not match its checksum", wasLeftOpen: true, lastSeq: ledger.lastSeq };
    for (const key of ledger.checkpointKeys()) ledger.checkpoint(key); // Read by every start: what cannot be must not be met there.
    const { lastSeq } = ledger;
    const wasLeftOpen = ledger.meta("open") === "1";
    const found = wasLeftOpen && statSync(path).size <= LOOKED_THROUGH_BYTES ? lookThrough(db) : null;
    const epoch = damagedEpoch(path, ledger.epoch);
    if (epoch !== null) return { damage: `its epoch is ${ledger.epoch}, and was ${epoch}`, wasLeftOpen, lastSeq };
    return { damage: found ?? tailDamage(ledger, Math.max(storedThrough(path, ledger.epoch), reachedIn(openChainTables(db)), toldRow(db))), wasLeftOpen, lastSeq };
  } catch (cause) {
    if (faultOf(cause) !== "corrupt") throw cause; // Any other error in a statement is our own, and no reason to set a file aside.
    return { damage: cause instanceof Error ? cause.message : String(cause), wasLeftOpen: true, lastSeq: 0 };
  } finally {
    db?.close();
  }
}
/** The highest number that cursors, routes and chains know of: rows through there were written. */
function reachedIn(tables: ChainTables): number {
  return Math.max(0, ...tables.cursors().flatMap(({ id, through }) => [through, tables.lastDue(id)?.seq ?? 0, ...tables.routes(id).map(({ since }) => since - 1)]));
}
/** The last row that tells of a loss, as is noted beside it in the same transaction: of a file torn by a device that lies, the note may have come through alone. 0 for an older layout, without notes. */
function toldRow(db: Connection): number {
  const isKept = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'lost'").get() !== undefined;
  return isKept ? db.prepare<[], number | null>("SELECT max(row) FROM lost").pluck().get() ?? 0 : 0;
}
function tailDamage(ledger: Ledger, stored: number): string | null {
  if (ledger.lastSeq < stored) return `it ends at row ${ledger.lastSeq}, but rows through ${stored} were stored: its log was lost, or an older copy was put in its place`;
  return ledger.tailIsWhole() ? null : "its newest rows are missing or do not match their checksums";
}

/** What is known better than from the file. */
type Known = Pick<SalvageOptions, "through" | "heldThrough">;
interface Replacement {
  /** Why, in words. */
  readonly damage: string;
  /** What is read out of the old file, into the new one. */
  readonly save: (target: Target) => Salvaged;
  /** Commits that wait in memory; they come after what is read. */
  readonly held: readonly Held[];
  /** Gives up the old file. */
  readonly release: () => void;
}

/**
 * The database of a running store is damaged, or its name no longer means it: then `displaced` is what still stands on it.
 * Throws when the new file cannot be made: then nothing has changed.
 */
export function replaceRunning(options: StoreOptions, { displaced, through, heldThrough, ...replacement }: Omit<Replacement, "save"> & Known & { readonly displaced: Ledger | null }): void {
  mkdirSync(options.dataDir, { recursive: true, mode: 0o750 }); // The folder itself may be gone.
  if (displaced) replace(options, { ...replacement, save: (target) => salvage(displaced.db, target, { ...options, path: displaced.db.name, through, heldThrough, began: options.clock.now().monoMs }) });
  else replaceFrom(options, join(options.dataDir, DATABASE_NAME), { ...replacement, through, heldThrough });
  rmSync(join(options.dataDir, DAMAGED_MARK), { force: true });
}

const replaceDamaged = (options: StoreOptions, path: string, found: Pick<Replacement, "damage"> & Pick<Known, "heldThrough">): Replaced =>
  replaceFrom(options, path, { ...found, held: [], through: null, release: () => undefined });

/** Reads the file under its name, without changing it. What this process still has open of it is of no use any more, and would be in the way. */
function replaceFrom(options: StoreOptions, path: string, { through, heldThrough, release, ...replacement }: Omit<Replacement, "save"> & Known): Replaced {
  const began = options.clock.now().monoMs;
  release();
  const source = openLegible(path, options.clock);
  try {
    return replace(options, {
      ...replacement,
      save: (target) => (source ? salvage(source, target, { ...options, path, through, heldThrough, began }) : { ...NOTHING, epoch: readTailMark(path)?.epoch ?? null }),
      release: () => void source?.close(),
    });
  } finally {
    source?.close();
    dropRescue(path);
  }
}

function replace(options: StoreOptions, { damage, save, held, release }: Replacement): Replaced {
  let saved = NOTHING;
  createDatabase(options.dataDir, randomUUID(), (db) => {
    const ledger = new Ledger(db);
    const chains = openChains(ledger, openChainTables(db), options.destinations);
    const append = (row: PreparedRow): void => {
      const seq = ledger.append(row);
      for (const chain of chains) chain.extend(seq, row.type);
    };
    const saveCheckpoint = (checkpoint: Checkpoint): void => ledger.saveCheckpoint(checkpoint);
    const sync = (): void => {
      ledger.flush();
      syncFile(db.name); // Nobody else has it yet: no lock of SQLite's is needed on it.
    };
    saved = save({ append, saveCheckpoint, sync });
    for (const chain of chains) chain.saveSent(ledger.lastSeq); // What is carried over may have been sent before.
    for (const loss of replacedLosses(saved, options.clock.now().unixMs)) append(lossRow(options.describeLoss, loss));
    for (const commit of held) {
      for (const row of commit.rows) append(row);
      for (const checkpoint of checkpointsOf(commit)) saveCheckpoint(checkpoint);
    }
    ledger.flush();
  });
  const folder = setAside(options);
  release(); // Before the new file has the name: a closing connection removes the log that lies under it.
  adopt(options.dataDir);
  options.log.error(
    { damage, folder, lostEpoch: saved.epoch, savedRows: saved.rows, savedCheckpoints: saved.checkpoints, heldRecords: rowsOf(held), lost: saved.lost },
    "the buffer cannot be gone on with: it is set aside and a new one was started",
  );
  return { folder, saved };
}

/** Moves database, log and index into a new folder, if there is anything. The database first: should we be cut there, its log is recognised as an orphan. */
function setAside({ dataDir, clock }: StoreOptions): string | null {
  if (!PARTS.some((part) => existsSync(join(dataDir, DATABASE_NAME + part)))) return null;
  const root = join(dataDir, QUARANTINE);
  const time = folderName(clock.now().unixMs);
  let folder = join(root, time);
  for (let n = 2; existsSync(folder); n++) folder = join(root, `${time}_${n}`);
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  for (const part of PARTS) {
    const from = join(dataDir, DATABASE_NAME + part);
    if (existsSync(from)) renameSync(from, join(folder, DATABASE_NAME + part));
  }
  for (const path of [folder, root, dataDir]) syncDirectory(path);
  bound(root);
  return folder;
}

/** Keeps the newest folders, within a number and a size; always the newest. */
function bound(root: string): void {
  const sizeOf = (folder: string): number => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  let bytes = 0;
  for (const [index, name] of readdirSync(root).sort().reverse().entries()) {
    const folder = join(root, name);
    bytes += sizeOf(folder);
    if (index > 0 && (index >= KEEP_FOLDERS || bytes > KEEP_BYTES)) rmSync(folder, { recursive: true });
  }
}

function adopt(dataDir: string): void {
  const path = join(dataDir, DATABASE_NAME);
  renameSync(path + NEXT_SUFFIX, path);
  syncDirectory(dataDir);
}
