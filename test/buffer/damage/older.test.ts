/** A buffer that has come back older than it was, and whose word is taken for it. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Mark, Outbox } from "../../../agent/contract/outbox.ts";
import { rfc3339, unixMs } from "../../../agent/contract/time.ts";
import { repairBuffer } from "../../../buffer/tools/repair.ts";
import { commitOf, record } from "../records.ts";
import { memoryLog, numbers, open, options, temporaryDirectory } from "../support.ts";

const many = (from: number, count: number) => Array.from({ length: count }, (_, index) => record(from + index, "state", { n: from + index }));
const told = async (outbox: Outbox, from: number, count: number): Promise<void> => void await outbox.commit(commitOf(many(from, count), { checkpoint: { key: "VMC-3", json: `{"at":${from + count - 1}}` } }));
const take = (outbox: Outbox, through: number): void => outbox.settle("bridge", { accepted: Array.from({ length: through }, (_, index) => index + 1), rejected: [] });
const bodies = (outbox: Outbox): readonly Record<string, unknown>[] => outbox.pending("bridge", 0, 1_000).map(({ type, body }) => ({ type, ...(JSON.parse(body) as object) }));
const lossesOf = (outbox: Outbox): readonly Record<string, unknown>[] => bodies(outbox).filter(({ type }) => type === "loss");
const toldIn = (outbox: Outbox): readonly unknown[] => bodies(outbox).flatMap(({ type, n }) => (type === "state" ? [n] : []));
const by = (outbox: Outbox, through: number, changes: Partial<Mark> = {}): Mark => ({ epoch: outbox.epoch, life: "a life before", through, ...changes });

/** Ten rows, of which the bridge has had four; then opened as an older copy that knows of six. */
async function older(): Promise<{ readonly dataDir: string; readonly epoch: string }> {
  const [dataDir, copy] = [temporaryDirectory(), temporaryDirectory()];
  const first = open({ dataDir });
  await told(first, 1, 6);
  take(first, 4);
  await first.close();
  cpSync(dataDir, copy, { recursive: true });
  const second = open({ dataDir });
  await told(second, 7, 4);
  expect(second.heard(by(second, 6))).toEqual({ isOlder: false, doubt: null });
  await second.close();
  return { dataDir: copy, epoch: second.epoch };
}

