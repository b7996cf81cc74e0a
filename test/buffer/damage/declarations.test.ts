/**
 * Files whose rows are well, but which no longer say where they are: a bit flipped anywhere in a table's declaration, a first
 * page that is torn, a table of records without its topmost page; small and larger than what may be copied, with a log and
 * without. Every row that waited comes, the file that is set aside has not changed, and no second name of it is left.
 */
import { closeSync, copyFileSync, existsSync, openSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Outbox } from "../../../agent/contract/outbox.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { dropRescue, rescue, surveyed } from "../../../buffer/damage/rescue.ts";
import { commitOf, record } from "../records.ts";
import { memoryLog, open, temporaryDirectory } from "../support.ts";

const PAGE = 4_096;
const ROWS = 600;
const SETTLED = 100;
const PARTS = ["cellgate.db", "cellgate.db-wal", "cellgate.db-tail"];
const CHECKPOINT = { key: "VMC-3", json: '{"at":600}' };
const file = (dataDir: string): string => join(dataDir, "cellgate.db");
const numbered = (from: number, to: number): readonly number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

function overwrite(path: string, at: number, bytes: Buffer): void {
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, bytes, 0, bytes.length, at);
  closeSync(descriptor);
}
const garbage = (path: string, page: number): void => overwrite(path, (page - 1) * PAGE, Buffer.alloc(PAGE, 0xa5));
/** A bit of the byte that far behind these words, wherever they stand: copies of old pages may lie about. */
function flipBehind(path: string, words: string, { offset, bit }: { readonly offset: number; readonly bit: number }): void {
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf(words); at >= 0; at = bytes.indexOf(words, at + 1)) overwrite(path, at + offset, Buffer.from([(bytes[at + offset] ?? 0) ^ (1 << bit)]));
}

interface Filled { readonly dataDir: string; readonly epoch: string }
/** `bytes` of each body; `isClosed` false: as a kill leaves it, the newest in the log. */
async function filled({ rows = ROWS, bytes = 200, isClosed = true } = {}): Promise<Filled> {
  const from = temporaryDirectory();
  const outbox = open({ dataDir: from, destinations: [{ name: "bridge" }] });
  const text = "x".repeat(bytes);
  for (let n = 1; n <= rows; n += 500)
    await outbox.commit(commitOf(numbered(n, Math.min(rows, n + 499)).map((seq) => record(seq, "cycle", { n: seq, text })), { checkpoint: CHECKPOINT }));
  outbox.settle("bridge", { accepted: numbered(1, SETTLED), rejected: [] });
  await outbox.commit(commitOf([], { checkpoint: { key: "other", json: "1" } }));
  if (isClosed) await outbox.close();
  return { dataDir: copied(from), epoch: outbox.epoch };
}
function copied(from: string): string {
  const dataDir = temporaryDirectory();
  for (const part of PARTS) if (existsSync(join(from, part))) copyFileSync(join(from, part), join(dataDir, part));
  return dataDir;
}
function waiting(outbox: Outbox): readonly number[] {
  const came: number[] = [];
  for (let after = 0; ;) {
    const rows = outbox.pending("bridge", after, 500);
    if (rows.length === 0) return came;
    for (const { seq, type, body } of rows) {
      if (type === "cycle") came.push((JSON.parse(body) as { n: number }).n);
      after = seq;
    }
  }
}
/** Opens what was damaged. */
async function reopened({ dataDir, epoch }: Filled): Promise<object> {
  const damaged = readFileSync(file(dataDir));
  const outbox = open({ dataDir });
  const [isNew, came, checkpoint] = [outbox.epoch !== epoch, waiting(outbox), outbox.checkpoint("VMC-3")];
  await outbox.close();
  const [folder = ""] = readdirSync(join(dataDir, "quarantine"));
  const aside = join(dataDir, "quarantine", folder, "cellgate.db");
  return { isNew, came, checkpoint, isUnchanged: readFileSync(aside).equals(damaged) && statSync(aside).nlink === 1, left: readdirSync(dataDir).filter((name) => name.includes("rescue")) };
}
const all = (rows = ROWS): object => ({ isNew: true, came: numbered(SETTLED + 1, rows), checkpoint: CHECKPOINT.json, isUnchanged: true, left: [] });

