/**
 * How the database file is made, locked and opened. A new file is built aside and renamed, so that `cellgate.db` is
 * whole or absent after any cut. Settings are set and read back on every connection: better-sqlite3 weakens
 * `synchronous` by itself when the log mode is set (store-and-forward.md §1 fact 1).
 */
import { accessSync, closeSync, constants, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import Database from "better-sqlite3";
import { StoreError } from "../../agent/contract/errors.ts";
import { faulty, faultOf, storeError } from "../store-error.ts";
import { APPLICATION_ID, LAYOUT, PAGE_BYTES, SCHEMA, SCHEMA_VERSION } from "./schema.ts";

export type Connection = Database.Database;

export const DATABASE_NAME = "cellgate.db";
const LOCK_NAME = "cellgate.lock";
const BUSY_TIMEOUT_MS = 5_000;
/** Who only looks whether somebody holds the directory (`isDirectoryHeld`) holds its lock for a moment. */
const LOOKERS_MS = 250;
/** Each page is needed once or again soon: more gains nothing. */
export const CACHE_KIB = 1_500;
/** The log keeps at most this after a checkpoint; above our checkpoint threshold, so that it is not truncated all the time. */
export const LOG_LIMIT_BYTES = 8 * 1024 * 1024;

/** Not for a database that is open: closing a second descriptor of it drops SQLite's locks. */
export function syncFile(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
/** Names survive a power cut only once their directory is synced. */
export function syncDirectory(path: string): void {
  syncFile(path);
}

/**
 * Holds the directory for this process: an exclusive SQLite lock on an empty file of its own, which the kernel drops
 * with the process however it ends. The database itself stays open to diagnostic readers.
 */
export function lockDirectory(dataDir: string): { release(): void } {
  const path = join(dataDir, LOCK_NAME);
  try {
    takeFolder(dataDir);
    const held = lockFile(path);
    return { release: () => void held.close() };
  } catch (cause) {
    const error = storeError(cause, "cannot lock the data directory", dataDir);
    throw error.fault === "locked" ? faulty("locked", `another process uses the data directory ${dataDir}`, { cause }) : error;
  }
}
function lockFile(path: string, isAgain = false): Connection {
  const lock = new Database(path, { timeout: LOOKERS_MS });
  try {
    lock.pragma("cache_size = -16");
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (cause) {
    lock.close();
    if (isAgain || faultOf(cause) !== "corrupt") throw cause;
    rmSync(path); // Something was written into it: it holds nothing, and nobody can have locked it so.
    return lockFile(path, true);
  }
}

/** Does an agent, or a command that changes something, hold it now? Changes nothing; false where this user may not look. */
export function isDirectoryHeld(dataDir: string): boolean {
  let lock: Connection | null = null;
  try {
    lock = new Database(join(dataDir, LOCK_NAME), { readonly: true, fileMustExist: true, timeout: 0 });
    lock.prepare("SELECT 1 FROM sqlite_schema").get();
    return false;
  } catch (cause) {
    return faultOf(cause) === "locked";
  } finally {
    lock?.close();
  }
}

/** Makes the folder where it is missing. Throws StoreError, in words, when this process cannot work in it. */
function takeFolder(dataDir: string): void {
  try {
    makeFolder(dataDir);
    readdirSync(dataDir);
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const remedy = FOLDER_REMEDY[cause instanceof Error && "code" in cause ? String(cause.code) : ""];
    if (remedy === undefined) throw cause;
    throw new StoreError("read-only", `the data directory ${dataDir} cannot be used: ${remedy}, or choose another agent.data_dir (${cause instanceof Error ? cause.message : ""})`, { cause });
  }
}

const NOT_ALLOWED = "let the user that runs cellgate write there (chown, chmod)";
const NO_FOLDER = "it, or a part of its path, is no folder but a file or a link that leads nowhere: put that right (is a disk not mounted?)";
const FOLDER_REMEDY: Readonly<Record<string, string>> = { EACCES: NOT_ALLOWED, EPERM: NOT_ALLOWED, EEXIST: NO_FOLDER, ENOTDIR: NO_FOLDER, ENOENT: NO_FOLDER };

/** Step by step: Node's own `recursive` never comes back from where a folder cannot be made although the one above it is there (/proc). */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o750 });
}

