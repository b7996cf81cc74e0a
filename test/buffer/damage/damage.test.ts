/**
 * Files that were damaged while nobody looked, or while in use: flipped, cut, emptied, replaced, lost. Whatever it was: the
 * buffer is in service again within seconds, the evidence lies in quarantine, and every row that waited is either still
 * there or named by a loss record.
 */
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it, vi } from "vitest";
import type { Outbox } from "../../../agent/contract/outbox.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { openOutbox } from "../../../buffer/outbox.ts";
import { quickCheckBy } from "../../../buffer/damage/quick-check.ts";
import { commitOf, record } from "../records.ts";
import { memoryLog, open, options, temporaryDirectory } from "../support.ts";

const ROWS = 3_000;
const SETTLED = 1_000;
const PAGE = 4_096;
const file = (dataDir: string): string => join(dataDir, "cellgate.db");
const many = (from: number, count: number): ReturnType<typeof record>[] =>
  Array.from({ length: count }, (_, i) => record(from + i, "state", { n: from + i, text: "x".repeat(100) }));
const overwrite = (path: string, at: number, bytes: Buffer): void => {
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, bytes, 0, bytes.length, at);
  closeSync(descriptor);
};
/** The lowest bit of the first letter of these words, wherever they stand: copies of old pages may lie about. */
const flipIn = (path: string, words: string): void => {
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf(words); at >= 0; at = bytes.indexOf(words, at + 1)) overwrite(path, at, Buffer.from([(bytes[at] ?? 0) ^ 1]));
};
const garbage = (length: number): Buffer => Buffer.alloc(length, 0xa5);
const quarantined = (dataDir: string): string[] => {
  const root = join(dataDir, "quarantine");
  return existsSync(root) ? readdirSync(root).flatMap((folder) => readdirSync(join(root, folder))) : [];
};

/** A buffer with 3,000 rows, of which 1,000 are settled; `isClosed` false: as a kill leaves it, all of it still in the log. */
async function filled(isClosed = true): Promise<{ readonly dataDir: string; readonly epoch: string }> {
  const from = temporaryDirectory();
  const outbox = open({ dataDir: from });
  await outbox.commit(commitOf(many(1, ROWS), { checkpoint: { key: "VMC-3", json: '{"at":3000}' } }));
  outbox.settle("bridge", { accepted: Array.from({ length: SETTLED }, (_, i) => i + 1), rejected: [] });
  await outbox.commit(commitOf([], { checkpoint: { key: "other", json: "1" } }));
  const dataDir = temporaryDirectory();
  if (isClosed) await outbox.close();
  for (const name of readdirSync(from)) if (!/lock|-shm$/.test(name)) copyFileSync(join(from, name), join(dataDir, name));
  return { dataDir, epoch: outbox.epoch };
}

/** A page of rows: a table's leaf, with bodies in it. */
function isOfRows(path: string, page: number): boolean {
  const bytes = readFileSync(path).subarray((page - 1) * PAGE, page * PAGE);
  return bytes[0] === 0x0d && bytes.includes('"text":"xxx');
}

