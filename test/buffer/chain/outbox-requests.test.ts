/** What a bridge and a person may ask of the outbox: confirmations, repeats, dead letters; what is refused says why. */
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Outbox } from "../../../agent/contract/outbox.ts";
import { unixMs } from "../../../agent/contract/time.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { commitOf, record } from "../records.ts";
import { memoryLog, numbers, open, temporaryDirectory } from "../support.ts";

const destinations = [{ name: "all" }, { name: "cycles", types: ["cycle"] as const }];
const states = (from: number, count: number): ReturnType<typeof record>[] => Array.from({ length: count }, (_, i) => record(from + i));
const backlog = (outbox: Outbox, name: string): unknown => outbox.status().destinations.find((one) => one.name === name);
const again = (outbox: Outbox, name = "all", after = 0): readonly number[] => outbox.replaying(name, after, 1_000).map(({ seq }) => seq);
const stored = (outbox: Outbox): Promise<number> => outbox.commit(commitOf([]));
const losses = (outbox: Outbox): readonly Record<string, unknown>[] =>
  outbox.history(0, 10_000).filter(({ type }) => type === "loss").map(({ id, rev, body }) => ({ id, rev, ...(JSON.parse(body) as Record<string, unknown>) }));

describe("a replay that was accepted", () => {
  it("is on the disk at once, not with the next cursors", async () => {
    const dataDir = temporaryDirectory();
    // Timers that never come: cursors are not written by themselves.
    const outbox = open({ dataDir, clock: { ...systemClock(), after: () => () => undefined } });
    await outbox.commit(commitOf(states(1, 10)));
    outbox.settle("bridge", { accepted: numbers(outbox), rejected: [] });
    expect(outbox.replay("bridge", outbox.epoch, 3, 5)).toEqual({ ok: true, rows: 3 });
    const reader = new Database(join(dataDir, "cellgate.db"), { readonly: true });
    while (reader.prepare("SELECT 1 FROM replay").get() === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    reader.close();
  });
});

describe("a refusal", () => {
  it("is on the disk with any transaction that passes it: also when old rows are let go between", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir, groupMs: 600_000, clock: { ...systemClock(), after: () => () => undefined } });
    await outbox.commit(commitOf(states(1, 50))); // Long ago: once done with they go, after the sync.
    outbox.settle("bridge", { accepted: numbers(outbox).filter((seq) => seq !== 20), rejected: [{ seq: 20, reason: "not authorised" }] });
    const reader = new Database(join(dataDir, "cellgate.db"), { readonly: true });
    while (reader.prepare("SELECT min(seq) FROM record").pluck().get() === 1) await new Promise((resolve) => setTimeout(resolve, 5));
    const through = reader.prepare("SELECT through FROM destination").pluck().get();
    expect(through).toBeGreaterThanOrEqual(50);
    const [told] = reader.prepare<[], { readonly body: string }>("SELECT body FROM record WHERE type = 8").all();
    expect(JSON.parse(told?.body ?? "{}")).toMatchObject({ reason: "refused", fromSeq: 20, toSeq: 20, count: 1 });
    reader.close();
  });
});

