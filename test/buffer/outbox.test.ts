/** The outbox on real files: what is stored, who gets it, in which chain, and what is refused. */
import Database from "better-sqlite3";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openConnection } from "../../buffer/ledger/connection.ts";
import { commitOf, record, uuid, CONTEXT } from "./records.ts";
import { memoryLog, numbers, open, options, temporaryDirectory } from "./support.ts";
import { openOutbox } from "../../buffer/outbox.ts";
import { StoreError } from "../../agent/contract/errors.ts";

const file = (dataDir: string): string => join(dataDir, "cellgate.db");

describe("storing", () => {
  it("gives back what was committed, whole, in order, with its chain", async () => {
    const outbox = open({ dataDir: temporaryDirectory() });
    const last = await outbox.commit(commitOf([record(1), record(2, "cycle", { text: "é \u0000 \ud83d\ude00" })], { late: true }));
    expect(last).toBe(2);
    expect(outbox.pending("bridge", 0, 10)).toEqual([
      { seq: 1, prev: 0, machine: "VMC-3", type: "state", id: uuid(1), rev: 1, start: 1_780_000_000_001, observedAt: 1_780_000_000_000, late: true, clock: null, context: CONTEXT, body: '{"n":1}' },
      { seq: 2, prev: 1, machine: "VMC-3", type: "cycle", id: uuid(2), rev: 1, start: 1_780_000_000_002, observedAt: 1_780_000_000_000, late: true, clock: null, context: CONTEXT, body: JSON.stringify({ text: "é \u0000 \ud83d\ude00" }) },
    ]);
  });

  it("numbers a commit without records by the row before it", async () => {
    const outbox = open({ dataDir: temporaryDirectory() });
    expect(await outbox.commit(commitOf([], { checkpoint: { key: "a", json: "1" } }))).toBe(0);
    await outbox.commit(commitOf([record(1)]));
    expect(await outbox.commit(commitOf([], { checkpoint: { key: "a", json: "2" } }))).toBe(1);
    expect(outbox.checkpoint("a")).toBe("2");
    expect(outbox.checkpoint("b")).toBeNull();
  });

  it("keeps epoch, numbers, checkpoints and cursors over a close", async () => {
    const dataDir = temporaryDirectory();
    const first = open({ dataDir });
    await first.commit(commitOf([record(1), record(2), record(3)], { checkpoint: { key: "VMC-3", json: '{"at":3}' } }));
    first.settle("bridge", { accepted: [1], rejected: [] });
    await first.close();
    await first.close();
    const second = open({ dataDir });
    expect(second.epoch).toBe(first.epoch);
    expect(second.checkpoint("VMC-3")).toBe('{"at":3}');
    expect(numbers(second)).toEqual([2, 3]);
    expect(await second.commit(commitOf([record(4)]))).toBe(4);
  });

  it("writes commits made together in one transaction, the last checkpoint of a key winning", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir });
    const all = [1, 2, 3].map((n) => outbox.commit(commitOf([record(n)], { checkpoint: { key: "k", json: String(n) } })));
    expect(await Promise.all(all)).toEqual([1, 2, 3]);
    expect(outbox.checkpoint("k")).toBe("3");
  });

  it("closes with what is in hand stored", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir, groupMs: 1_000_000 });
    const hand = [outbox.commit(commitOf([record(1)])), outbox.commit(commitOf([record(2)]))];
    await outbox.close();
    expect(await Promise.all(hand)).toEqual([1, 2]);
    expect(numbers(open({ dataDir }))).toEqual([1, 2]);
    await expect(outbox.commit(commitOf([record(3)]))).rejects.toMatchObject({ code: "store", fault: "closed" });
  });

  it("refuses a record whose id is no UUID, alone", async () => {
    const outbox = open({ dataDir: temporaryDirectory() });
    const good = outbox.commit(commitOf([record(1)]));
    await expect(outbox.commit(commitOf([{ ...record(2), id: "x" }]))).rejects.toThrow(/no UUID/);
    expect(await good).toBe(1);
  });
});

describe("settings", () => {
  it("reads back what it sets on every connection", async () => {
    const dataDir = temporaryDirectory();
    await open({ dataDir }).close();
    for (let opened = 0; opened < 2; opened++) {
      const db = openConnection(file(dataDir));
      const ask = (name: string): unknown => db.pragma(name, { simple: true });
      expect({ mode: ask("journal_mode"), synchronous: ask("synchronous"), cache: ask("cache_size"), page: ask("page_size"), limit: ask("journal_size_limit"), auto: ask("wal_autocheckpoint"), busy: ask("busy_timeout") })
        .toEqual({ mode: "wal", synchronous: 1, cache: -1500, page: 4096, limit: 8 * 1024 * 1024, auto: 0, busy: 5000 });
      db.close();
    }
  });
});

