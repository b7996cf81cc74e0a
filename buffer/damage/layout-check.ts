/**
 * Whether the tables are there, and declared as ours are. The declarations lie in the file too, as text: a flipped bit in
 * the name of a column or a table makes right statements fail, and would look like a fault of ours at every start; one in
 * the number of a table's first page makes it another's.
 */
import Database from "better-sqlite3";
import type { Connection } from "../ledger/connection.ts";
import { layoutOf } from "../ledger/migrate.ts";
import { ADDITIONS, LAYOUT, SCHEMA, SCHEMA_VERSION } from "../ledger/schema.ts";
import { faultOf, faulty } from "../store-error.ts";

interface Column {
  readonly name: string;
  readonly type: string;
  readonly pk: number;
}

/** What is wrong, in words, or null. A file of an older layout lacks newer additions; more columns or tables are a later layout's. Throws what SQLite says of a file that it cannot read. */
export function layoutDamage(db: Connection): string | null {
  const ours = new Database(":memory:");
  try {
    ours.exec(ADDITIONS);
    const additions = new Set(tablesOf(ours));
    ours.exec(SCHEMA);
    const all = tablesOf(ours);
    const there = new Set(tablesOf(db));
    const goneOf = (tables: readonly string[]): string | null => {
      const gone = tables.find((table) => !there.has(table));
      return gone === undefined ? null : `its table ${gone} is not there: a declaration is damaged`;
    };
    for (const table of all) {
      const found = there.has(table) ? columnsOf(db, table) : null;
      const wrong = found && columnsOf(ours, table).find((column) => !found.some(({ name, type, pk }) => name === column.name && type === column.type && pk === column.pk));
      if (wrong) return `its table ${table} has no column ${wrong.name} as we know it: its declaration is damaged`;
    }
    const gone = goneOf(all.filter((table) => !additions.has(table))) ?? (layoutOf(db) >= LAYOUT ? goneOf([...additions]) : null);
    if (gone !== null) return gone;
    return misplaced(db);
  } finally {
    ours.close();
  }
}

/** Of a version that is not ours: what is wrong, in words, when its layout is one we know, for a newer version has a newer layout too. Throws StoreError for a newer agent's file, and where nothing else speaks against it. */
export function versionDamage(db: Connection, version: number): string {
  const layout = knownLayout(db);
  if (layout !== null) return `its version is said to be ${version}, though its layout is ${layout}`;
  throw faulty("newer-version", `the buffer ${db.name} has version ${version}, this agent knows versions up to ${SCHEMA_VERSION}`);
}
function knownLayout(db: Connection): number | null {
  try {
    const layout = layoutOf(db);
    return layout <= LAYOUT ? layout : null;
  } catch (cause) {
    if (faultOf(cause) === "corrupt" || !(cause instanceof Error)) throw cause;
    return null; // A newer agent may keep it elsewhere.
  }
}

const tablesOf = (db: Connection): readonly string[] => db.prepare<[], string>("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'").pluck().all();
const columnsOf = (db: Connection, table: string): readonly Column[] => db.prepare<[string], Column>("SELECT name, type, pk FROM pragma_table_info(?)").all(table);

/** Two tables cannot begin on one page, nor among the declarations, nor beyond the end of the file. */
function misplaced(db: Connection): string | null {
  const pages = db.prepare<[], number>("PRAGMA page_count").pluck().get() ?? 0;
  const taken = new Map(db.prepare<[], number>("SELECT pageno FROM dbstat WHERE name = 'sqlite_schema'").pluck().all().map((page) => [page, "the declarations"]));
  for (const { name, rootpage } of db.prepare<[], { readonly name: string; readonly rootpage: number }>("SELECT name, rootpage FROM sqlite_schema").all()) {
    const other = taken.get(rootpage);
    if (other !== undefined) return `its table ${name} begins on page ${rootpage}, where ${other} lie: a declaration is damaged`;
    if (rootpage < 1 || rootpage > pages) return `its table ${name} begins on page ${rootpage} of ${pages}: its declaration is damaged`;
    taken.set(rootpage, `rows of ${name}`);
  }
  return null;
}
