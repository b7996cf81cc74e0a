/** A damaged file, opened so that as much as possible can be read of it: as it is, or under declarations of ours (buffer/damage/rescue.ts). Changes nothing in it. */
import Database from "better-sqlite3";
import type { Clock } from "../../agent/contract/time.ts";
import { CACHE_KIB, type Connection } from "../ledger/connection.ts";
import { layoutDamage } from "./layout-check.ts";
import { dropRescue, hasHeader, rescue, surveyed, type Survey } from "./rescue.ts";
import { shapes, type Root } from "./roots.ts";

/** Nothing of this process may have the file open. Null when there is nothing to be read. */
export function openLegible(path: string, clock: Clock): Connection | null {
  const survey = attempt(() => surveyed(path, clock));
  const found = openForSalvage(path);
  if (survey === null || (found && attempt(() => isLegible(found, path, survey)) === true)) return found;
  found?.close(); // SQLite would take the second name for the same file, with the same log.
  const rescued = attempt(() => rescue(path, survey));
  const db = rescued === null ? null : openForSalvage(rescued);
  if (db === null) dropRescue(path);
  return db ?? openForSalvage(path);
}
function attempt<T>(action: () => T): T | null {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof Error) return null; // Whatever it is, it does not go so: the file is read as well as can be otherwise.
    throw cause;
  }
}

interface Declared { readonly name: string; readonly rootpage: number }
/** Are the tables and indexes declared as ours, and do they begin where the file says? What a later layout added does not matter, and cannot be told from a damaged name. */
function isLegible(db: Connection, path: string, { roots }: Survey): boolean {
  if (!hasHeader(path) || layoutDamage(db) !== null) return false;
  const declared = new Map(db.prepare<[], Declared>("SELECT name, rootpage FROM sqlite_schema").all().map(({ name, rootpage }) => [name, rootpage]));
  const ours = shapes();
  const isPlaced = (root: Root | undefined, page: number): boolean => root === undefined || ("page" in root && root.page === page);
  return [...declared.keys()].every((name) => ours.some((shape) => shape.name === name))
    && ours.every(({ name, isIndex }) => (declared.has(name) ? isPlaced(roots.get(name), declared.get(name) ?? 0) : !isIndex));
}
/** Null when SQLite cannot open it at all. */
function openForSalvage(path: string): Connection | null {
  let db: Connection | null = null;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true });
    db.pragma(`cache_size = ${-CACHE_KIB}`);
    db.unsafeMode(true);
    db.pragma("writable_schema = ON"); // Nothing is written; but so SQLite also reads a file that is shorter than its header says.
    return db;
  } catch (cause) {
    db?.close();
    if (cause instanceof Error) return null; // Whatever it is, there is nothing to read.
    throw cause;
  }
}