describe("waiting for rows", () => {
  it("wakes for a synced row, at once when there is one already", async () => {
    const outbox = open({ dataDir: temporaryDirectory() });
    const signal = new AbortController().signal;
    const arrived = outbox.arrival(0, signal).then(() => numbers(outbox));
    await outbox.commit(commitOf([record(1)]));
    expect(await arrived).toEqual([1]);
    await outbox.arrival(0, signal);
  });
  it("rejects with the signal's reason, before and while waiting", async () => {
    const outbox = open({ dataDir: temporaryDirectory() });
    const control = new AbortController();
    const waiting = outbox.arrival(0, control.signal);
    control.abort(new Error("shutting down"));
    await expect(waiting).rejects.toThrow("shutting down");
    await expect(outbox.arrival(0, control.signal)).rejects.toThrow("shutting down");
  });
  it("ends a wait when it closes", async () => {
    const outbox = open({ dataDir: temporaryDirectory() });
    const waiting = outbox.arrival(0, new AbortController().signal);
    const [ended] = await Promise.allSettled([waiting, outbox.close()]);
    expect(ended).toMatchObject({ status: "rejected", reason: { fault: "closed" } });
  });
});

describe("destinations", () => {
  const destinations = [{ name: "all" }, { name: "cycles", types: ["cycle"] as const }];
  const six = [record(1), record(2, "cycle"), record(3), record(4), record(5, "cycle"), record(6, "alarm")];

  it("have cursors of their own; acknowledgements may come in any order, twice", async () => {
    const outbox = open({ dataDir: temporaryDirectory(), destinations });
    await outbox.commit(commitOf(six));
    outbox.settle("all", { accepted: [3, 1, 5], rejected: [] });
    outbox.settle("all", { accepted: [3, 1], rejected: [] });
    expect(numbers(outbox, "all")).toEqual([2, 4, 6]);
    expect(numbers(outbox, "all", 4)).toEqual([6]);
    expect(numbers(outbox, "all", 0, 2)).toEqual([2, 4]);
    expect(numbers(outbox, "cycles")).toEqual([2, 5]);
    expect(outbox.status().destinations).toEqual([
      expect.objectContaining({ name: "all", waiting: 3, acknowledged: 3, rejected: 0, oldestWaitingAt: 1_780_000_000_000 }), expect.objectContaining({ name: "cycles", waiting: 2, acknowledged: 0, rejected: 0, lastDue: 5 }),
    ]);
  });

  it("chain only what is due to them, fixed when it was committed", async () => {
    const dataDir = temporaryDirectory();
    const chain = (outbox: ReturnType<typeof open>): unknown => outbox.pending("cycles", 0, 100).map(({ seq, prev }) => [seq, prev]);
    const first = open({ dataDir, destinations });
    await first.commit(commitOf(six));
    expect(chain(first)).toEqual([[2, 0], [5, 2]]);
    await first.close();
    const second = open({ dataDir, destinations: [{ name: "all" }, { name: "cycles" }] });
    await second.commit(commitOf([record(7), record(8, "cycle")]));
    expect(chain(second)).toEqual([[2, 0], [5, 2], [7, 5], [8, 7]]);
    await second.close();
    const third = open({ dataDir, destinations: [{ name: "cycles", types: ["alarm"] }] });
    await third.commit(commitOf([record(9), record(10, "alarm")]));
    expect(chain(third)).toEqual([[2, 0], [5, 2], [7, 5], [8, 7], [10, 8]]);
    await third.close();
    const fourth = open({ dataDir, destinations });
    await fourth.commit(commitOf([record(11, "cycle")]));
    expect(chain(fourth)).toEqual([[2, 0], [5, 2], [7, 5], [8, 7], [10, 8], [11, 10]]);
    // "all" was not configured while rows 9 and 10 were committed: they were never due to it.
    expect(fourth.pending("all", 7, 100).map(({ seq, prev }) => [seq, prev])).toEqual([[8, 7], [11, 8]]);
  });

  it("keep a refused row in the chain, as dead, named by a loss record due to every filter", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir, destinations });
    await outbox.commit(commitOf(six));
    outbox.settle("cycles", { accepted: [], rejected: [{ seq: 2, reason: "0x87 not authorized" }, { seq: 5, reason: "0x87 not authorized" }] });
    await outbox.arrival(6, new AbortController().signal);
    const [loss] = outbox.pending("cycles", 0, 10);
    expect(loss).toMatchObject({ seq: 7, prev: 5, type: "loss", machine: null });
    expect(JSON.parse(loss?.body ?? "")).toMatchObject({ destination: "cycles", reason: "refused", lostEpoch: outbox.epoch, fromSeq: 2, toSeq: 5, count: 2, byType: { cycle: 2 } });
    expect(numbers(outbox, "all")).toEqual([1, 2, 3, 4, 5, 6, 7]);
    // A refused loss is not itself named by a loss, or there would be no end: it waits.
    outbox.settle("cycles", { accepted: [], rejected: [{ seq: 7, reason: "0x87 not authorized" }] });
    await outbox.close();
    const again = open({ dataDir, destinations });
    expect(again.status().lastSeq).toBe(7);
    expect(again.status().destinations[1]).toMatchObject({ name: "cycles", waiting: 1, acknowledged: 0, rejected: 2, oldestWaitingAt: loss?.observedAt });
    await again.close();
    const db = new Database(file(dataDir), { readonly: true });
    expect(db.prepare("SELECT from_seq, to_seq, reason FROM dead").all()).toEqual([{ from_seq: 2, to_seq: 5, reason: "0x87 not authorized" }]);
    db.close();
  });

  it("are a mistake of ours when unknown, or settled for what was never due", async () => {
    const outbox = open({ dataDir: temporaryDirectory(), destinations });
    await outbox.commit(commitOf(six));
    expect(() => outbox.pending("nobody", 0, 1)).toThrow(/without a destination nobody/);
    expect(() => outbox.settle("cycles", { accepted: [1], rejected: [] })).toThrow(/never due/);
  });
});

