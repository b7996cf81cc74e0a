/** A disk whose sync fails: the one thing imitated here is the failing call itself, and time. */
import type Fs from "node:fs";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { StoreError } from "../../../agent/contract/errors.ts";
import type { Outbox, StoredRecord } from "../../../agent/contract/outbox.ts";
import { HOLD_BYTES, HOLD_ROWS } from "../../../buffer/writing/held.ts";
import { Trouble } from "../../../buffer/writing/trouble.ts";
import { fakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { commitOf, record } from "../records.ts";
import { memoryLog, numbers, open, temporaryDirectory } from "../support.ts";

const disk = vi.hoisted(() => ({ failingSyncs: 0, syncs: 0 }));
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof Fs>();
  const fdatasync = (descriptor: number, done: (error: NodeJS.ErrnoException | null) => void): void => {
    disk.syncs++;
    if (disk.failingSyncs === 0) return fs.fdatasync(descriptor, done);
    disk.failingSyncs--;
    setImmediate(() => done(Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" })));
  };
  return { ...fs, fdatasync };
});
beforeEach(() => void Object.assign(disk, { failingSyncs: 0, syncs: 0 }));

const many = (from: number, count: number, bytes = 100): ReturnType<typeof record>[] =>
  Array.from({ length: count }, (_, i) => record(from + i, "state", { n: from + i, text: "x".repeat(bytes) }));
const ids = (rows: readonly StoredRecord[]): readonly string[] => rows.map(({ id }) => id);
const seqs = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const until = async (condition: () => boolean): Promise<void> => {
  for (const end = Date.now() + 10_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 2)))
    if (Date.now() > end) throw new Error("not within 10 s");
};
const state = (outbox: Outbox): string => outbox.status().condition.state;
/** Lets the disk be tried again, as often as it takes. */
async function recover(outbox: Outbox, clock: FakeClock): Promise<void> {
  await until(() => {
    void clock.advance(30_000);
    return state(outbox) === "ok";
  });
}

