/** A room too small: what goes first, what it costs whom, and what is told of it. On a real file system that is full, too. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { RECORD_TYPES, type RecordType } from "../../../agent/contract/record.ts";
import { monoMs, type Clock } from "../../../agent/contract/time.ts";
import type { Outbox } from "../../../agent/contract/outbox.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { commitOf, record } from "../records.ts";
import { memoryLog, numbers, open, temporaryDirectory } from "../support.ts";

const KIB = 1_024;
const MIXED = RECORD_TYPES.filter((type) => type !== "loss");
let n = 0;
/** `rows` records, of `types` in turn. */
const mixed = (rows: number, types: readonly RecordType[] = MIXED, bytes = 300): ReturnType<typeof commitOf> =>
  commitOf(Array.from({ length: rows }, (_, i) => record(++n, types[i % types.length] ?? "state", { n, text: "x".repeat(bytes) })));
interface Told { readonly rev: number; readonly row: number; readonly destination: string; readonly reason: string; readonly fromSeq: number; readonly toSeq: number; readonly count: number; readonly byType: Readonly<Record<string, number>> }
/** The last revision of every loss record. */
function losses(outbox: Outbox): readonly Told[] {
  const last = new Map<string, Told>();
  for (const { id, rev, seq, type, body } of outbox.history(0, 1_000_000)) if (type === "loss") last.set(id, { rev, row: seq, ...(JSON.parse(body) as Omit<Told, "rev" | "row">) });
  return [...last.values()];
}
const kept = (outbox: Outbox): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const { type } of outbox.history(0, 1_000_000)) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
};
const backlog = (outbox: Outbox, name = "bridge") => outbox.status().destinations.find((one) => one.name === name);
/** A clock on which a minute passes with every look: the ballast is made at leisure. */
function leisurely(): Clock {
  const real = systemClock();
  let minutes = 0;
  return { ...real, now: () => ({ ...real.now(), monoMs: monoMs(real.now().monoMs + 60_000 * ++minutes) }) };
}
const file = (dataDir: string): number => statSync(join(dataDir, "cellgate.db")).size;

