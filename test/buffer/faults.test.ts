/** What happens when the process, the file or the disk fails: real kills, real files, real limits. */
import { spawn } from "node:child_process";
import { existsSync, openSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, writeSync, closeSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openOutbox } from "../../buffer/outbox.ts";
import { commitOf, record } from "./records.ts";
import { seeded } from "./seeded.ts";
import { memoryLog, numbers, open, options, temporaryDirectory } from "./support.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const file = (dataDir: string): string => join(dataDir, "cellgate.db");
const many = (from: number, count: number, bytes = 100): ReturnType<typeof record>[] =>
  Array.from({ length: count }, (_, i) => record(from + i, "state", { n: from + i, text: "x".repeat(bytes) }));
const flip = (path: string, at: number): void => {
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, Buffer.from([0xff]), 0, 1, at);
  closeSync(descriptor);
};

describe("a kill", () => {
  it("loses nothing that was stored or published, and leaves no lock behind", { timeout: 60_000 }, async () => {
    const random = seeded(seed);
    const dataDir = temporaryDirectory();
    let before = 0;
    for (let kill = 0; kill < 8; kill++) {
      const child = spawn(process.execPath, [join(import.meta.dirname, "../power-cut/writer.ts"), dataDir, String(seed + kill), "1000000", "right"], { stdio: ["ignore", "ignore", "inherit"] });
      const exited = once(child, "exit");
      const marks = join(dataDir, "writer.marks");
      const enough = before + Math.floor(random() * 40_000);
      const size = (): number => (existsSync(marks) ? statSync(marks).size : 0);
      while (size() <= enough && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5));
      child.kill("SIGKILL");
      await exited;
      before = size();
      const said = readFileSync(marks, "utf8").split("\n").slice(0, -1).map((line) => Number(line.split(" ")[1]));
      const outbox = open({ dataDir, destinations: [{ name: "bridge" }, { name: "audit" }, { name: "cycles", types: ["cycle"] }] });
      const last = outbox.status().lastSeq;
      expect(last, `seed ${seed}`).toBeGreaterThanOrEqual(Math.max(0, ...said));
      expect(numbers(outbox, "audit", 0, last + 1), `seed ${seed}`).toEqual(Array.from({ length: last }, (_, i) => i + 1));
      expect(JSON.parse(outbox.checkpoint("VMC-3") ?? "{}")).toMatchObject({ last });
      await outbox.close();
      expect(existsSync(join(dataDir, "quarantine"))).toBe(false);
    }
  });

  it("of the holder frees the directory; while it lives another process is refused", { timeout: 20_000 }, async () => {
    const dataDir = temporaryDirectory();
    const child = spawn(process.execPath, [join(import.meta.dirname, "../power-cut/writer.ts"), dataDir, "1", "1000000", "right"], { stdio: ["ignore", "ignore", "inherit"] });
    const exited = once(child, "exit");
    while (!existsSync(join(dataDir, "writer.marks")) || statSync(join(dataDir, "writer.marks")).size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(() => openOutbox(options({ dataDir }))).toThrow(expect.objectContaining({ code: "store", fault: "locked", message: expect.stringContaining(dataDir) as string }) as Error);
    child.kill("SIGKILL");
    await exited;
    expect(open({ dataDir }).status().lastSeq).toBeGreaterThan(0);
  });
});