interface Account {
  /** Numbers of the rows that came, in order. */
  readonly came: readonly number[];
  readonly losses: readonly { readonly reason: string; readonly fromSeq: number | null; readonly toSeq: number | null; readonly count: number | null; readonly lostEpoch: string; readonly destination: string | null }[];
}
/** Takes everything; when the file is replaced meanwhile, goes on with the new one. */
async function drained(outbox: Outbox, dataDir: string): Promise<Account & { readonly outbox: Outbox }> {
  const [came, losses]: [number[], Account["losses"][number][]] = [[], []];
  let current = outbox;
  for (;;) {
    try {
      for (let after = 0; ;) {
        const rows = current.pending("bridge", after, 500);
        if (rows.length === 0 && current.status().condition.state === "ok") {
          await current.commit(commitOf([], { checkpoint: { key: "probe", json: "1" } })); // What was found unreadable is told with it.
          const told = current.pending("bridge", after, 500);
          if (told.length === 0 && current.status().condition.state === "ok") return { outbox: current, came, losses };
        }
        for (const { seq, type, body } of rows) {
          if (type === "loss") losses.push(JSON.parse(body) as Account["losses"][number]);
          else came.push((JSON.parse(body) as { n: number }).n);
          after = seq;
        }
        current.settle("bridge", { accepted: rows.map(({ seq }) => seq), rejected: [] });
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    } catch (cause) {
      if (!(cause instanceof Error && "fault" in cause && cause.fault === "replaced")) throw cause;
      await current.close();
      current = open({ dataDir });
    }
  }
}
const ranges = (losses: Account["losses"]): readonly (readonly (number | null)[])[] => losses.map(({ fromSeq, toSeq, count }) => [fromSeq, toSeq, count]);
/** Every row that waited came, or is named by a loss. None came that was settled, unless the cursors were lost too. */
function expectAccounted({ came, losses }: Account, epoch: string): void {
  const arrived = new Set(came);
  for (const { lostEpoch } of losses) expect(lostEpoch).toBe(epoch);
  const isLost = (n: number): boolean => losses.some(({ fromSeq, toSeq, count }) => count !== 0 && !(count === null && toSeq !== null && toSeq <= SETTLED) && (fromSeq ?? 0) <= n && n <= (toSeq ?? Infinity));
  const forgotten = many(SETTLED + 1, ROWS - SETTLED).map((_, i) => SETTLED + 1 + i).filter((n) => !arrived.has(n) && !isLost(n));
  expect({ forgotten, losses: forgotten.length > 0 ? losses : [] }).toEqual({ forgotten: [], losses: [] });
}

describe("found at start", () => {
  const half = (path: string): void => truncateSync(path, Math.floor(statSync(path).size / 2));
  const cases: readonly (readonly [string, boolean, (dataDir: string) => void, { readonly least: number; readonly parts: readonly string[] }])[] = [
    ["a flipped byte in the header", true, (dataDir) => overwrite(file(dataDir), 3, garbage(1)), { least: 2_000, parts: ["cellgate.db"] }],
    ["a first page of garbage", true, (dataDir) => overwrite(file(dataDir), 0, garbage(PAGE)), { least: 2_000, parts: ["cellgate.db"] }],
    ...["json TEXT NOT NULL            -- detector", "through INTEGER", "body TEXT NOT NULL", "from_seq INTEGER NOT NULL,\n  to_seq"].map((words): (typeof cases)[number] =>
      [`a flipped bit in the declaration of "${words.split(" ")[0]}"`, true, (dataDir) => flipIn(file(dataDir), words), { least: 2_000, parts: ["cellgate.db"] }]),
    ["a database cut in half", true, (dataDir) => half(file(dataDir)), { least: 100, parts: ["cellgate.db"] }],
    ["an empty database", true, (dataDir) => truncateSync(file(dataDir), 0), { least: 0, parts: ["cellgate.db"] }],
    ["a newest page of garbage", true, (dataDir) => overwrite(file(dataDir), statSync(file(dataDir)).size - PAGE, garbage(PAGE)), { least: 1_900, parts: ["cellgate.db"] }],
    ["a file that is no database", true, (dataDir) => writeFileSync(file(dataDir), "this is no database ".repeat(500)), { least: 0, parts: ["cellgate.db"] }],
    ["the database of another program", true, (dataDir) => {
      rmSync(file(dataDir));
      const db = new Database(file(dataDir));
      db.exec("CREATE TABLE notes (text)");
      db.close();
    }, { least: 0, parts: ["cellgate.db"] }],
    ["no database", true, (dataDir) => rmSync(file(dataDir)), { least: 0, parts: ["cellgate.db-tail"] }],
    ["no database, but its log", false, (dataDir) => rmSync(file(dataDir)), { least: 0, parts: ["cellgate.db-wal"] }],
    ["no log", false, (dataDir) => rmSync(`${file(dataDir)}-wal`), { least: 0, parts: ["cellgate.db"] }],
    ["an empty log", false, (dataDir) => truncateSync(`${file(dataDir)}-wal`, 0), { least: 0, parts: ["cellgate.db"] }],
    ["a log cut in half", false, (dataDir) => half(`${file(dataDir)}-wal`), { least: 0, parts: ["cellgate.db", "cellgate.db-wal"] }],
    ["a log of garbage", false, (dataDir) => writeFileSync(`${file(dataDir)}-wal`, garbage(100_000)), { least: 0, parts: ["cellgate.db", "cellgate.db-wal"] }],
    ["a flipped byte in the middle of the log", false, (dataDir) => overwrite(`${file(dataDir)}-wal`, 60 * PAGE, garbage(1)), { least: 0, parts: ["cellgate.db", "cellgate.db-wal"] }],
  ];
  it.each(cases)("%s", async (_, isClosed, damage, { least, parts }) => {
    const { dataDir, epoch } = await filled(isClosed);
    damage(dataDir);
    const log = memoryLog();
    const began = performance.now();
    const outbox = open({ dataDir, log });
    expect(await outbox.commit(commitOf([]))).toBeGreaterThan(0); // In service: the loss is stored.
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(outbox.epoch).not.toBe(epoch);
    expect(quarantined(dataDir)).toEqual(expect.arrayContaining([...parts]));
    expect(log.lines.filter(({ level }) => level === "error")).toHaveLength(1);
    const account = await drained(outbox, dataDir);
    expectAccounted(account, epoch);
    expect(account.losses.length).toBeGreaterThan(0);
    expect(account.came.filter((n) => n > SETTLED).length).toBeGreaterThanOrEqual(least);
  });

  it("a body that was changed: the rows around it are carried over, and the loss names that one", async () => {
    const { dataDir, epoch } = await filled();
    const db = new Database(file(dataDir));
    db.prepare("UPDATE record SET body = '{}' WHERE seq IN (2500, 2501, 2999)").run();
    db.close();
    const outbox = open({ dataDir });
    expect(outbox.checkpoint("VMC-3")).toBe('{"at":3000}');
    const { came, losses } = await drained(outbox, dataDir);
    expect(came).toEqual(Array.from({ length: ROWS - SETTLED }, (_, i) => SETTLED + 1 + i).filter((n) => ![2_500, 2_501, 2_999].includes(n)));
    expect(losses.every(({ lostEpoch, destination }) => lostEpoch === epoch && destination === null)).toBe(true);
    expect(ranges(losses)).toEqual([[1, SETTLED, null], [SETTLED + 1, 2_499, 0], [2_500, 2_501, 2], [2_502, 2_998, 0], [2_999, 2_999, 1], [3_000, 3_000, 0], [3_001, null, null]]);
  });
  it("an older copy put in its place: the numbers given since are not given again", async () => {
    const { dataDir, epoch } = await filled();
    const copy = readFileSync(file(dataDir));
    const later = open({ dataDir });
    await later.commit(commitOf(many(ROWS + 1, 10)));
    await later.close();
    writeFileSync(file(dataDir), copy);
    const outbox = open({ dataDir });
    expect(outbox.epoch).not.toBe(epoch);
    const { came, losses } = await drained(outbox, dataDir);
    expect(came).toHaveLength(ROWS - SETTLED);
    expect(ranges(losses)).toEqual([[1, SETTLED, null], [SETTLED + 1, ROWS, 0], [ROWS + 1, ROWS + 10, 10], [ROWS + 11, null, null]]);
  });
  it("rows gone that a cursor has passed, with no mark to say so: no number is given again", async () => {
    const dataDir = temporaryDirectory();
    const first = open({ dataDir });
    await first.commit(commitOf(many(1, 100), { observedAt: systemClock().now().unixMs })); // Not old enough to go.
    first.settle("bridge", { accepted: Array.from({ length: 60 }, (_, i) => i + 1), rejected: [] });
    await first.close();
    rmSync(`${file(dataDir)}-tail`);
    const db = new Database(file(dataDir));
    db.prepare("DELETE FROM record WHERE seq > 40").run();
    db.close();
    const outbox = open({ dataDir });
    expect(outbox.epoch).not.toBe(first.epoch);
    const { came, losses } = await drained(outbox, dataDir);
    expect(came).toEqual([]);
    expect(ranges(losses)).toEqual([[1, 60, null], [61, null, null]]); // Which rows were refused since, and whether that was heard, nobody knows.
  });
  it("a number that none of ours is: what it claims lies between is not counted as lost", async () => {
    const { dataDir } = await filled();
    rmSync(`${file(dataDir)}-tail`);
    const db = new Database(file(dataDir));
    db.prepare("UPDATE record SET seq = 41315716 WHERE seq = ?").run(ROWS);
    db.close();
    const { came, losses } = await drained(open({ dataDir }), dataDir);
    expect(came).toEqual(Array.from({ length: ROWS - SETTLED }, (_, i) => SETTLED + 1 + i).slice(0, came.length));
    expect(ranges(losses)).toEqual([[1, SETTLED, null], [SETTLED + 1, ROWS - 1, 0], [ROWS, ROWS, 1], [ROWS + 1, null, null]]);
  });
  it("a page that no reading meets, after an unclean stop: a small file is looked through before a number is given", async () => {
    const { dataDir: whole } = await filled(false);
    const first = open({ dataDir: whole });
    await first.commit(commitOf(many(ROWS + 1, 1)));
    const dataDir = temporaryDirectory();
    for (const name of readdirSync(whole)) if (!/lock|-shm$|quarantine/.test(name)) copyFileSync(join(whole, name), join(dataDir, name));
    const at = readFileSync(file(dataDir)).indexOf('{"n":1500,');
    overwrite(file(dataDir), at - (at % PAGE), garbage(PAGE));
    expect(open({ dataDir }).epoch).not.toBe(first.epoch);
  });
  it("a flipped bit in the epoch: the loss records name the one that was", async () => {
    const { dataDir, epoch } = await filled();
    const db = new Database(file(dataDir));
    db.prepare("UPDATE meta SET value = ? WHERE key = 'epoch'").run(`${epoch.startsWith("a") ? "b" : "a"}${epoch.slice(1)}`);
    db.close();
    const account = await drained(open({ dataDir }), dataDir);
    expectAccounted(account, epoch);
    expect(account.came).toHaveLength(ROWS - SETTLED);
  });
  it("the record of a refusal, gone before anybody had it: it is told again, above every revision that may have been", async () => {
    const { dataDir, epoch } = await filled();
    const first = open({ dataDir });
    first.settle("bridge", { accepted: [1_001, 1_002], rejected: [{ seq: 1_003, reason: "not authorised" }] });
    await first.commit(commitOf(many(ROWS + 1, 1)));
    await first.close();
    const db = new Database(file(dataDir));
    expect(db.prepare("UPDATE record SET body = '{}' WHERE type = 8").run().changes).toBe(1);
    db.close();
    const { losses } = await drained(open({ dataDir }), dataDir);
    expect(losses).toMatchObject([{ destination: "bridge", reason: "refused", lostEpoch: epoch, fromSeq: 1_003, toSeq: 1_003, count: 1 }, ...losses.slice(1)]);
    expect(ranges(losses.slice(1))).toEqual([[1, 1_003, null], [1_004, 3_001, 0], [3_002, 3_002, 1], [3_003, null, null]]);
  });
  it("a saved position that cannot be read: found before anybody asks for it", async () => {
    const { dataDir, epoch } = await filled();
    const at = readFileSync(file(dataDir)).indexOf('{"at":3000}');
    overwrite(file(dataDir), at - (at % PAGE), garbage(PAGE));
    const outbox = open({ dataDir });
    expect(outbox.epoch).not.toBe(epoch);
    expect(outbox.checkpoint("VMC-3")).toBeNull();
    expectAccounted(await drained(outbox, dataDir), epoch);
  });
  it("nothing, where a start was cut or the lock was written over", async () => {
    const { dataDir, epoch } = await filled();
    writeFileSync(join(dataDir, "cellgate.lock"), "4711\n".repeat(1_000));
    writeFileSync(`${file(dataDir)}.next`, "half a database");
    writeFileSync(`${file(dataDir)}.draft`, "half a database");
    const outbox = open({ dataDir });
    expect(outbox.epoch).toBe(epoch);
    expect(outbox.status().lastSeq).toBe(ROWS);
    expect(readdirSync(dataDir).filter((name) => /next|draft/.test(name))).toEqual([]);
    expect(() => openOutbox(options({ dataDir }))).toThrow(expect.objectContaining({ fault: "locked" }) as Error);
  });
  it("a cut between setting aside and starting anew: the new file that lies ready is taken", async () => {
    const [{ dataDir }, other] = [await filled(), await filled()];
    mkdirSync(join(dataDir, "quarantine"));
    copyFileSync(file(other.dataDir), `${file(dataDir)}.next`);
    rmSync(file(dataDir));
    rmSync(`${file(dataDir)}-tail`);
    expect(open({ dataDir }).epoch).toBe(other.epoch);
  });

  it("evidence is not changed, and the folder is bounded", async () => {
    const { dataDir } = await filled();
    writeFileSync(`${file(dataDir)}-wal`, "a log");
    overwrite(file(dataDir), 3, garbage(1));
    const bytes = readFileSync(file(dataDir));
    await open({ dataDir }).close();
    const [folder = ""] = readdirSync(join(dataDir, "quarantine"));
    expect(folder).toMatch(/^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z$/);
    expect(readFileSync(join(dataDir, "quarantine", folder, "cellgate.db")).equals(bytes)).toBe(true);
    expect(readFileSync(join(dataDir, "quarantine", folder, "cellgate.db-wal"), "utf8")).toBe("a log");
    for (let n = 0; n < 7; n++) {
      writeFileSync(file(dataDir), "this is no database ".repeat(500));
      await open({ dataDir }).close();
    }
    expect(readdirSync(join(dataDir, "quarantine"))).toHaveLength(5);
  });
  it("never is one of a newer version damage: that is refused, untouched", async () => {
    const { dataDir } = await filled();
    const db = new Database(file(dataDir));
    db.pragma("user_version = 99");
    db.prepare("UPDATE meta SET value = '99' WHERE key = 'layout'").run();
    db.close();
    expect(() => openOutbox(options({ dataDir }))).toThrow(expect.objectContaining({ fault: "newer-version" }) as Error);
    expect(existsSync(join(dataDir, "quarantine"))).toBe(false);
    expect(() => openOutbox(options({ dataDir }))).toThrow(/version 99/); // And no lock was left.
  });
});

describe("any page of garbage", () => {
  it("found at start or while reading: what waited came or is named by a loss, and little is lost", { timeout: 60_000 }, async () => {
    const { dataDir: whole, epoch } = await filled();
    const pages = Math.floor(statSync(file(whole)).size / PAGE);
    let rows = Infinity;
    for (let page = 2; page <= pages; page += page < 14 || page > pages - 3 ? 1 : 9) {
      const dataDir = temporaryDirectory();
      for (const name of ["cellgate.db", "cellgate.db-tail"]) copyFileSync(join(whole, name), join(dataDir, name));
      overwrite(file(dataDir), (page - 1) * PAGE, garbage(PAGE));
      const account = await drained(open({ dataDir }), dataDir);
      expectAccounted(account, epoch);
      if (isOfRows(file(whole), page)) rows = Math.min(rows, account.came.filter((n) => n > SETTLED).length);
      await account.outbox.close();
    }
    expect(rows).toBeGreaterThan(1_900); // Of 2,000, for any page of rows.
  });
});

describe("found while running", () => {
  it("by a read: held commits and all that can be read go on in a new file", async () => {
    const { dataDir, epoch } = await filled();
    const outbox = open({ dataDir });
    truncateSync(file(dataDir), 60 * PAGE);
    const held = outbox.commit(commitOf(many(ROWS + 1, 5), { checkpoint: { key: "VMC-3", json: '{"at":3005}' } }));
    held.catch(() => undefined);
    const account = await drained(outbox, dataDir);
    expect(account.outbox.epoch).not.toBe(epoch);
    expectAccounted(account, epoch);
    expect(account.outbox.checkpoint("VMC-3")).toBe('{"at":3005}');
    expect(account.came).toEqual(expect.arrayContaining(many(ROWS + 1, 5).map((_, i) => ROWS + 1 + i)));
    await expect(held).rejects.toMatchObject({ fault: "replaced" });
    expect(existsSync(join(dataDir, "cellgate.db-damaged"))).toBe(false);
  });

  it("while no new file can be made: it waits, says so, and goes on when one can", { timeout: 30_000 }, async () => {
    const { dataDir, epoch } = await filled();
    const outbox = open({ dataDir });
    const obstacle = `${file(dataDir)}.draft`;
    mkdirSync(obstacle);
    truncateSync(file(dataDir), 60 * PAGE);
    const held = outbox.commit(commitOf(many(ROWS + 1, 5)));
    held.catch(() => undefined);
    for (let after = SETTLED; after < ROWS; after += 500) outbox.pending("bridge", after, 500);
    await vi.waitFor(() => expect(outbox.status().condition).toMatchObject({ state: "degraded", message: expect.stringContaining(".draft") as string }), { timeout: 10_000 });
    expect(existsSync(join(dataDir, "quarantine"))).toBe(false);
    rmdirSync(obstacle);
    const account = await drained(outbox, dataDir);
    expectAccounted(account, epoch);
    expect(account.came).toEqual(expect.arrayContaining(many(ROWS + 1, 5).map((_, i) => ROWS + 1 + i)));
  });

  it("by the look through the whole file after an unclean stop, in another process, where it is too large for a start", { timeout: 30_000 }, async () => {
    const { dataDir: whole } = await filled(false);
    const larger = open({ dataDir: whole });
    for (let at = 0; at < 20; at++) await larger.commit(commitOf(Array.from({ length: 500 }, (_, i) => record(ROWS + 1 + at * 500 + i, "state", { n: ROWS + 1 + at * 500 + i, text: "y".repeat(1_000) }))));
    await larger.close();
    const first = open({ dataDir: whole });
    await first.commit(commitOf(many(2 * ROWS, 1)));
    const dataDir = temporaryDirectory(); // Once more as a kill leaves it, now with the rows in the database.
    for (const name of readdirSync(whole)) if (!/lock|-shm$|quarantine/.test(name)) copyFileSync(join(whole, name), join(dataDir, name));
    const at = readFileSync(file(dataDir)).indexOf('{"n":1500,'); // Neither among the newest rows nor read by anybody yet.
    overwrite(file(dataDir), at - (at % PAGE), garbage(PAGE));
    const log = memoryLog();
    const quickCheck = quickCheckBy(join(import.meta.dirname, "../../../agent/start.ts"), { clock: systemClock(), log });
    const outbox = open({ dataDir, log, quickCheck });
    expect(outbox.epoch).toBe(first.epoch);
    expect(await outbox.replaced).toMatchObject({ message: expect.stringContaining("after an unclean stop found damage") as string });
    await outbox.close();
    const account = await drained(open({ dataDir, quickCheck }), dataDir);
    expectAccounted(account, first.epoch);
    expect(account.came.length).toBeGreaterThan(1_900);
  });
  it("not at all in a whole file, and not looked for after a clean stop", { timeout: 30_000 }, async () => {
    const { dataDir } = await filled(false);
    const looked: (string | null)[] = [];
    const check = quickCheckBy(join(import.meta.dirname, "../../../agent/start.ts"), { clock: systemClock(), log: memoryLog() });
    const quickCheck = async (path: string, signal: AbortSignal): Promise<string | null> => {
      const found = await check(path, signal);
      looked.push(found);
      return found;
    };
    const outbox = open({ dataDir, quickCheck });
    while (looked.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await outbox.close();
    await open({ dataDir, quickCheck }).close();
    expect(looked).toEqual([null]);
  });
});