describe("giving up", () => {
  it("takes the least valuable first, the oldest first among them, and tells of each class in one record", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir, budgetBytes: 1_500 * KIB });
    for (let commit = 0; commit < 40; commit++) await outbox.commit(mixed(160));
    const told = losses(outbox);
    const gone = kept(outbox);
    const due = 40 * 160 / MIXED.length;
    // What is left of a class, a more valuable one may not have paid for: a class goes to the last row looked at before the next begins.
    expect(Object.keys(gone).sort()).toEqual(expect.arrayContaining(["cycle", "downtime", "loss"]));
    expect(gone["cycle"] ?? 0).toBeGreaterThan(gone["state"] ?? 0);
    expect(gone["downtime"] ?? 0).toBeGreaterThan(gone["alarm"] ?? 0);
    expect(gone["count"] ?? 0).toBeGreaterThanOrEqual(gone["summary"] ?? 0);
    const accounted = (type: RecordType): number => told.reduce((sum, { byType }) => sum + (byType[type] ?? 0), 0) + (gone[type] ?? 0);
    expect(Object.fromEntries(MIXED.map((type) => [type, accounted(type)]))).toEqual(Object.fromEntries(MIXED.map((type) => [type, due])));
    // One record a class, in place as long as nobody has seen it.
    expect(told.map(({ byType }) => Object.keys(byType).sort().join()).sort()).toEqual([...new Set(told.map(({ byType }) => Object.keys(byType).sort().join()))].sort());
    for (const { rev, destination, reason, count, byType } of told) {
      expect({ rev, destination, reason }).toEqual({ rev: 1, destination: "bridge", reason: "buffer_full" });
      expect(Object.values(byType).reduce((sum, of) => sum + of, 0)).toBe(count);
    }
    expect(backlog(outbox)).toMatchObject({ lost: told.reduce((sum, { count }) => sum + count, 0), waiting: numbers(outbox).length, rejected: 0 });
    expect(file(dataDir)).toBeLessThanOrEqual(1_500 * KIB);
    expect(outbox.status().fault).toBeNull();
    // The chain is what it was, and the numbers go on.
    for (const { seq, prev } of outbox.pending("bridge", 0, 100_000)) expect(prev).toBe(seq - 1);
  });

  it("names no row that stays because another destination's cursor has yet to pass it, at the end of what was looked at", async () => {
    const outbox = open({ dataDir: temporaryDirectory(), budgetBytes: 1_500 * KIB, destinations: [{ name: "bridge" }, { name: "live" }] });
    for (let commit = 0; commit < 10; commit++) await outbox.commit(mixed(160, ["state"]));
    outbox.settle("live", { accepted: numbers(outbox, "live").filter((seq) => seq <= 1_000 && seq !== 999), rejected: [] }); // A slice is a thousand.
    for (let commit = 0; commit < 20; commit++) await outbox.commit(mixed(160, ["state"]));
    expect(backlog(outbox)?.lost).toBeGreaterThan(1_000);
    expect(numbers(outbox)).toContain(1_000);
    expect(losses(outbox).filter(({ destination, fromSeq, toSeq }) => destination === "bridge" && fromSeq <= 1_000 && toSeq >= 1_000)).toEqual([]);
  });

  it("costs nobody anything while there are rows that all have had", async () => {
    const outbox = open({ dataDir: temporaryDirectory(), budgetBytes: 1_500 * KIB });
    for (let commit = 0; commit < 60; commit++) {
      await outbox.commit(mixed(100));
      outbox.settle("bridge", { accepted: numbers(outbox), rejected: [] });
    }
    expect(losses(outbox)).toEqual([]);
    expect(backlog(outbox)).toMatchObject({ lost: 0, acknowledged: 6_000, waiting: 0 });
  });

  it("of what a bridge has not confirmed is a loss; of what it has confirmed is none", async () => {
    const destinations = [{ name: "bridge", confirm: true }];
    const outbox = open({ dataDir: temporaryDirectory(), budgetBytes: 1_500 * KIB, destinations });
    const deliver = (): void => outbox.settle("bridge", { accepted: numbers(outbox), rejected: [] });
    for (let commit = 0; commit < 20; commit++) {
      await outbox.commit(mixed(200));
      deliver();
      outbox.confirm("bridge", outbox.epoch, outbox.status().lastSeq);
    }
    expect(losses(outbox)).toEqual([]);
    for (let commit = 0; commit < 40; commit++) {
      await outbox.commit(mixed(200));
      deliver();
    }
    const [first] = losses(outbox);
    expect(first?.fromSeq).toBeGreaterThan(4_000);
    expect(backlog(outbox)).toMatchObject({ lost: losses(outbox).reduce((sum, { count }) => sum + count, 0), confirmedThrough: 4_000 });
  });

  it("goes on over a restart where it had come to, with the same record's next revision", async () => {
    const dataDir = temporaryDirectory();
    for (let run = 0; run < 3; run++) {
      const outbox = open({ dataDir, budgetBytes: 1_000 * KIB });
      for (let commit = 0; commit < 30; commit++) await outbox.commit(mixed(100, ["state"]));
      const told = losses(outbox);
      expect(told).toHaveLength(1);
      expect(told[0]).toMatchObject({ fromSeq: 1, rev: run + 1 });
      expect((told[0]?.count ?? 0) + (kept(outbox)["state"] ?? 0)).toBe(3_000 * (run + 1));
      await outbox.close();
    }
  });
});

