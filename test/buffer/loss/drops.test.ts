/** What a destination never got, counted by day and machine for receipts: refusals, releases, over restarts; loss records and receipts left out. */
import { describe, expect, it } from "vitest";
import type { Outbox } from "../../../agent/contract/outbox.ts";
import { unixMs } from "../../../agent/contract/time.ts";
import { commitOf, record } from "../records.ts";
import { open, temporaryDirectory } from "../support.ts";

const DAY = 86_400_000;
const NOW = Date.now() - (Date.now() % DAY) + DAY / 2;
const day = (at: number): string => new Date(at).toISOString().slice(0, 10);
const refuse = (outbox: Outbox, ...seqs: readonly number[]): void => outbox.settle("bridge", { accepted: [], rejected: seqs.map((seq) => ({ seq, reason: "topic name invalid" })) });
/** Resolves when what was noted before is on the disk. */
const written = (outbox: Outbox): Promise<number> => outbox.commit(commitOf([], { checkpoint: { key: "other", json: "{}" } }));

describe("what was dropped", () => {
  it("is told by day, machine and cause, and survives a restart", async () => {
    const dataDir = temporaryDirectory();
    const outbox = open({ dataDir });
    await outbox.commit(commitOf([record(1), record(2)], { observedAt: unixMs(NOW - DAY) }));
    await outbox.commit(commitOf([record(3), record(4), record(5, "receipt")], { observedAt: unixMs(NOW) }));
    await outbox.commit(commitOf([record(6)], { observedAt: unixMs(NOW), machine: "VMC-4" }));
    refuse(outbox, 1, 3, 4, 5, 6);
    await written(outbox);
    const yesterday = [{ destination: "bridge", machine: "VMC-3", cause: "refused", count: 1 }];
    const today = [{ destination: "bridge", machine: "VMC-3", cause: "refused", count: 2 }, { destination: "bridge", machine: "VMC-4", cause: "refused", count: 1 }];
    expect([outbox.dropped(day(NOW - DAY)), outbox.dropped(day(NOW))]).toEqual([yesterday, today]);
    await outbox.close();
    const again = open({ dataDir });
    expect([again.dropped(day(NOW - DAY)), again.dropped(day(NOW)), again.dropped("2020-01-01")]).toEqual([yesterday, today, []]);
  });
  it("counts what is sent again by hand as dropped until it is taken, and once however often it is refused", async () => {
    const outbox = open({ dataDir: temporaryDirectory() });
    const counts = (): readonly number[] => outbox.dropped(day(NOW)).map(({ count }) => count);
    await outbox.commit(commitOf([record(1), record(2)], { observedAt: unixMs(NOW) }));
    refuse(outbox, 1, 2);
    await written(outbox);
    expect(counts()).toEqual([2]);
    expect(outbox.release("bridge", 1)).toMatchObject({ ok: true });
    expect(counts()).toEqual([2]);
    expect(outbox.replaying("bridge", 0, 10)).toHaveLength(2);
    outbox.settle("bridge", { accepted: [1], rejected: [{ seq: 2, reason: "topic name invalid" }] });
    await written(outbox);
    expect(counts()).toEqual([1]);
  });
});