interface Declaration { readonly type: string; readonly name: string; readonly table: string; readonly sql: string | null }
function declarations(path: string): readonly Declaration[] {
  const db = new Database(path, { readonly: true });
  const all = db.prepare<[], Declaration>("SELECT type, name, tbl_name AS \"table\", sql FROM sqlite_schema").all();
  db.close();
  return all;
}
/** Where its parts begin, behind its first letter. SQLite itself takes no notice of an index's type and table. */
function partsOf({ type, name, table, sql }: Declaration): Readonly<Record<string, number>> {
  const page = `${type}${name}${table}`.length;
  if (sql === null) return { name: type.length, page };
  return { type: 0, name: type.length, table: type.length + name.length, page, "text's word": page + 1 + "CREATE ".length, "text's columns": page + 1 + sql.indexOf("\n  ") + 3 };
}

describe("a flipped bit in a declaration", () => {
  it("of any table or index, in any part of it: it is noticed, and all that waited comes", { timeout: 60_000 }, async () => {
    const whole = await filled();
    const unnoticed: string[] = [];
    for (const [index, declaration] of declarations(file(whole.dataDir)).entries()) {
      for (const [part, offset] of Object.entries(partsOf(declaration))) {
        const dataDir = copied(whole.dataDir);
        const what = `${declaration.name}, ${part}`;
        flipBehind(file(dataDir), declaration.type + declaration.name + declaration.table, { offset, bit: part === "page" ? index % 5 : 0 });
        const outbox = open({ dataDir });
        expect([what, waiting(outbox), outbox.checkpoint("VMC-3")]).toEqual([what, numbered(SETTLED + 1, ROWS), CHECKPOINT.json]);
        if (outbox.epoch === whole.epoch) unnoticed.push(what);
        await outbox.close();
      }
    }
    expect(unnoticed).toEqual([]); // No agent goes on with a declaration that is not ours.
  });
  it("each bit of the page that the records begin on", { timeout: 30_000 }, async () => {
    const whole = await filled();
    for (let bit = 0; bit < 8; bit++) {
      const dataDir = copied(whole.dataDir);
      flipBehind(file(dataDir), "tablerecordrecord", { offset: "tablerecordrecord".length, bit });
      expect(await reopened({ dataDir, epoch: whole.epoch })).toEqual(all());
    }
  });
  it("a table that is not declared at all is told by name", async () => {
    const { dataDir, epoch } = await filled();
    const db = new Database(file(dataDir));
    db.unsafeMode(true);
    db.pragma("writable_schema = ON");
    db.prepare("DELETE FROM sqlite_schema WHERE name = 'route'").run();
    db.close();
    const log = memoryLog();
    const outbox = open({ dataDir, log });
    expect(log.lines.find(({ level }) => level === "error")?.fields).toMatchObject({ damage: "its table route is not there: a declaration is damaged" });
    expect(outbox.epoch).not.toBe(epoch);
    expect(waiting(outbox)).toEqual(numbered(SETTLED + 1, ROWS));
  });
});

describe("a flipped bit in what all records share", () => {
  it.each([
    ["a letter of the context", "environment", 0], ["its first letter", '{"environment', 0], ["a letter that is none any more", "environment", 7],
  ])("%s: all that waited comes, as it was", async (_, words, bit) => {
    const whole = await filled();
    const before = open({ dataDir: copied(whole.dataDir) });
    const [row] = before.pending("bridge", 0, 1);
    await before.close();
    flipBehind(file(whole.dataDir), words, { offset: 0, bit });
    expect(await reopened(whole)).toEqual(all());
    expect(open({ dataDir: whole.dataDir }).pending("bridge", 0, 1)[0]).toMatchObject({ id: row?.id, context: row?.context, machine: row?.machine, body: row?.body });
  });
  it.each([["name", "'VMB-3'"], ["checksum", "crc | (1 << 20)", "crc"], ["checksum, the other way", "crc & ~(1 << 20)", "crc"], ["number", "3", "id"]])("the machine's %s", async (what, flipped, column = what) => {
    const whole = await filled();
    const db = new Database(file(whole.dataDir));
    const { changes } = db.prepare(`UPDATE machine SET ${column} = ${flipped} WHERE ${column} IS NOT ${flipped}`).run();
    db.close();
    const outbox = open({ dataDir: whole.dataDir });
    expect(outbox.epoch !== whole.epoch).toBe(changes > 0); // The bit may have been so.
    expect(waiting(outbox)).toEqual(numbered(SETTLED + 1, ROWS));
  });
  it.each([1, 2, 4, 9, 20, 31, 0])("the version of the file, bit %i: it is no newer agent's, for its layout is ours", async (bit) => {
    const whole = await filled();
    const db = new Database(file(whole.dataDir));
    db.pragma(`user_version = ${1 ^ (1 << bit)}`);
    db.close();
    expect(await reopened(whole)).toEqual(all());
  });
});