describe("a limit of one destination", () => {
  it("gives up for it alone, by value, and lets what nobody else wants leave the disk", async () => {
    const dataDir = temporaryDirectory();
    const destinations = [{ name: "alive" }, { name: "dead", limitBytes: 200 * KIB }];
    const outbox = open({ dataDir, destinations });
    for (let commit = 0; commit < 50; commit++) {
      await outbox.commit(mixed(100, ["state", "cycle"]));
      outbox.settle("alive", { accepted: numbers(outbox, "alive"), rejected: [] });
    }
    await outbox.commit(commitOf([]));
    const told = losses(outbox);
    expect(told.every(({ destination, reason }) => destination === "dead" && reason === "destination_limit")).toBe(true);
    expect(told.reduce((sum, { byType }) => sum + (byType["state"] ?? 0), 0)).toBe(2_500 - outbox.pending("dead", 0, 100_000).filter(({ type }) => type === "state").length);
    const waiting = outbox.pending("dead", 0, 100_000);
    expect(waiting.filter(({ type }) => type === "cycle").length).toBeGreaterThan(waiting.filter(({ type }) => type === "state").length);
    expect(waiting.length * 350).toBeLessThan(1.2 * 200 * KIB);
    expect(backlog(outbox, "dead")).toMatchObject({ waiting: waiting.length, lost: told.reduce((sum, { count }) => sum + count, 0) });
    expect(backlog(outbox, "alive")).toMatchObject({ lost: 0 });
    // A late acknowledgement of a row given up changes nothing; a row that waits is still taken in order.
    outbox.settle("dead", { accepted: [1, 2, 3], rejected: [] });
    expect(backlog(outbox, "dead")).toMatchObject({ waiting: waiting.length });
    outbox.settle("dead", { accepted: waiting.map(({ seq }) => seq).reverse(), rejected: [] });
    expect(backlog(outbox, "dead")).toMatchObject({ waiting: 0, acknowledged: waiting.length });
    // Without anyone else to keep them for, the rows are gone at once.
    const alone = open({ dataDir: temporaryDirectory(), destinations: [{ name: "dead", limitBytes: 200 * KIB }] });
    for (let commit = 0; commit < 50; commit++) await alone.commit(mixed(100, ["state"]));
    expect(kept(alone)["state"]).toBe(backlog(alone, "dead")?.waiting === undefined ? 0 : alone.pending("dead", 0, 100_000).filter(({ type }) => type === "state").length);
  });
});

describe("a destination that comes back into the configuration", () => {
  it("is told what of its backlog is gone, in one record, and goes on with the rest", async () => {
    const dataDir = temporaryDirectory();
    const first = open({ dataDir, destinations: [{ name: "a" }, { name: "b" }] });
    await first.commit(mixed(3_000, ["state"]));
    first.settle("b", { accepted: [1, 2], rejected: [] });
    await first.close();
    const without = open({ dataDir, destinations: [{ name: "a" }], historyMs: 1 });
    without.settle("a", { accepted: numbers(without, "a", 0, 2_000), rejected: [] });
    for (let tidy = 0; tidy < 3; tidy++) await without.commit(commitOf([], { checkpoint: { key: "k", json: String(tidy) } }));
    await without.close();
    const again = open({ dataDir, destinations: [{ name: "a" }, { name: "b" }] });
    const [told] = losses(again);
    expect(told).toMatchObject({ destination: "b", reason: "retention", fromSeq: 3, byType: {} });
    const rows = again.pending("b", 0, 10_000);
    expect(rows[0]?.seq).toBe((told?.toSeq ?? 0) + 1);
    expect(backlog(again, "b")).toMatchObject({ lost: told?.count, waiting: rows.length, acknowledged: 2 });
    expect((told?.count ?? 0) + rows.filter(({ type }) => type !== "loss").length + 2).toBe(3_000);
  });
});

describe("a write that finds no room", () => {
  it("is not blamed on a file system that has some: the buffer has come to its own limit", async () => {
    const dataDir = temporaryDirectory();
    const log = memoryLog();
    const outbox = open({ dataDir, log, budgetBytes: 512 * KIB, clock: leisurely() });
    for (let turn = 0; turn < 8; turn++) await outbox.commit(commitOf([], { checkpoint: { key: "k", json: String(turn) } }));
    expect(existsSync(join(dataDir, "cellgate.ballast"))).toBe(true);
    outbox.commit(mixed(1, ["cycle"], 600 * KIB)).catch(() => undefined); // More than it may ever hold.
    await vi.waitFor(() => expect(existsSync(join(dataDir, "cellgate.ballast"))).toBe(false));
    const said = log.lines.filter(({ sentence }) => sentence.includes("room kept")).map(({ sentence, fields }) => [sentence, fields]);
    expect(said).toEqual([[
      "the buffer has no more room, though the file system is not full: the room kept for that day is given up, and old records where that is not enough",
      { directory: dataDir, freeBytes: expect.any(Number) as number, limitBytes: 512 * KIB },
    ]]);
  });
});

