/**
 * The buffer read from outside (agent/contract/buffer-reader.ts): a read-only connection that changes nothing, beside a
 * running agent or without one. Each call is one short transaction, so that the agent can carry its log between them; rows
 * are those that were there when `lastSeq` was last asked for. Memory is bounded by the `limit` of a call.
 */
import { existsSync, readFileSync, statSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import Database from "better-sqlite3";
import type { BufferReader, DamagedRow } from "../../agent/contract/buffer-reader.ts";
import { StoreError } from "../../agent/contract/errors.ts";
import type { LedgerRow, OutboxStatus } from "../../agent/contract/outbox.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { DATABASE_NAME, type Connection } from "../ledger/connection.ts";
import { layoutOf } from "../ledger/migrate.ts";
import { deadLetters, oldestWaitingAt, replayCount } from "../chain/requests.ts";
import { APPLICATION_ID, LAYOUT, SCHEMA_VERSION } from "../ledger/schema.ts";
import { faulty, storeError } from "../store-error.ts";
import type { StructureCheck } from "./structure.ts";
import { dueRows, lookInto, rowsAfter, type Look, type Looking } from "./look.ts";
import { verify } from "./verify.ts";

export interface ReaderParts {
  readonly clock: Clock;
  /** Looks through the file's structure; null: only rows, chains and cursors are verified. */
  readonly structure: StructureCheck | null;
}

const BUSY_TIMEOUT_MS = 5_000;
const CACHE_KIB = 4_000;
const DAMAGED_MARK = "cellgate.db-damaged";
const PAUSE_MS = 1;

/** Throws StoreError: the file is not there, not ours, newer, older, or cannot be read. */
export function openReader(dataDir: string, parts: ReaderParts): BufferReader {
  const path = join(dataDir, DATABASE_NAME);
  mustBeThere(path);
  let db: Connection | null = null;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    db.pragma(`cache_size = -${CACHE_KIB}`);
    if (db.pragma("application_id", { simple: true }) !== APPLICATION_ID) throw damaged(`${path} is not a Cellgate buffer`);
    const version: unknown = db.pragma("user_version", { simple: true });
    if (typeof version === "number" && version > SCHEMA_VERSION) throw faulty("newer-version", `the buffer ${path} has version ${version}, this program knows versions up to ${SCHEMA_VERSION}`);
    if (layoutOf(db) < LAYOUT) throw new StoreError("io", `the buffer ${path} was made by an older cellgate: start the agent once (systemctl start cellgate), it brings the file up to what this program reads`);
    return reader(db, parts);
  } catch (cause) {
    db?.close();
    throw unreadable(cause, path);
  }
}

function mustBeThere(path: string): void {
  try {
    if (statSync(path).isFile()) return;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && (cause.code === "EACCES" || cause.code === "EPERM")) throw notAllowed(path, cause);
    throw new StoreError("io", `there is no buffer at ${path}: the agent has not run with this configuration yet, or agent.data_dir is another`, { cause });
  }
  throw new StoreError("io", `${path} is no file: agent.data_dir is another, or something took the place of the buffer`);
}

const notAllowed = (path: string, cause: unknown): StoreError =>
  new StoreError("read-only", `the buffer ${path} cannot be opened: run the command as the user that runs cellgate (sudo -u cellgate …) or as root`, { cause });

const damaged = (what: string, options?: ErrorOptions): StoreError =>
  new StoreError("corrupt", `${what}: with the agent stopped, cellgate buffer repair sets the file aside and saves what can be read`, options);

/** In words for whoever runs a command: what the agent would do by itself is no remedy here. */
function unreadable(cause: unknown, path: string): StoreError {
  if (cause instanceof StoreError && cause.fault !== "corrupt") return cause;
  if (cause instanceof StoreError && cause.message.includes("buffer repair")) return cause;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (code.startsWith("SQLITE_CANTOPEN") || code === "EACCES" || code.startsWith("SQLITE_READONLY")) return notAllowed(path, cause);
  const error = storeError(cause, "cannot read the buffer", path);
  // An SQL error here is a table that is not there.
  return error.fault === "corrupt" || code === "SQLITE_ERROR" ? damaged(`the buffer ${path} is damaged (${cause instanceof Error ? cause.message : String(cause)})`, { cause }) : error;
}

function reader(db: Connection, { clock, structure }: ReaderParts): BufferReader {
  const path = db.name;
  const books = lookInto(db);
  const use: Looking = (read, fresh) => {
    try {
      return books(read, fresh);
    } catch (cause) {
      throw unreadable(cause, path);
    }
  };
  const epoch = use(({ ledger }) => ledger.epoch);
  return {
    path, epoch,
    get lastSeq() { return use(({ ledger }) => ledger.lastSeq, "fresh"); },
    get destinations() { return use(({ chains }) => chains.map(({ name }) => name), "fresh"); },
    status: (budgetBytes) => use((look) => statusOf(look, path, budgetBytes), "fresh"),
    rows: (after, limit) => rowsAfter(use, after, limit),
    history: (after, limit) => rowsAfter(use, after, limit).filter(isWhole),
    due: (destination, after, limit) => dueRows(use, destination, after, limit),
    deadLetters: (limit) => use((look) => deadLetters(look, look.chains, limit), "fresh"),
    verify: (signal) => verify({ db, structure, pause: (stop) => clock.sleep(PAUSE_MS, stop) }, signal),
    close: () => void db.close(),
  };
}

const isWhole = (row: LedgerRow | DamagedRow): row is LedgerRow => !("damaged" in row);

/** As the file says; the agent that runs may know of a moment more. */
function statusOf(look: Look, path: string, budgetBytes: number): OutboxStatus {
  const { ledger, chains } = look;
  const size = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const mark = join(dirname(path), DAMAGED_MARK);
  return {
    epoch: ledger.epoch, lastSeq: ledger.lastSeq, syncedSeq: ledger.lastSeq, bytes: size(path) + size(`${path}-wal`), budgetBytes, freeBytes: freeBytes(dirname(path)),
    destinations: chains.map((chain) => ({
      name: chain.name, lastDue: chain.lastDue.seq, waiting: chain.waiting, acknowledged: chain.acknowledged, rejected: chain.rejected, dead: look.tables.deadRows(chain.id), lost: chain.lost,
      confirmedThrough: chain.confirmedThrough, isConfirming: chain.isConfirming, replaying: replayCount(chain), oldestWaitingAt: oldestWaitingAt(look, chain, ledger.lastSeq),
    })),
    fault: existsSync(mark) ? `marked as damaged: ${readFileSync(mark, "utf8").split("\n", 1)[0] ?? ""}; the agent sets it aside at its next start` : null,
    condition: { state: "ok" },
  };
}

function freeBytes(folder: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return null; // The system does not say.
  }
}
