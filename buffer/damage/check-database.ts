/**
 * A process of its own that looks through a whole database and says what it found, in one line: for a file of gigabytes
 * that takes a minute and all of a disk's attention, so it runs beside the agent, at the lowest priority, and may be ended
 * at any moment. Started by buffer/damage/quick-check.ts with the path of the database; reads only.
 */
import { setPriority } from "node:os";
import Database from "better-sqlite3";
import { lookThrough } from "./look-through.ts";

/** The word on the command line that starts this instead of the agent; for the agent only, so in no help. */
export const CHECK_DATABASE = "check-database";
const LOWEST_PRIORITY = 19;
const BUSY_TIMEOUT_MS = 5_000;

/** What is printed: `found` null when nothing was. */
export interface Verdict {
  readonly found: string | null;
}

/** What is found once is looked for again: SQLite tells a read that fails as damage. */
export function checkDatabase(path: string): Verdict {
  setPriority(LOWEST_PRIORITY);
  return lookAt(path).found === null ? { found: null } : lookAt(path);
}
function lookAt(path: string): Verdict {
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  try {
    return { found: lookThrough(db) };
  } finally {
    db.close();
  }
}
