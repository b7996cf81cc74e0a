/** What SQLite and the file system say, as the error the rest of the agent acts on: which fault, which file, what to do. */
import { accessSync, closeSync, constants, existsSync, openSync, rmSync } from "node:fs";
import { StoreError, type StoreFault } from "../agent/contract/errors.ts";

const REMEDY: Readonly<Record<StoreFault, string>> = {
  full: "free space on that file system or enlarge it; nothing stored before is lost, and the agent goes on by itself once there is room",
  io: "check the storage medium and the kernel log; nothing reported stored is lost, and the agent tries again by itself",
  corrupt: "the agent sets the file aside under quarantine/ by itself and starts a new one",
  "read-only": "the file system refuses writes: a failing card is often remounted read-only (check the kernel log and remount or replace it), or the user that runs cellgate may no longer write there (chown, chmod)",
  "newer-version": "install the agent version that wrote it, or a later one",
  locked: "stop the other agent, or give this one its own agent.data_dir",
  closed: "it was closed; open it again",
  replaced: "nothing needs to be done: the agent goes on with the new file",
};

/** A `StoreError` for `what` that happened to `where`; one that is a StoreError already passes unchanged. */
export function storeError(cause: unknown, what: string, where: string): StoreError {
  if (cause instanceof StoreError) return cause;
  const found = faultOf(cause);
  const fault = found === "io" && refusesWrites(where) ? "read-only" : found;
  return faulty(fault, `${what} ${where}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}

/** States the fault in words and adds the remedy. */
export const faulty = (fault: StoreFault, sentence: string, options?: ErrorOptions): StoreError =>
  new StoreError(fault, `${sentence}; ${REMEDY[fault]}`, options);

const codeOf = (cause: unknown): string => (cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "");

export function faultOf(cause: unknown): StoreFault {
  if (cause instanceof StoreError) return cause.fault;
  const code = codeOf(cause);
  if (code === "SQLITE_FULL" || code === "ENOSPC" || code === "EDQUOT") return "full";
  if (code.startsWith("SQLITE_CORRUPT") || code.startsWith("SQLITE_NOTADB")) return "corrupt";
  if (code.startsWith("SQLITE_READONLY") || code === "EROFS" || code === "EACCES" || code === "EPERM") return "read-only";
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) return "locked";
  return "io";
}

const OURS = ["SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG", "SQLITE_RANGE", "SQLITE_MISUSE", "SQLITE_SCHEMA"];
/** False: what was asked of the disk is wrong, and would be wrong again: our bug. */
export function isOfTheDisk(cause: unknown): boolean {
  if (cause instanceof StoreError) return true;
  const code = codeOf(cause);
  return /^(SQLITE_|E[A-Z0-9]+$)/.test(code) && !OURS.some((ours) => code.startsWith(ours));
}

/** SQLite reports a write that the file system refuses as an input/output error like any other; some kernels tell it apart only when something is made. */
function refusesWrites(database: string): boolean {
  const probe = `${database}-probe`;
  try {
    for (const path of [database, `${database}-wal`]) if (existsSync(path)) accessSync(path, constants.W_OK);
    closeSync(openSync(probe, "w"));
    rmSync(probe, { force: true });
    return false;
  } catch (cause) {
    return faultOf(cause) === "read-only";
  }
}
