/**
 * Whether the tables are declared as ours are. The declarations lie in the file too, as text: a flipped bit in the name
 * of a column makes right statements fail, and would look like a fault of ours at every start.
 */
import Database from "better-sqlite3";
import type { Connection } from "../ledger/connection.ts";
import { SCHEMA } from "../ledger/schema.ts";

/** What is wrong, in words, or null. A table that is not there is not judged: an older layout has fewer. More columns are a later layout's. */
export function layoutDamage(db: Connection): string | null {
  const ours = new Database(":memory:");
  try {
    ours.exec(SCHEMA);
    for (const table of ours.prepare<[], string>("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all()) {
      const found = columnsOf(db, table);
      const missing = found.length === 0 ? undefined : columnsOf(ours, table).find((column) => !found.includes(column));
      if (missing !== undefined) return `its table ${table} has no column ${missing}: its declaration is damaged`;
    }
    return null;
  } finally {
    ours.close();
  }
}

const columnsOf = (db: Connection, table: string): readonly string[] => db.prepare<[string], string>("SELECT name FROM pragma_table_info(?)").pluck().all(table);