describe("a confirmation", () => {
  it("moves on and never back, survives, and makes its destination one that confirms", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir, destinations });
    await outbox.commit(commitOf([record(1), record(2, "cycle"), record(3), record(4, "cycle")]));
    expect(backlog(outbox, "cycles")).toMatchObject({ confirmedThrough: null, isConfirming: false });
    outbox.settle("cycles", { accepted: numbers(outbox, "cycles"), rejected: [] });
    expect(outbox.confirm("cycles", outbox.epoch, 4)).toEqual({ ok: true, rows: 2 });
    expect(outbox.confirm("cycles", outbox.epoch, 2)).toEqual({ ok: true, rows: 0 });
    await outbox.close();
    const after = open({ dataDir, destinations });
    expect(backlog(after, "cycles")).toMatchObject({ confirmedThrough: 4, isConfirming: true });
    expect(backlog(after, "all")).toMatchObject({ confirmedThrough: null, isConfirming: false });
  });
  it("that is missing keeps a row wanted: a damaged file gives it to the next one", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir });
    await outbox.commit(commitOf(states(1, 100)));
    outbox.settle("bridge", { accepted: numbers(outbox), rejected: [] });
    outbox.confirm("bridge", outbox.epoch, 40);
    outbox.replay("bridge", outbox.epoch, 30, 35);
    await outbox.close();
    const db = new Database(join(dataDir, "cellgate.db"));
    db.prepare("UPDATE record SET body = '{}' WHERE seq = 100").run();
    db.close();
    const after = open({ dataDir });
    expect(after.epoch).not.toBe(outbox.epoch);
    expect(after.pending("bridge", 0, 1_000).filter(({ type }) => type === "state").map(({ id }) => id)).toEqual(states(30, 70).map(({ id }) => id));
  });
  it("is refused in words: another epoch, a row never sent, one never due, no number, nobody", async () => {
    const outbox = open({ dataDir: temporaryDirectory(), destinations });
    await outbox.commit(commitOf([record(1), record(2, "cycle"), record(3)]));
    const refused = (name: string, epoch: string, through: number): unknown => outbox.confirm(name, epoch, through);
    expect(refused("all", "e".repeat(5_000), 1)).toEqual({ ok: false, reason: `epoch ${"e".repeat(40)} is not this buffer's: it is ${outbox.epoch}` });
    expect(refused("all", outbox.epoch, 1)).toMatchObject({ ok: false, reason: expect.stringContaining("row 1 was never sent to all") as string });
    numbers(outbox, "all");
    numbers(outbox, "cycles");
    expect(refused("all", outbox.epoch, 3)).toEqual({ ok: true, rows: 3 });
    expect(refused("cycles", outbox.epoch, 1)).toEqual({ ok: false, reason: "row 1 was never due to cycles" });
    for (const through of [0, -1, 1.5, NaN, Infinity]) expect(refused("all", outbox.epoch, through)).toMatchObject({ ok: false });
    expect(refused("nobody", outbox.epoch, 1)).toEqual({ ok: false, reason: "no destination nobody is configured" });
  });
});

describe("a repeat", () => {
  it("comes in order, with its place in the chain, until it is settled; over a restart; and wakes whoever waits", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir, destinations });
    await outbox.commit(commitOf([...states(1, 5), record(6, "cycle"), ...states(7, 4)]));
    outbox.settle("all", { accepted: numbers(outbox, "all"), rejected: [] });
    const woken = outbox.arrival(10, new AbortController().signal);
    expect(outbox.replay("all", outbox.epoch, 3, 8)).toEqual({ ok: true, rows: 6 });
    await woken;
    expect(outbox.replaying("all", 0, 3).map(({ seq, prev }) => [seq, prev])).toEqual([[3, 2], [4, 3], [5, 4]]);
    expect(numbers(outbox, "all")).toEqual([]);
    outbox.settle("all", { accepted: [5, 3], rejected: [] });
    expect(again(outbox)).toEqual([4, 6, 7, 8]);
    expect(again(outbox, "all", 6)).toEqual([7, 8]);
    await outbox.close();
    const after = open({ dataDir, destinations });
    expect(again(after)).toEqual([4, 6, 7, 8]);
    expect(backlog(after, "all")).toMatchObject({ replaying: 4, waiting: 0, acknowledged: 10 });
    after.settle("all", { accepted: [4, 6, 7, 8], rejected: [] });
    expect(again(after)).toEqual([]);
  });
  it("holds what is due to the destination alone, and what was sent; the rest comes by itself", async () => {
    const outbox = open({ dataDir: temporaryDirectory(), destinations });
    await outbox.commit(commitOf([record(1), record(2, "cycle"), record(3), record(4, "cycle"), record(5, "cycle")]));
    outbox.settle("cycles", { accepted: [2, 4], rejected: [] });
    expect(outbox.replay("cycles", outbox.epoch, 1, 1_000_000)).toEqual({ ok: true, rows: 2 });
    expect(again(outbox, "cycles")).toEqual([2, 4]);
    expect(numbers(outbox, "cycles")).toEqual([5]);
  });
  it("is refused in words: another epoch, no range, nothing sent, nothing due, too many ranges", async () => {
    const outbox = open({ dataDir: temporaryDirectory(), destinations });
    await outbox.commit(commitOf([...states(1, 299), record(300, "cycle")]));
    const refused = (from: number, to: number, name = "all"): unknown => outbox.replay(name, outbox.epoch, from, to);
    expect(outbox.replay("all", "other", 1, 2)).toMatchObject({ ok: false, reason: expect.stringContaining("epoch") as string });
    expect(refused(5, 4)).toEqual({ ok: false, reason: "5 to 4 is no range of rows" });
    expect(refused(1, 4)).toEqual({ ok: false, reason: "rows 1 to 4 have not been sent yet: they come by themselves" });
    outbox.settle("all", { accepted: numbers(outbox, "all"), rejected: [] });
    outbox.settle("cycles", { accepted: [300], rejected: [] });
    expect(refused(1, 299, "cycles")).toMatchObject({ ok: false, reason: expect.stringContaining("none of the rows 1 to 299 was due to cycles") as string });
    for (let n = 0; n < 64; n++) expect(refused(1 + 3 * n, 1 + 3 * n)).toMatchObject({ ok: true });
    expect(refused(250, 250)).toMatchObject({ ok: false, reason: expect.stringContaining("64 ranges") as string });
    expect(refused(1, 3)).toMatchObject({ ok: true }); // What joins others is no further one.
    expect(again(outbox).slice(0, 4)).toEqual([1, 2, 3, 4]);
  });
});