describe("a file system that is full", () => {
  /** A few megabytes of our own; null where this process may not mount. */
  function small(mebibytes: number): string | null {
    const path = join(temporaryDirectory(), "small");
    mkdirSync(path);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", path], { stdio: "ignore" });
    } catch {
      return null;
    }
    onTestFinished(() => void execFileSync("umount", ["-l", path]));
    return path;
  }

  it("gives up its ballast and then old rows, goes on, and makes the ballast again", { timeout: 60_000 }, async ({ skip }) => {
    const root = small(40);
    if (root === null) return skip("needs the right to mount a file system");
    const log = memoryLog();
    const outbox = open({ dataDir: root, log, budgetBytes: 16 * 1_024 * KIB, clock: leisurely() });
    const ballast = join(root, "cellgate.ballast");
    const tidied = async (): Promise<void> => {
      for (let turn = 0; turn < 40; turn++) await outbox.commit(commitOf([], { checkpoint: { key: "k", json: String(turn) } }));
    };
    await tidied();
    expect(statSync(ballast).size).toBe(8 * 1_024 * KIB);
    for (let commit = 0; commit < 20; commit++) await outbox.commit(mixed(500, ["state", "cycle"]));
    // Somebody else takes all that is left.
    const filler = join(root, "filler");
    expect(() => {
      for (;;) writeFileSync(filler, Buffer.alloc(64 * KIB, 1), { flag: "a" });
    }).toThrow("ENOSPC");
    for (let commit = 0; commit < 40; commit++) await outbox.commit(mixed(500, ["state", "cycle"]));
    expect(existsSync(ballast)).toBe(false);
    expect(log.lines.map(({ sentence }) => sentence).filter((sentence) => sentence.includes("room kept"))).toEqual(["the file system is full: the room kept for this is given up, and old records where that is not enough"]);
    const told = losses(outbox);
    expect(told.length).toBeGreaterThan(0);
    const there = kept(outbox);
    expect(told.reduce((sum, { count }) => sum + count, 0) + (there["state"] ?? 0) + (there["cycle"] ?? 0)).toBe(30_000);
    expect(outbox.status()).toMatchObject({ fault: null, condition: { state: "ok" } });
    rmSync(filler);
    await tidied();
    expect(statSync(ballast).size).toBe(8 * 1_024 * KIB);
    const atTheEnd = losses(outbox); // What was being given up went on to its end.
    await outbox.close();
    const again = open({ dataDir: root, budgetBytes: 16 * 1_024 * KIB });
    expect(again.status().destinations[0]).toMatchObject({ lost: atTheEnd.reduce((sum, { count }) => sum + count, 0) });
    await again.close();
    expect(readdirSync(root)).not.toContain("quarantine");
  });

  it("that others have filled beyond that share still takes a little", async ({ skip }) => {
    const root = small(64);
    if (root === null) return skip("needs the right to mount a file system");
    writeFileSync(join(root, "filler"), Buffer.alloc(30 * 1_024 * KIB, 1));
    const outbox = open({ dataDir: root, keepFree: 0.8 });
    for (let commit = 0; commit < 20; commit++) await outbox.commit(mixed(500, ["state"]));
    expect(losses(outbox)).toEqual([]);
    expect(numbers(outbox)).toHaveLength(10_000);
    await outbox.close();
  });

  it("is left the share that is not ours", async ({ skip }) => {
    const root = small(64);
    if (root === null) return skip("needs the right to mount a file system");
    const outbox = open({ dataDir: root, keepFree: 0.8 });
    for (let commit = 0; commit < 100; commit++) await outbox.commit(mixed(500, ["state"]));
    expect(file(root)).toBeLessThan(0.2 * 64 * 1_024 * KIB);
    expect(losses(outbox)).toHaveLength(1);
    expect(outbox.status().fault).toBeNull();
    expect(outbox.status().freeBytes).toBeGreaterThan(0);
    await outbox.close();
  });
});