describe("one process at a time", () => {
  it("refuses a second outbox on the directory, naming it; lets go when closed", async () => {
    const dataDir = temporaryDirectory();
    const first = open({ dataDir });
    const second = (): unknown => openOutbox(options({ dataDir }));
    expect(second).toThrow(StoreError);
    expect(second).toThrow(dataDir);
    await first.close();
    await open({ dataDir }).close();
  });
});

describe("retention", () => {
  const hour = 3_600_000;
  it("lets acknowledged rows go after the window, never others, and never starts numbers again", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir, destinations: [{ name: "bridge" }, { name: "slow" }], historyMs: hour });
    const old = (n: number, count: number) => commitOf(Array.from({ length: count }, (_, i) => record(n + i)));
    await outbox.commit(old(1, 1_500)); // observedAt lies months back
    const all = Array.from({ length: 1_500 }, (_, i) => i + 1);
    outbox.settle("bridge", { accepted: all, rejected: [] });
    await outbox.commit(commitOf([]));
    expect(numbers(outbox, "slow", 0, 5_000)).toHaveLength(1_500);
    outbox.settle("slow", { accepted: all, rejected: [] });
    await outbox.close();
    const again = open({ dataDir, destinations: [{ name: "bridge" }, { name: "slow" }], historyMs: hour });
    for (let n = 0; n < 3; n++) await again.commit(commitOf([], { checkpoint: { key: "k", json: String(n) } }));
    await again.close();
    const db = new Database(file(dataDir), { readonly: true });
    expect(db.prepare("SELECT count(*) AS rows FROM record").get()).toEqual({ rows: 0 });
    db.close();
    const third = open({ dataDir, destinations: [{ name: "bridge" }, { name: "slow" }] });
    expect(await third.commit(commitOf([record(9)]))).toBe(1_501);
    expect(third.pending("slow", 0, 10)).toMatchObject([{ seq: 1_501, prev: 1_500 }]);
  });
  it("lets confirmed rows go once half the budget is used, and keeps what only the broker had", async () => {
    const budgetBytes = 1_000_000;
    for (const isConfirmed of [true, false]) {
      const dataDir = temporaryDirectory();
      const young = { observedAt: options({ dataDir }).clock.now().unixMs };
      const outbox = open({ dataDir, budgetBytes });
      await outbox.commit(commitOf([record(1, "state", { text: "x".repeat(1_000) })], young));
      outbox.settle("bridge", { accepted: numbers(outbox), rejected: [] });
      if (isConfirmed) outbox.confirm("bridge", outbox.epoch, 1);
      await outbox.commit(commitOf(Array.from({ length: 450 }, (_, i) => record(i + 2, "state", { text: "x".repeat(1_000) })), young));
      await outbox.commit(commitOf([record(700)], young));
      expect(outbox.history(0, 1)[0]?.seq).toBe(isConfirmed ? 2 : 1);
      expect(numbers(outbox)).toHaveLength(451);
      await outbox.close();
    }
  });
});

describe("damage", () => {
  it("of one payload byte is found on reading: skipped, dead, counted, named by a loss, said", async () => {
    const dataDir = temporaryDirectory();
    const writer = open({ dataDir });
    await writer.commit(commitOf(Array.from({ length: 2_000 }, (_, i) => record(i + 1, "state", { n: i + 1, text: `row ${i + 1} end` }))));
    await writer.close();
    const db = new Database(file(dataDir));
    db.prepare("UPDATE record SET body = replace(body, 'row 500 ', 'row 501 ') WHERE seq = 500").run();
    db.close();
    const log = memoryLog();
    const outbox = open({ dataDir, log });
    expect(numbers(outbox)).toEqual(Array.from({ length: 2_000 }, (_, i) => i + 1).filter((n) => n !== 500));
    expect(outbox.status().fault).toMatch(/row 500 .*checksum/);
    await outbox.arrival(2_000, new AbortController().signal);
    expect(JSON.parse(outbox.pending("bridge", 2_000, 1)[0]?.body ?? "")).toMatchObject({ reason: "buffer_corrupt", fromSeq: 500, toSeq: 500, count: 1, destination: "bridge" });
    expect(outbox.status().destinations[0]).toMatchObject({ rejected: 1, waiting: 2_000 });
    expect(log.lines.map(({ level, sentence }) => `${level}: ${sentence}`)).toEqual(["error: a stored record is damaged and was not published"]);
  });
});