describe("a damaged file", () => {
  async function filled(): Promise<{ dataDir: string; epoch: string }> {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir });
    await outbox.commit(commitOf(many(1, 3_000), { checkpoint: { key: "VMC-3", json: '{"at":3000}' } }));
    outbox.settle("bridge", { accepted: Array.from({ length: 1_000 }, (_, i) => i + 1), rejected: [] });
    await outbox.close();
    return { dataDir, epoch: outbox.epoch };
  }
  const evidence = (dataDir: string): string[] => readdirSync(join(dataDir, "quarantine")).flatMap((folder) => readdirSync(join(dataDir, "quarantine", folder)));

  it("is set aside whole when its head is gone: new epoch, a loss record, nothing changed in the evidence", async () => {
    const { dataDir, epoch } = await filled();
    writeFileSync(`${file(dataDir)}-wal`, "a log");
    flip(file(dataDir), 3);
    const bytes = readFileSync(file(dataDir));
    const log = memoryLog();
    const outbox = open({ dataDir, log });
    expect(outbox.epoch).not.toBe(epoch);
    expect(evidence(dataDir)).toEqual(expect.arrayContaining(["cellgate.db", "cellgate.db-wal"]));
    const [folder = ""] = readdirSync(join(dataDir, "quarantine"));
    expect(folder).toMatch(/^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z$/);
    expect(readFileSync(join(dataDir, "quarantine", folder, "cellgate.db")).equals(bytes)).toBe(true);
    expect(readFileSync(join(dataDir, "quarantine", folder, "cellgate.db-wal"), "utf8")).toBe("a log");
    const rows = outbox.pending("bridge", 0, 10);
    expect(rows).toMatchObject([{ seq: 1, prev: 0, machine: null, type: "loss" }]);
    expect(JSON.parse(rows[0]?.body ?? "")).toMatchObject({ destination: null, reason: "buffer_corrupt", fromSeq: null, toSeq: null });
    expect(await outbox.commit(commitOf([record(1)]))).toBe(2);
    expect(log.lines.map(({ level }) => level)).toEqual(["error"]);
  });

  it("gives up checkpoints and unsettled rows that can still be read", async () => {
    const { dataDir, epoch } = await filled();
    const db = new Database(file(dataDir));
    db.prepare("UPDATE record SET body = '{}' WHERE seq = 2999").run();
    db.close();
    const outbox = open({ dataDir });
    expect(outbox.checkpoint("VMC-3")).toBe('{"at":3000}');
    const rows = outbox.pending("bridge", 0, 5_000);
    expect(JSON.parse(rows[0]?.body ?? "")).toMatchObject({ reason: "buffer_corrupt", lostEpoch: epoch, fromSeq: 1_001, toSeq: null });
    expect(rows.slice(1).map(({ id }) => id)).toEqual(many(1_001, 2_000).filter((_, i) => i !== 1_998).map(({ id }) => id));
  });

  it("is any file that is not ours, or a log without its database; the folder is bounded", async () => {
    const dataDir = temporaryDirectory();
    for (let n = 0; n < 7; n++) {
      writeFileSync(file(dataDir), "this is no database ".repeat(500));
      await open({ dataDir }).close();
      rmSync(file(dataDir));
    }
    writeFileSync(`${file(dataDir)}-wal`, "an orphan");
    await open({ dataDir }).close();
    const folders = readdirSync(join(dataDir, "quarantine")).sort();
    expect(folders).toHaveLength(5);
    expect(readdirSync(join(dataDir, "quarantine", folders.at(-1) ?? ""))).toEqual(["cellgate.db-wal"]);
  });

  it("found while running fails every commit, and is set aside at the next start", async () => {
    const { dataDir, epoch } = await filled();
    const outbox = open({ dataDir });
    truncateSync(file(dataDir), 40 * 4096);
    await expect((async () => {
      for (let n = 0; n < 5; n++) {
        outbox.pending("bridge", 0, 5_000);
        await outbox.commit(commitOf(many(4_000, 500)));
      }
    })()).rejects.toMatchObject({ code: "store", fault: "corrupt" });
    await expect(outbox.commit(commitOf([record(1)]))).rejects.toMatchObject({ fault: "corrupt" });
    expect(outbox.status().fault).not.toBeNull();
    await outbox.close().catch(() => undefined);
    const again = open({ dataDir });
    expect(again.epoch).not.toBe(epoch);
    expect(again.pending("bridge", 0, 1)).toMatchObject([{ type: "loss" }]);
  });

  it("never is one of a newer version: that is refused, untouched", async () => {
    const { dataDir } = await filled();
    const db = new Database(file(dataDir));
    db.pragma("user_version = 99");
    db.close();
    expect(() => openOutbox(options({ dataDir }))).toThrow(expect.objectContaining({ fault: "newer-version" }) as Error);
    expect(existsSync(join(dataDir, "quarantine"))).toBe(false);
    expect(() => openOutbox(options({ dataDir }))).toThrow(/version 99/); // And no lock was left.
  });
});