/** A complete database that has yet to take its place. */
export const NEXT_SUFFIX = ".next";

const DRAFT_SUFFIX = ".draft";
export function removeDraft(path: string): void {
  for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(path + DRAFT_SUFFIX + suffix, { force: true });
}

/** Builds a database with `epoch` and what `fill` puts into it, complete and synced, as `cellgate.db.next`. */
export function createDatabase(dataDir: string, epoch: string, fill: (db: Connection) => void): void {
  const path = join(dataDir, DATABASE_NAME);
  const draft = path + DRAFT_SUFFIX;
  removeDraft(path);
  const db = new Database(draft);
  try {
    db.pragma(`page_size = ${PAGE_BYTES}`);
    // Nobody reads it before it is whole: written once, without a journal, and synced at the end.
    db.pragma("journal_mode = OFF");
    db.pragma("synchronous = OFF");
    db.pragma(`cache_size = ${-CACHE_KIB}`);
    db.transaction(() => {
      db.exec(SCHEMA);
      db.prepare("INSERT INTO meta (key, value) VALUES ('epoch', ?), ('open', '0'), ('layout', ?)").run(epoch, String(LAYOUT));
      db.pragma(`application_id = ${APPLICATION_ID}`);
      db.pragma(`user_version = ${SCHEMA_VERSION}`);
      fill(db);
    })();
    db.pragma("journal_mode = WAL");
  } catch (cause) {
    db.close();
    removeDraft(path); // On a full disk it would take the room that the next try needs.
    throw cause;
  }
  db.close();
  syncFile(draft);
  renameSync(draft, path + NEXT_SUFFIX);
  syncDirectory(dataDir);
}

const SETTINGS: readonly (readonly [name: string, set: string | number, expected: string | number])[] = [
  ["journal_mode", "WAL", "wal"],
  ["synchronous", "NORMAL", 1], // After journal_mode: setting that resets this one. Durability is LogSync's.
  ["cache_size", -CACHE_KIB, -CACHE_KIB],
  ["journal_size_limit", LOG_LIMIT_BYTES, LOG_LIMIT_BYTES],
  ["wal_autocheckpoint", 0, 0], // Checkpoints are ours, when idle: buffer/ledger/log-sync.ts.
  ["temp_store", "MEMORY", 2],
];

/** The one writing connection, with every setting read back. Throws StoreError when one does not hold. */
export function openConnection(path: string): Connection {
  const db = new Database(path, { timeout: BUSY_TIMEOUT_MS, fileMustExist: true });
  try {
    for (const [name, value, expected] of SETTINGS) setAndReadBack(db, path, name, { value, expected });
    // An I/O error on a mapped page is a signal, not an error code. Builds without mapping answer nothing here.
    db.pragma("mmap_size = 0");
    const mapped: unknown = db.pragma("mmap_size", { simple: true });
    if (mapped !== undefined && mapped !== 0) throw faulty("io", `the database ${path} does not keep mmap_size 0 but ${JSON.stringify(mapped)}`);
    return db;
  } catch (cause) {
    db.close();
    throw cause;
  }
}

function setAndReadBack(db: Connection, path: string, name: string, { value, expected }: { readonly value: string | number; readonly expected: string | number }): void {
  db.pragma(`${name} = ${value}`);
  const found: unknown = db.pragma(name, { simple: true });
  if (found !== expected) throw faulty("io", `the database ${path} does not keep ${name} = ${value} but answers ${JSON.stringify(found)}`);
}
