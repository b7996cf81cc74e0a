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
import { rfc3339, unixMs } from "../agent/contract/time.ts";
import type { Checkpoint } from "../agent/contract/outbox.ts";
import { openChains } from "./chains.ts";
import { openChainTables } from "./chain-tables.ts";
import { createDatabase, DATABASE_NAME, NEXT_SUFFIX, syncDirectory, type Connection } from "./connection.ts";
import { Ledger, type PreparedRow } from "./ledger.ts";
import { lossRow, type Loss } from "./loss.ts";
import type { StoreOptions } from "./options.ts";
import { APPLICATION_ID, SCHEMA_VERSION } from "./schema.ts";
import { faultOf, faulty } from "./store-error.ts";

/** Left by a process that met damage while running: the next start believes it, however well the file looks. */
const DAMAGED_MARK = "cellgate.db-damaged";
const QUARANTINE = "quarantine";
const KEEP_FOLDERS = 5;
const KEEP_BYTES = 1024 ** 3;
/** Rows carried over; what is beyond is covered by the loss record. */
const SALVAGE_ROWS = 100_000;
const PARTS = ["", "-wal", "-shm"];

interface Salvage {
  readonly epoch: string | null;
  readonly checkpoints: readonly Checkpoint[];
  readonly rows: readonly PreparedRow[];
  /** First number not known to be settled everywhere; null when the cursors cannot be read. */
  readonly from: number | null;
}

export function prepareDatabase(options: StoreOptions): void {
  const path = join(options.dataDir, DATABASE_NAME);
  const mark = join(options.dataDir, DAMAGED_MARK);
  if (!existsSync(path)) {
    // A log without its database is evidence, and must never meet another database.
    if (PARTS.some((part) => existsSync(path + part))) setAside(options);
    if (!existsSync(path + NEXT_SUFFIX)) createDatabase(options.dataDir, randomUUID(), () => undefined);
    adopt(options.dataDir);
    rmSync(mark, { force: true });
    return;
  }
  rmSync(path + NEXT_SUFFIX, { force: true });
  const damage = existsSync(mark) ? readFileSync(mark, "utf8") || "marked as damaged while running" : inspect(path);
  if (damage === null) return;
  replaceDamaged(options, path, damage);
  rmSync(mark, { force: true });
}

/** So that the next start sets the file aside even when its head and tail look well. Never throws. */
export function markDamaged({ dataDir, log }: StoreOptions, damage: string): void {
  try {
    writeFileSync(join(dataDir, DAMAGED_MARK), damage);
  } catch (cause) {
    log.error({ error: String(cause), dataDir }, "the buffer is damaged, and no mark of it could be left for the next start");
  }
}

/** What is wrong with the file, in words, or null. Looks at the head and the newest rows only: the backlog may be long. */
function inspect(path: string): string | null {
  let db: Connection | null = null;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true });
    const version = db.pragma("user_version", { simple: true }) as number;
    if (db.pragma("application_id", { simple: true }) !== APPLICATION_ID) return "it is not a Cellgate buffer";
    if (version > SCHEMA_VERSION)
      throw faulty("newer-version", `the buffer ${path} has version ${version}, this agent knows versions up to ${SCHEMA_VERSION}`);
    const tables = openChainTables(db);
    for (const { id } of tables.cursors()) tables.routes(id);
    return new Ledger(db).tailIsWhole() ? null : "its newest rows are missing or do not match their checksums";
  } catch (cause) {
    // An SQL error here is a table that is not there: damage too. Whatever else it is passes on.
    const isDamage = faultOf(cause) === "corrupt" || (cause instanceof Error && ("code" in cause && (cause.code === "SQLITE_ERROR" || cause.code === "corrupt")));
    if (!isDamage && !(cause instanceof Error && "fault" in cause && cause.fault === "corrupt")) throw cause;
    return cause instanceof Error ? cause.message : String(cause);
  } finally {
    db?.close();
  }
}

function replaceDamaged(options: StoreOptions, path: string, damage: string): void {
  const saved = salvage(path);
  const now = options.clock.now().unixMs;
  const loss: Loss = {
    destination: null, reason: "buffer_corrupt", lostEpoch: saved.epoch ?? "unknown",
    fromSeq: saved.from, toSeq: null, count: null, byType: {}, start: now, end: now,
  };
  createDatabase(options.dataDir, randomUUID(), (db) => {
    const ledger = new Ledger(db);
    const chains = openChains(ledger, openChainTables(db), options.destinations);
    for (const row of [lossRow(options.describeLoss, loss), ...saved.rows]) {
      const seq = ledger.append(row);
      for (const chain of chains) chain.extend(seq, row.type);
    }
    ledger.flush();
    for (const checkpoint of saved.checkpoints) ledger.saveCheckpoint(checkpoint);
  });
  const folder = setAside(options);
  adopt(options.dataDir);
  options.log.error(
    { damage, folder, lostEpoch: saved.epoch, savedRows: saved.rows.length, savedCheckpoints: saved.checkpoints.length },
    "the buffer was damaged: it is set aside and a new one was started",
  );
}

/** Reads what can be believed, up to the first thing that cannot be read at all. Changes nothing. */
function salvage(path: string): Salvage {
  const saved: { epoch: string | null; checkpoints: Checkpoint[]; rows: PreparedRow[]; from: number | null } = { epoch: null, checkpoints: [], rows: [], from: null };
  let db: Connection | null = null;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true });
    const ledger = new Ledger(db);
    saved.epoch = ledger.epoch;
    for (const key of ledger.checkpointKeys()) {
      const json = ledger.checkpoint(key);
      if (typeof json === "string") saved.checkpoints.push({ key, json });
    }
    const through = Math.min(ledger.lastSeq, ...openChainTables(db).cursors().map((cursor) => cursor.through));
    saved.from = through + 1;
    for (const row of ledger.read(Math.max(through, ledger.firstSeq - 1), ledger.lastSeq, SALVAGE_ROWS)) if (!("damaged" in row)) saved.rows.push(row);
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause; // Any error means: no more can be read. What was read stands.
  } finally {
    db?.close();
  }
  return saved;
}

/** Moves database, log and index into a new folder. The database first: should we be cut there, its log is recognised as an orphan. */
function setAside({ dataDir, clock }: StoreOptions): string {
  const root = join(dataDir, QUARANTINE);
  const time = rfc3339(unixMs(clock.now().unixMs)).replaceAll(":", "-");
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