describe("a sync that fails", () => {
  it("keeps its commits and those behind them in memory, says so, and stores each once when the disk is back", async () => {
    const [dataDir, log, clock] = [temporaryDirectory(), memoryLog(), fakeClock()];
    const outbox = open({ dataDir, log, clock });
    await outbox.commit(commitOf(many(1, 10), { checkpoint: { key: "A", json: "10" } }));
    disk.failingSyncs = Infinity;
    const stored: number[] = [];
    const commits = [outbox.commit(commitOf(many(11, 5), { checkpoint: { key: "A", json: "15" } }))];
    await until(() => state(outbox) === "degraded");
    commits.push(outbox.commit(commitOf(many(16, 2), { checkpoint: { key: "A", json: "17" } })), outbox.commit(commitOf([], { checkpoint: { key: "B", json: "1" } })));
    for (const commit of commits) void commit.then((seq) => stored.push(seq));
    await clock.advance(60_000);
    expect(outbox.status()).toMatchObject({
      syncedSeq: 10,
      condition: { state: "degraded", fault: "io", heldRecords: 7, message: expect.stringMatching(/EIO.*check the storage medium/) as string },
    });
    expect(numbers(outbox)).toEqual(seqs(10)); // What is stored is delivered meanwhile, and nothing else.
    expect([outbox.checkpoint("A"), outbox.checkpoint("B")]).toEqual(["17", "1"]); // What the next commit will find.
    expect(stored).toEqual([]);
    disk.failingSyncs = 0;
    await recover(outbox, clock);
    expect(await Promise.all(commits)).toEqual([15, 17, 17]);
    expect(ids(outbox.pending("bridge", 0, 100))).toEqual(ids(many(1, 17) as never));
    expect(outbox.status().fault).toBeNull();
    expect(log.lines.map(({ sentence }) => sentence)).toEqual(["the buffer failed", "the buffer was opened again after an I/O error", "the buffer takes records again; what was held in memory is stored"]);
    await outbox.close();
    const again = open({ dataDir });
    expect(again.status().lastSeq).toBe(17);
    expect([again.checkpoint("A"), again.checkpoint("B")]).toEqual(["17", "1"]);
  });

  it("is tried again after 0.25 s, then at twice the distance, at most every 30 s, for ever", async () => {
    const clock = fakeClock();
    const trouble = new Trouble(new StoreError("io", "an error"), clock);
    const tries: number[] = [];
    const retry = (): Promise<void> => {
      tries.push(clock.now().monoMs / 1_000);
      trouble.retryLater(retry);
      trouble.retryLater(retry); // Whoever else notices the trouble brings no second try.
      return Promise.resolve();
    };
    trouble.retryLater(retry);
    await clock.advance(125_000);
    expect(tries).toEqual([0.25, 0.75, 1.75, 3.75, 7.75, 15.75, 31.75, 61.75, 91.75, 121.75]);
    trouble.end();
    expect(clock.waiting).toBe(0);
  });

  it.each([
    ["records", many(2, HOLD_ROWS - 2), many(20_000, 2)],
    ["bytes", many(2, 100, HOLD_BYTES / 100 - 100), many(20_000, 2, 10_000)],
  ])("holds up to a number of %s; beyond it a commit is refused, and what stands on it, until its checkpoint is read again", async (_, within, more) => {
    const clock = fakeClock();
    const outbox = open({ dataDir: temporaryDirectory(), clock });
    disk.failingSyncs = Infinity;
    const held = [outbox.commit(commitOf(many(1, 1), { checkpoint: { key: "A", json: "1" } }))];
    await until(() => state(outbox) === "degraded");
    held.push(outbox.commit(commitOf(within, { checkpoint: { key: "A", json: "2" } })));
    const beyond = (json: string): Promise<number> => outbox.commit(commitOf(more, { checkpoint: { key: "A", json } }));
    await expect(beyond("3")).rejects.toMatchObject({ code: "store", fault: "io", message: expect.stringMatching(/wait in memory and no more are taken/) as string });
    await expect(outbox.commit(commitOf([], { checkpoint: { key: "A", json: "4" } }))).rejects.toThrow("read again");
    expect(outbox.checkpoint("A")).toBe("2");
    held.push(outbox.commit(commitOf([], { checkpoint: { key: "A", json: "5" } })));
    disk.failingSyncs = 0;
    await recover(outbox, clock);
    const last = within.length + 1;
    expect(await Promise.all(held)).toEqual([1, last, last]);
    expect(outbox.checkpoint("A")).toBe("5");
    await expect(beyond("6")).resolves.toBe(last + 2);
  });

  it("holds of an idle machine its newest position alone", async () => {
    const clock = fakeClock();
    const outbox = open({ dataDir: temporaryDirectory(), clock });
    disk.failingSyncs = Infinity;
    const held = [outbox.commit(commitOf(many(1, 1), { checkpoint: { key: "A", json: "x".repeat(100_000) } }))];
    await until(() => state(outbox) === "degraded");
    for (let n = 0; n < 500; n++) held.push(outbox.commit(commitOf([], { checkpoint: { key: n % 2 === 0 ? "A" : "B", json: `"${String(n).repeat(30_000)}"` } })));
    expect(outbox.status().condition).toMatchObject({ heldRecords: 1 });
    disk.failingSyncs = 0;
    await recover(outbox, clock);
    expect(new Set(await Promise.all(held))).toEqual(new Set([1]));
    expect(outbox.checkpoint("A")).toBe(`"${"498".repeat(30_000)}"`);
    expect(outbox.checkpoint("B")).toBe(`"${"499".repeat(30_000)}"`);
  });

  it("does not block closing: what the disk does not take is rejected, what was stored stays", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir });
    await outbox.commit(commitOf(many(1, 3)));
    disk.failingSyncs = Infinity;
    const lost = outbox.commit(commitOf([record(4)]));
    lost.catch(() => undefined);
    await until(() => state(outbox) === "degraded");
    await outbox.close();
    await expect(lost).rejects.toMatchObject({ fault: "io" });
    disk.failingSyncs = 0;
    expect(ids(open({ dataDir }).pending("bridge", 0, 3))).toEqual(ids(many(1, 3) as never));
  });
  it("is tried once more on closing", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir });
    disk.failingSyncs = 1;
    const held = outbox.commit(commitOf(many(1, 3)));
    await until(() => state(outbox) === "degraded");
    await outbox.close();
    expect(await held).toBe(3);
  });
});