describe("dead letters", () => {
  async function refused(dataDir: string): Promise<Outbox> {
    const outbox = open({ dataDir, destinations });
    await outbox.commit(commitOf([...states(1, 3), record(4, "cycle"), ...states(5, 2)]));
    outbox.settle("all", { accepted: [1, 6], rejected: [2, 3, 4].map((seq) => ({ seq, reason: "0x87 not authorized" })) });
    await stored(outbox);
    return outbox;
  }
  it("are listed, and released: sent again, their loss record voided", async () => {
    const outbox = await refused(temporaryDirectory());
    expect(outbox.deadLetters(10)).toMatchObject([{ destination: "all", fromSeq: 2, toSeq: 4, reason: "0x87 not authorized" }]);
    expect(backlog(outbox, "all")).toMatchObject({ rejected: 3, dead: 3, waiting: 2, acknowledged: 2 });
    expect(outbox.release("all", 2)).toEqual({ ok: true, rows: 3 });
    await stored(outbox);
    expect(outbox.deadLetters(10)).toEqual([]);
    expect(again(outbox)).toEqual([2, 3, 4]);
    const [first, second] = losses(outbox);
    expect(first).toMatchObject({ rev: 1, status: "closed", fromSeq: 2, toSeq: 4, count: 3, byType: { state: 2, cycle: 1 } });
    expect(second).toMatchObject({ id: first?.["id"], rev: 2, status: "void", fromSeq: 2, toSeq: 4, count: 3 });
    expect(backlog(outbox, "all")).toMatchObject({ rejected: 0, dead: 0, acknowledged: 2, waiting: 6, replaying: 3 });
    outbox.settle("all", { accepted: [2, 4], rejected: [{ seq: 3, reason: "0x87 not authorized" }] });
    await stored(outbox);
    expect(losses(outbox).at(-1)).toMatchObject({ rev: 1, status: "closed", fromSeq: 3, toSeq: 3, count: 1 });
    expect(backlog(outbox, "all")).toMatchObject({ rejected: 1, dead: 1, acknowledged: 4 });
  });
  it("that follow each other, refused for one reason, are one range and one loss, and released together", async () => {
    const outbox = open({ dataDir: temporaryDirectory(), destinations });
    await outbox.commit(commitOf([...states(1, 3), record(4, "cycle"), ...states(5, 2)]));
    for (const seqs of [[1], [2, 3], [4]]) {
      outbox.settle("all", { accepted: [], rejected: seqs.map((seq) => ({ seq, reason: "0x87 not authorized" })) });
      await stored(outbox);
    }
    outbox.settle("all", { accepted: [], rejected: [{ seq: 5, reason: "0x99 payload format invalid" }] });
    await stored(outbox);
    expect(outbox.deadLetters(10)).toMatchObject([{ fromSeq: 1, toSeq: 4 }, { fromSeq: 5, toSeq: 5 }]);
    const told = losses(outbox).filter(({ status, fromSeq }) => status === "closed" && fromSeq === 1);
    expect(told.at(-1)).toMatchObject({ toSeq: 4, count: 4, byType: { state: 3, cycle: 1 } });
    expect(outbox.release("all", 1)).toEqual({ ok: true, rows: 4 });
    await stored(outbox);
    expect(losses(outbox).at(-1)).toMatchObject({ status: "void", fromSeq: 1, toSeq: 4, count: 4 });
    expect(again(outbox)).toEqual([1, 2, 3, 4]);
    expect(backlog(outbox, "all")).toMatchObject({ rejected: 1 });
  });
  it("are purged for good; the loss record stands, and a repeat leaves them out", async () => {
    const outbox = await refused(temporaryDirectory());
    expect(outbox.purge("all", 2)).toEqual({ ok: true, rows: 3 });
    expect(outbox.deadLetters(10)).toEqual([]);
    outbox.settle("all", { accepted: [5], rejected: [] });
    outbox.replay("all", outbox.epoch, 1, 6);
    expect(again(outbox)).toEqual([1, 5, 6]);
    expect(losses(outbox)).toHaveLength(1);
    expect(backlog(outbox, "all")).toMatchObject({ rejected: 3, dead: 0 });
    expect(outbox.release("all", 2)).toEqual({ ok: false, reason: "no dead letters of all begin at row 2" });
  });
  it("stay known when the process dies before its cursor was written", async () => {
    const dataDir = temporaryDirectory();
    const outbox = await refused(dataDir);
    outbox.settle("all", { accepted: [5], rejected: [] });
    await outbox.close();
    expect(numbers(open({ dataDir, destinations }), "all")).toEqual([7]);
  });
});