describe("pages gone", () => {
  it.each([
    ["the first", [1]], ["that of the records' top", [5]], ["both", [1, 5]], ["those with the declarations", [14, 15]],
    ["what was given up", [18, 19]],
  ])("%s: all that waited comes", async (_, pages) => {
    const whole = await filled();
    for (const page of pages) garbage(file(whole.dataDir), page);
    expect(await reopened(whole)).toEqual(all());
  });
  it("a page of other rows in the place of one: its own rows are lost, and those behind it are not", async () => {
    const whole = await filled();
    const pages = readFileSync(file(whole.dataDir));
    const pageWith = (n: number): number => Math.floor(pages.indexOf(`{"n":${n},`) / PAGE);
    const [place, other] = [pageWith(300), pageWith(ROWS - 50)];
    overwrite(file(whole.dataDir), place * PAGE, pages.subarray(other * PAGE, (other + 1) * PAGE));
    writeFileSync(join(whole.dataDir, "cellgate.db-damaged"), "found by a look through the file");
    const outbox = open({ dataDir: whole.dataDir });
    const there = new Set(waiting(outbox));
    const lost = numbered(SETTLED + 1, ROWS).filter((n) => !there.has(n));
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.length).toBeLessThan(PAGE / 200); // No more than fit on a page.
  });
  it.each([["in the log", 1, true], ["not in the log", 14, false]])("a page with declarations that is %s, with the newest rows there", async (_, page, isInLog) => {
    const whole = await filled();
    const first = open({ dataDir: whole.dataDir });
    await first.commit(commitOf(numbered(ROWS + 1, ROWS + 50).map((seq) => record(seq, "cycle", { n: seq, text: "x".repeat(500) }))));
    const dataDir = copied(whole.dataDir); // As a kill leaves it.
    expect(statSync(`${file(dataDir)}-wal`).size).toBeGreaterThan(PAGE);
    garbage(file(dataDir), page);
    const outbox = open({ dataDir });
    expect([outbox.epoch === whole.epoch, waiting(outbox)]).toEqual([isInLog, numbered(SETTLED + 1, ROWS + 50)]);
  });
  it("the first of a file larger than is ever copied", { timeout: 60_000 }, async () => {
    const rows = 10_000;
    const whole = await filled({ rows, bytes: 7_000 });
    expect(statSync(file(whole.dataDir)).size).toBeGreaterThan(64 * 1024 * 1024);
    garbage(file(whole.dataDir), 1);
    expect(await reopened(whole)).toEqual(all(rows));
  });
  it("of a file that an older agent made: tables that were added later are where nobody expects them", async () => {
    const dataDir = temporaryDirectory();
    const db = new Database(file(dataDir));
    db.exec(readFileSync(join(import.meta.dirname, "../ledger/layout-1.sql"), "utf8"));
    db.pragma("application_id = 0x43656c67");
    db.pragma("user_version = 1");
    db.close();
    const first = open({ dataDir });
    const [before, told] = [waiting(first).length, numbered(1, 400)];
    await first.commit(commitOf(told.map((n) => record(1_000 + n, "cycle", { n, text: "y".repeat(500) }))));
    await first.close();
    garbage(file(dataDir), 1);
    const outbox = open({ dataDir });
    expect(outbox.epoch).not.toBe(first.epoch);
    expect(waiting(outbox).slice(before)).toEqual(told);
  });
});

describe("the second name", () => {
  it("reads what SQLite reads, page by page, the log's copy before the file's", async () => {
    const { dataDir } = await filled({ isClosed: false });
    const expected = new Database(file(dataDir), { readonly: true });
    const rows = expected.prepare("SELECT * FROM record ORDER BY seq").all();
    expected.close();
    const survey = surveyed(file(dataDir), systemClock());
    const other = survey && rescue(file(dataDir), survey);
    const db = new Database(other ?? "", { readonly: true });
    expect(db.prepare("SELECT * FROM record ORDER BY seq").all()).toEqual(rows);
    const found = db.pragma("quick_check") as readonly { readonly quick_check: string }[];
    expect(found.flatMap(({ quick_check: words }) => words.split("\n")).filter((words) => !/^\*\*\*|never used$/.test(words))).toEqual([]); // The file's own declarations.
    db.close();
    dropRescue(file(dataDir));
    expect(readdirSync(dataDir).sort()).toEqual(["cellgate.db", "cellgate.db-shm", "cellgate.db-tail", "cellgate.db-wal"]);
  });
});
