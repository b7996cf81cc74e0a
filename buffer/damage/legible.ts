/** A damaged file, opened so that as much as possible can be read of it: as it is, or under declarations of ours (buffer/damage/rescue.ts). Changes nothing in it. */
import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import type { Clock } from "../../agent/contract/time.ts";
import type { Connection } from "../ledger/connection.ts";
import { layoutDamage } from "./layout-check.ts";
import { dropRescue, hasHeader, rescue } from "./rescue.ts";

/** Above any number a buffer reaches. */
const HIGHEST = 2 ** 52;

/** `release`: closes whatever this process has open of the file. Null when there is nothing to be read. */
export function openLegible(path: string, { clock, release }: { readonly clock: Clock; readonly release: () => void }): Connection | null {
  const found = openForSalvage(path);
  if ((found && isLegible(found, path)) || !existsSync(path)) return found;
  found?.close();
  release();
  return openRescued(path, clock) ?? openForSalvage(path);
}

function isLegible(db: Connection, path: string): boolean {
  try {
    return hasHeader(path) && layoutDamage(db) === null && isReached(db);
  } catch (cause) {
    if (cause instanceof Error) return false; // Whatever it is, it is not read so.
    throw cause;
  }
}
/** False where neither end of the table of records can be reached: then its topmost page is gone. */
function isReached(db: Connection): boolean {
  const row = db.prepare<[number]>("SELECT 1 FROM record WHERE seq = ?");
  return [0, HIGHEST].some((seq) => {
    try {
      row.get(seq);
      return true;
    } catch (cause) {
      if (cause instanceof Error) return false;
      throw cause;
    }
  });
}

function openRescued(path: string, clock: Clock): Connection | null {
  try {
    const rescued = rescue(path, clock);
    return rescued === null ? null : openForSalvage(rescued);
  } catch (cause) {
    dropRescue(path);
    if (cause instanceof Error) return null; // The file is then read as it is.
    throw cause;
  }
}
/** Null when SQLite cannot open it at all. */
function openForSalvage(path: string): Connection | null {
  let db: Connection | null = null;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true });
    db.unsafeMode(true);
    db.pragma("writable_schema = ON"); // Nothing is written; but so SQLite also reads a file that is shorter than its header says.
    return db;
  } catch (cause) {
    db?.close();
    if (cause instanceof Error) return null; // Whatever it is, there is nothing to read.
    throw cause;
  }
}
