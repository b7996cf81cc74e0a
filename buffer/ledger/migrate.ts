/**
 * Brings a file of an older layout up to ours: forward, additions only, in one transaction. `user_version` stays, so the
 * agent before an update opens the file again after the update is rolled back; it ignores the tables it does not know
 * (buffer/ledger/schema.ts). Before that the file is copied whole to backup/, one copy, where its size and the free room allow
 * it in the time a start may take; where they do not, that is said, and the transaction alone stands for safety.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { DATABASE_NAME, openConnection, syncDirectory, syncFile, type Connection } from "./connection.ts";
import type { StoreOptions } from "../options.ts";
import { ADDITIONS, LAYOUT } from "./schema.ts";

const BACKUP = "backup";
/** Copied at 20 MB/s, a slow card, within the 10 s after which the agent is to be in service. */
const BACKUP_BYTES = 200 * 1024 * 1024;

export function layoutOf(db: Connection): number {
  return Number(db.prepare<[], string>("SELECT value FROM meta WHERE key = 'layout'").pluck().get() ?? 1);
}

/** Before the store opens the file. Nothing happens when it is of our layout, or of a newer one that adds to it. */
export function migrate(options: StoreOptions): void {
  const db = openConnection(join(options.dataDir, DATABASE_NAME));
  try {
    const from = layoutOf(db);
    if (from >= LAYOUT) return;
    const backup = copyAside(db, options, from);
    db.transaction(() => {
      db.exec(ADDITIONS);
      db.prepare("INSERT INTO meta (key, value) VALUES ('layout', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value").run(String(LAYOUT));
    }).immediate();
    db.pragma("wal_checkpoint(TRUNCATE)"); // On the medium before anything relies on it.
    options.log.info({ from, to: LAYOUT, backup }, "the buffer's layout was extended; an older agent can still read it");
  } finally {
    db.close();
  }
}

/** Path of the copy; null when there is none, which is said. */
function copyAside(db: Connection, { dataDir, log }: StoreOptions, layout: number): string | null {
  const folder = join(dataDir, BACKUP);
  const path = join(folder, `layout-${layout}-${DATABASE_NAME}`);
  const draft = `${path}.draft`;
  db.pragma("wal_checkpoint(TRUNCATE)");
  const bytes = statSync(db.name).size;
  const { bavail, bsize } = statfsSync(dataDir);
  if (bytes > BACKUP_BYTES || bytes * 2 > bavail * bsize) {
    log.warn({ bytes, freeBytes: bavail * bsize, mostBytes: BACKUP_BYTES }, "no backup before the buffer's layout is extended: it is too large for the free room or for the time a start may take");
    return null;
  }
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  for (const name of existsSync(folder) ? readdirSync(folder) : []) rmSync(join(folder, name), { recursive: true }); // One is kept: the newest.
  db.prepare("VACUUM INTO ?").run(draft);
  syncFile(draft);
  renameSync(draft, path);
  syncDirectory(folder);
  return path;
}
