/** What SQLite and the file system say, as the error the rest of the agent acts on: which fault, which file, what to do. */
import { StoreError, type StoreFault } from "../agent/contract/errors.ts";

const REMEDY: Readonly<Record<StoreFault, string>> = {
  full: "free space on that file system or enlarge it; nothing stored before is lost, and the same commit can be tried again",
  io: "check the storage medium and the kernel log; nothing reported stored is lost, and the same commit can be tried again",
  corrupt: "restart the agent: it sets the file aside under quarantine/ and starts a new one",
  "read-only": "the file system refuses writes (a failing card is often remounted read-only): check the kernel log and remount or replace it",
  "newer-version": "install the agent version that wrote it, or a later one",
  locked: "stop the other agent, or give this one its own agent.data_dir",
  closed: "it was closed; open it again",
};

/** A `StoreError` for `what` that happened to `where`; one that is a StoreError already passes unchanged. */
export function storeError(cause: unknown, what: string, where: string): StoreError {
  if (cause instanceof StoreError) return cause;
  const fault = faultOf(cause);
  return faulty(fault, `${what} ${where}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}

/** States the fault in words and adds the remedy. */
export const faulty = (fault: StoreFault, sentence: string, options?: ErrorOptions): StoreError =>
  new StoreError(fault, `${sentence}; ${REMEDY[fault]}`, options);

export function faultOf(cause: unknown): StoreFault {
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
  if (code === "SQLITE_FULL" || code === "ENOSPC" || code === "EDQUOT") return "full";
  if (code.startsWith("SQLITE_CORRUPT") || code.startsWith("SQLITE_NOTADB")) return "corrupt";
  if (code.startsWith("SQLITE_READONLY") || code === "EROFS" || code === "EACCES" || code === "EPERM") return "read-only";
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) return "locked";
  return "io";
}
