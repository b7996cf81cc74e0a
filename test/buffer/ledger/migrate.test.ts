/**
 * A file of the first layout, as the agent of version 0.1.0 wrote it (layout-1.sql is SQLite's dump of one): opened, extended,
 * and left so that that agent opens it again. Run once by hand with that agent's own code (b62cae8): written by it,
 * opened here, opened by it again, opened here again, with nothing lost either way.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { openReader } from "../../../buffer/tools/reader.ts";
import { memoryLog, open, temporaryDirectory } from "../support.ts";
import { commitOf, record, uuid } from "../records.ts";

const DUMP = readFileSync(join(import.meta.dirname, "layout-1.sql"), "utf8");
const FIRST_VERSION = 1;
const destinations = [{ name: "bridge" }, { name: "cycles", types: ["cycle" as const] }];

function ofFirstLayout(): string {
  const dataDir = temporaryDirectory();
  const db = new Database(join(dataDir, "cellgate.db"));
  db.pragma("page_size = 4096");
  db.exec(DUMP);
  db.pragma("application_id = 0x43656c67");
  db.pragma(`user_version = ${FIRST_VERSION}`);
  db.pragma("journal_mode = WAL");
  db.close();
  return dataDir;
}
/** The statement that made each table. */
const tables = (path: string): ReadonlyMap<string, string> => {
  const db = new Database(path, { readonly: true });
  const found = db.prepare<[], { readonly name: string; readonly sql: string }>("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all();
  db.close();
  return new Map(found.map(({ name, sql }) => [name, sql]));
};

describe("a file of the first layout", () => {
  it("is not taken for damaged by who only reads: the agent brings it up first", async () => {
    const dataDir = ofFirstLayout();
    const read = (): string => {
      const reader = openReader(dataDir, { clock: systemClock(), structure: null });
      const { lastSeq } = reader.status(1e9);
      reader.close();
      return String(lastSeq);
    };
    expect(read).toThrow("was made by an older cellgate: start the agent once");
    await open({ dataDir, destinations }).close();
    expect(read()).toBe("8");
  });
  it("is extended in place: rows, places, cursors, refusals and checkpoints are as they were", async () => {
    const dataDir = ofFirstLayout();
    const log = memoryLog();
    const outbox = open({ dataDir, destinations, log });
    expect(outbox.pending("bridge", 0, 100).map(({ seq, prev, id, late }) => [seq, prev, id, late])).toEqual([
      [4, 3, uuid(4), false], [5, 4, uuid(5), false], [6, 5, uuid(6), false], [7, 6, uuid(7), true], [8, 7, expect.any(String), false],
    ]);
    expect(outbox.pending("cycles", 0, 100).map(({ seq, prev }) => [seq, prev])).toEqual([[2, 0], [4, 2], [6, 4], [8, 6]]);
    expect(outbox.checkpoint("VMC-3")).toBe('{"at":6}');
    expect(outbox.deadLetters(10)).toMatchObject([{ destination: "bridge", fromSeq: 3, toSeq: 3, reason: "0x99" }]);
    expect(await outbox.commit(commitOf([record(9)]))).toBe(9);
    expect(log.lines.map(({ sentence }) => sentence)).toEqual(["the buffer's layout was extended; an older agent can still read it"]);
  });

  it("stays one that the agent before the update opens: its version and its tables are unchanged", async () => {
    const dataDir = ofFirstLayout();
    const path = join(dataDir, "cellgate.db");
    const before = tables(path);
    await open({ dataDir, destinations }).close();
    const after = tables(path);
    expect([...before.keys()].map((name) => [name, after.get(name)])).toEqual([...before]);
    expect(after.size).toBeGreaterThan(before.size);
    const db = new Database(path, { readonly: true });
    expect(db.pragma("user_version", { simple: true })).toBe(FIRST_VERSION);
    db.close();
  });

  it("is copied whole before, once; one copy is kept", async () => {
    const dataDir = ofFirstLayout();
    mkdirSync(join(dataDir, "backup"));
    writeFileSync(join(dataDir, "backup", "an older one"), "");
    await open({ dataDir, destinations }).close();
    expect(readdirSync(join(dataDir, "backup"))).toEqual(["layout-1-cellgate.db"]);
    const copy = new Database(join(dataDir, "backup", "layout-1-cellgate.db"), { readonly: true });
    expect(copy.prepare("SELECT count(*) FROM record").pluck().get()).toBe(8);
    copy.close();
    await open({ dataDir, destinations }).close();
    expect(readdirSync(join(dataDir, "backup"))).toHaveLength(1);
  });
});

describe("a new file", () => {
  it("is of our layout, and needs no copy", async () => {
    const dataDir = temporaryDirectory();
    await open({ dataDir }).close();
    await open({ dataDir }).close();
    expect(existsSync(join(dataDir, "backup"))).toBe(false);
  });
});
