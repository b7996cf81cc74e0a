/**
 * Whether a database has come back whole, but older than what had been stored, with nothing beside it that shows it. Looked
 * at in a copy, by Node's own SQLite and by reading the mark's text: no code of ours.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** The last row it holds, when that is the case; else null: all is there, or the damage shows. */
export function silentlyOlderThrough(dataDir: string, stored: number): number | null {
  const copy = join(dataDir, "..", "look");
  mkdirSync(copy);
  for (const name of ["cellgate.db", "cellgate.db-wal"]) if (existsSync(join(dataDir, name))) cpSync(join(dataDir, name), join(copy, name));
  try {
    const [last, epoch] = lastRow(join(copy, "cellgate.db"));
    const [markEpoch, mark] = existsSync(join(dataDir, "cellgate.db-tail")) ? readFileSync(join(dataDir, "cellgate.db-tail"), "latin1").split(" ") : [];
    return last >= stored || (markEpoch === epoch && Number(mark) > last) ? null : last;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause) return null; // It cannot even be opened, or read: that shows.
    throw cause;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function lastRow(path: string): readonly [number, string] {
  const db = new DatabaseSync(path);
  try {
    const check = db.prepare("PRAGMA quick_check(1)").get();
    if (check?.["quick_check"] !== "ok") return [Infinity, ""];
    const last = Number(db.prepare("SELECT max(seq) AS last FROM record").get()?.["last"] ?? 0);
    return [last, String(db.prepare("SELECT value FROM meta WHERE key = 'epoch'").get()?.["value"])];
  } finally {
    db.close();
  }
}