describe("a mark of another life beyond what the file held", () => {
  it("ends the buffer: nothing more is given out, and what it holds comes under a new epoch", async () => {
    const { dataDir, epoch } = await older();
    const log = memoryLog();
    const outbox = open({ dataDir, log });
    await told(outbox, 7, 2); // Under numbers that two other rows had.
    expect(numbers(outbox)).toEqual([5, 6, 7, 8]);
    expect(outbox.heard(by(outbox, 10))).toEqual({ isOlder: true, doubt: null });
    expect([outbox.sendable("bridge", 0, 10), outbox.pending("bridge", 0, 10)]).toEqual([[], []]);
    expect(await outbox.replaced).toMatchObject({ fault: "replaced", message: expect.stringContaining("held rows through 6 when it was opened, but rows through 10 had been announced") as string });

    await outbox.close();
    const next = open({ dataDir });
    expect(next.epoch).not.toBe(epoch);
    expect(next.marking).toMatchObject({ epoch: next.epoch, isNew: false });
    expect(toldIn(next)).toEqual([5, 6, 7, 8]);
    expect(next.checkpoint("VMC-3")).toBe('{"at":8}');
    expect(lossesOf(next)).toMatchObject([
      { destination: null, reason: "buffer_corrupt", lostEpoch: epoch, fromSeq: 1, toSeq: 4, count: null },
      { destination: null, lostEpoch: epoch, fromSeq: 5, toSeq: 6, count: 0 },
      { destination: null, lostEpoch: epoch, fromSeq: 7, toSeq: null, count: null },
    ]);
    expect(next.heard(by(next, 1_000, { epoch }))).toEqual({ isOlder: false, doubt: null }); // Of the file that is gone.
  });

  it("is believed though a life in between had gone on with the copy, out of the broker's reach, beyond the number announced", async () => {
    const [dataDir, copy] = [temporaryDirectory(), temporaryDirectory()];
    const first = open({ dataDir });
    await told(first, 1, 6);
    await first.close();
    const second = open({ dataDir });
    await told(second, 7, 2);
    cpSync(dataDir, copy, { recursive: true }); // As a power cut leaves it, of which the medium had promised more.
    await told(second, 9, 4);
    await second.close();
    const third = open({ dataDir: copy });
    await told(third, 20, 10);
    await third.close();
    const fourth = open({ dataDir: copy });
    expect(fourth.heard(by(fourth, 18, { life: third.marking?.life ?? "" }))).toEqual({ isOlder: false, doubt: null });
    expect(fourth.heard(by(fourth, 6, { life: first.marking?.life ?? "" }))).toEqual({ isOlder: false, doubt: null });
    expect(fourth.heard(by(fourth, 12, { life: second.marking?.life ?? "" }))).toEqual({ isOlder: true, doubt: null });
    await fourth.replaced;
    await fourth.close();
    const next = open({ dataDir: copy });
    expect(toldIn(next)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
    expect(lossesOf(next).at(-1)).toMatchObject({ destination: null, lostEpoch: first.epoch, fromSeq: 9, toSeq: null, count: null });
  });

  it("is believed where it cannot be read what was set aside before", async () => {
    const { dataDir } = await older();
    writeFileSync(join(dataDir, "quarantine"), ""); // No folder.
    const outbox = open({ dataDir });
    expect(outbox.heard(by(outbox, 10))).toEqual({ isOlder: true, doubt: null });
    expect(numbers(outbox)).toEqual([]);
  });

  it("says in the log which rows had left under numbers that others may have had", async () => {
    const { dataDir } = await older();
    const log = memoryLog();
    const outbox = open({ dataDir, log });
    await told(outbox, 7, 2);
    for (const seq of [5, 6, 7]) outbox.sending("bridge", seq);
    outbox.heard(by(outbox, 10));
    expect(log.lines.find(({ sentence }) => sentence.includes("older copy of itself"))?.fields).toMatchObject({ heldThrough: 6, through: 10, leftSince: { bridge: "7 to 7" } });
    await outbox.replaced;
  });

  it("is believed by the next start where this process ends before the new file stands", async () => {
    const { dataDir, epoch } = await older();
    const cut = temporaryDirectory();
    const outbox = open({ dataDir });
    await told(outbox, 7, 2);
    outbox.heard(by(outbox, 10));
    for (const name of readdirSync(dataDir)) if (name !== "quarantine" && !name.includes("lock")) cpSync(join(dataDir, name), join(cut, name)); // As a kill leaves it here.
    expect(readFileSync(join(cut, "cellgate.db-damaged"), "utf8")).toMatch(/announced.*\n6$/);
    await outbox.replaced;
    const next = open({ dataDir: cut });
    expect(next.epoch).not.toBe(epoch);
    expect(lossesOf(next).at(-1)).toMatchObject({ fromSeq: 7, toSeq: null, count: null });
    expect(toldIn(next)).toEqual([5, 6, 7, 8]);
    expect(existsSync(join(cut, "cellgate.db-damaged"))).toBe(false);
  });
});

describe("a mark that says nothing", () => {
  it.each([
    ["of another epoch", { epoch: "another" }], ["that is no number", { through: NaN }], ["without an end", { through: Infinity }], ["of 2^60", { through: 2 ** 60 }],
    ["beyond any buffer", { through: 2 ** 47 }], ["below zero", { through: -1 }], ["in part", { through: 10.5 }], ["of what the file holds", { through: 6 }],
  ] as const)("%s changes nothing", async (_, changes) => {
    const { dataDir, epoch } = await older();
    const outbox = open({ dataDir });
    await told(outbox, 7, 2);
    expect(outbox.heard(by(outbox, 10, changes))).toEqual({ isOlder: false, doubt: null });
    expect(numbers(outbox)).toEqual([5, 6, 7, 8]);
    expect(outbox.epoch).toBe(epoch);
  });

  it("is one of this life, or of a file that this life made", async () => {
    const { dataDir } = await older();
    const outbox = open({ dataDir });
    expect(outbox.heard(by(outbox, 10, { life: outbox.marking?.life ?? "" })).isOlder).toBe(false);
    const made = open({ dataDir: temporaryDirectory() });
    expect(made.marking?.isNew).toBe(true);
    expect(made.heard(by(made, 10)).isOlder).toBe(false);
    expect(made.marking?.life).not.toBe(outbox.marking?.life);
  });
});

describe("whose word it is", () => {
  it("is believed three times a day, for whatever reason files were set aside; then a person is told", async () => {
    const { dataDir } = await older();
    const at = (hours: number): string => rfc3339(unixMs(Date.now() - hours * 3_600_000)).replaceAll(":", "-");
    for (const hours of [1, 2, 30]) mkdirSync(join(dataDir, "quarantine", at(hours)), { recursive: true });
    const once = temporaryDirectory();
    cpSync(dataDir, once, { recursive: true });
    const outbox = open({ dataDir: once });
    expect(outbox.heard(by(outbox, 10)).isOlder).toBe(true);
    await outbox.replaced;
    mkdirSync(join(dataDir, "quarantine", at(3)));
    const doubtful = open({ dataDir });
    expect(doubtful.heard(by(doubtful, 10))).toEqual({ isOlder: false, doubt: expect.stringMatching(/rows through 6 .* rows through 10 .*Not believed.*replace the medium/) as string });
    expect(numbers(doubtful)).toEqual([5, 6]);
  });

  it("may be a person's: repair sets the file aside, and doubts all of its numbers", async () => {
    const { dataDir, epoch } = await older();
    repairBuffer(options({ dataDir }), { damage: "it is an older copy", isOlder: true });
    const next = open({ dataDir });
    expect(lossesOf(next)).toMatchObject([{ lostEpoch: epoch, fromSeq: 1, toSeq: null, count: null }]);
    expect(toldIn(next)).toEqual([5, 6]);
  });
});