describe("a loss record that is refused", () => {
  const NOT_NOW = "larger than the broker's maximum packet size";
  const lately = (records: Parameters<typeof commitOf>[0]): ReturnType<typeof commitOf> => commitOf(records, { observedAt: unixMs(Date.now()) });
  /** Seen, and refused. */
  const refuse = (outbox: Outbox, ...seqs: readonly number[]): void => {
    numbers(outbox, "all");
    outbox.settle("all", { accepted: [], rejected: seqs.map((seq) => ({ seq, reason: NOT_NOW })) });
  };
  /** Rows 1 and 3 taken, row 2 refused, and row 4, the loss record that says so. */
  async function owing(dataDir: string): Promise<Outbox> {
    const outbox = open({ dataDir, destinations });
    await outbox.commit(lately(states(1, 3)));
    outbox.settle("all", { accepted: [1, 3], rejected: [{ seq: 2, reason: NOT_NOW }] });
    await stored(outbox);
    refuse(outbox, 4);
    await stored(outbox);
    return outbox;
  }

  it("is not dead and waits; it is handed out when offered, once, until it is taken", async () => {
    const outbox = await owing(temporaryDirectory());
    expect(outbox.deadLetters(10)).toMatchObject([{ fromSeq: 2, toSeq: 2 }]);
    expect(backlog(outbox, "all")).toMatchObject({ waiting: 1, acknowledged: 2, rejected: 1, dead: 1, replaying: 1 });
    expect([numbers(outbox, "all"), again(outbox)]).toEqual([[], []]);
    outbox.offerRefused("all");
    expect(outbox.replaying("all", 0, 10)).toMatchObject([{ seq: 4, prev: 3, type: "loss" }]);
    refuse(outbox, 4);
    await stored(outbox);
    expect(again(outbox)).toEqual([]);
    outbox.offerRefused("all");
    outbox.settle("all", { accepted: [4], rejected: [] });
    expect(again(outbox)).toEqual([]);
    expect(backlog(outbox, "all")).toMatchObject({ waiting: 0, acknowledged: 3, rejected: 1, replaying: 0 });
    expect(outbox.dropped(new Date().toISOString().slice(0, 10))).toMatchObject([{ cause: "refused", count: 1 }]);
    expect(losses(outbox)).toHaveLength(1);
  });
  it("survives a restart, taken or not", async () => {
    const dataDir = temporaryDirectory();
    await (await owing(dataDir)).close();
    const second = open({ dataDir, destinations });
    expect([numbers(second, "all"), again(second)]).toEqual([[], [4]]);
    second.settle("all", { accepted: [4], rejected: [] });
    await second.close();
    const third = open({ dataDir, destinations });
    expect([again(third), backlog(third, "all")]).toMatchObject([[], { waiting: 0, acknowledged: 3, rejected: 1 }]);
  });
  it("is replaced by the next revision, which goes on over it: the same range, the same loss", async () => {
    const outbox = await owing(temporaryDirectory());
    await outbox.commit(lately(states(5, 1)));
    refuse(outbox, 5);
    await stored(outbox);
    expect(losses(outbox).map(({ rev, fromSeq, toSeq, count }) => [rev, fromSeq, toSeq, count])).toEqual([[1, 2, 2, 1], [1, 5, 5, 1]]); // Row 3 lies between, and was taken.
    refuse(outbox, 6);
    await outbox.commit(lately(states(7, 1)));
    refuse(outbox, 7);
    await stored(outbox);
    expect(losses(outbox).at(-1)).toMatchObject({ rev: 2, fromSeq: 5, toSeq: 7, count: 2, byType: { state: 2 } });
    outbox.offerRefused("all");
    expect(again(outbox)).toEqual([4]); // Row 6 lies in what row 8 names, which is yet to be sent.
    expect([numbers(outbox, "all"), backlog(outbox, "all")]).toMatchObject([[8], { waiting: 2, acknowledged: 2, rejected: 4, dead: 4 }]);
  });
  it("is not sent by hand a second time with the range that it lies in, nor asked for twice", async () => {
    const outbox = open({ dataDir: temporaryDirectory(), destinations });
    await outbox.commit(lately(states(1, 1)));
    refuse(outbox, 1);
    await stored(outbox);
    refuse(outbox, 2);
    await outbox.commit(lately(states(3, 1)));
    refuse(outbox, 3);
    await stored(outbox);
    refuse(outbox, 4);
    await outbox.commit(lately(states(5, 1)));
    refuse(outbox, 5);
    await stored(outbox);
    refuse(outbox, 6);
    expect(outbox.deadLetters(10)).toMatchObject([{ fromSeq: 1, toSeq: 5 }]);
    outbox.replay("all", outbox.epoch, 6, 6);
    expect(again(outbox)).toEqual([]);
    expect(outbox.release("all", 1)).toEqual({ ok: true, rows: 5 });
    await stored(outbox);
    outbox.offerRefused("all");
    expect(again(outbox)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(backlog(outbox, "all")).toMatchObject({ waiting: 7, acknowledged: 0, rejected: 0 });
    outbox.settle("all", { accepted: [1, 2, 3, 4, 5, 6, 7], rejected: [] });
    await stored(outbox);
    expect(backlog(outbox, "all")).toMatchObject({ waiting: 0, acknowledged: 7, rejected: 0, dead: 0 });
  });
  it("waits with up to a thousand others; more are dead, and that is said", async () => {
    const log = memoryLog();
    const outbox = open({ dataDir: temporaryDirectory(), destinations, log });
    for (let n = 0; n < 10; n++) {
      await outbox.commit(lately(states(n * 1_000 + 1, 202)));
      const seqs = numbers(outbox, "all");
      outbox.settle("all", { accepted: seqs.filter((_, index) => index % 2 === 1), rejected: seqs.filter((_, index) => index % 2 === 0).map((seq) => ({ seq, reason: NOT_NOW })) });
      await stored(outbox);
      refuse(outbox, ...numbers(outbox, "all"));
    }
    await stored(outbox);
    expect(backlog(outbox, "all")).toMatchObject({ waiting: 1_000, acknowledged: 1_010, rejected: 1_020 });
    outbox.offerRefused("all");
    expect(again(outbox)).toHaveLength(1_000);
    expect(log.lines.filter((line) => JSON.stringify(line).includes("so many loss records were refused"))).toHaveLength(1);
  });
});
