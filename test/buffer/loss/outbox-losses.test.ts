/** Loss records and dead letters over a long life: what there is of them stays bounded, in a small room, whatever a broker refuses or a bridge leaves unconfirmed. */
import Database from "better-sqlite3";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Outbox } from "../../../agent/contract/outbox.ts";
import { commitOf, record } from "../records.ts";
import { memoryLog, open, temporaryDirectory } from "../support.ts";

const KIB = 1_024;
let n = 0;
const rows = (count: number): ReturnType<typeof commitOf> => commitOf(Array.from({ length: count }, (_, i) => record(++n, i % 10 === 0 ? "cycle" : "state", { n, text: "x".repeat(200) })));
/** Takes all there is, but refuses what `isRefused` says. */
function deliver(outbox: Outbox, name: string, isRefused: (seq: number) => boolean): void {
  const seqs = outbox.pending(name, 0, 2_000).map(({ seq }) => seq);
  outbox.settle(name, { accepted: seqs.filter((seq) => !isRefused(seq)), rejected: seqs.filter(isRefused).map((seq) => ({ seq, reason: "0x87 not authorized" })) });
}
interface Told { readonly destination: string; readonly fromSeq: number; readonly toSeq: number; readonly count: number; readonly byType: Readonly<Record<string, number>>; readonly reason: string }
const losses = (outbox: Outbox): readonly Told[] => outbox.history(0, 1_000_000).flatMap(({ type, body }) => (type === "loss" ? [JSON.parse(body) as Told] : []));
function counted(dataDir: string): { readonly dead: number; readonly lost: number; readonly record: number } {
  const db = new Database(join(dataDir, "cellgate.db"), { readonly: true });
  const count = (table: string): number => db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get() ?? 0;
  const all = { dead: count("dead"), lost: count("lost"), record: count("record") };
  db.close();
  return all;
}

it("a bridge that confirmed once and never again: loss records it was told go last, the oldest first, and a loss says so", { timeout: 60_000 }, async () => {
  const dataDir = temporaryDirectory();
  const outbox = open({ dataDir, destinations: [{ name: "bridge", confirm: true }], budgetBytes: 600 * KIB });
  await outbox.commit(rows(10));
  deliver(outbox, "bridge", () => false);
  outbox.confirm("bridge", outbox.epoch, 10);
  for (let commit = 0; commit < 1_500; commit++) {
    await outbox.commit(rows(20));
    deliver(outbox, "bridge", (seq) => seq % 20 === 7);
  }
  expect(outbox.status()).toMatchObject({ fault: null, condition: { state: "ok" } });
  const told = losses(outbox).filter(({ byType }) => byType["loss"] !== undefined && byType["state"] === undefined);
  expect(told.length).toBeGreaterThan(0);
  for (const { destination, reason, count, byType } of told) expect({ destination, reason, byType }).toEqual({ destination: "bridge", reason: "buffer_full", byType: { loss: count } });
  expect(counted(dataDir).lost).toBeLessThan(counted(dataDir).record + 100);
});

it("a broker that refuses everything while another destination is away leaves few ranges of dead letters and few losses", { timeout: 60_000 }, async () => {
  const dataDir = temporaryDirectory();
  const outbox = open({ dataDir, destinations: [{ name: "refusing" }, { name: "away" }], budgetBytes: 600 * KIB });
  for (let commit = 0; commit < 1_500; commit++) {
    await outbox.commit(rows(20));
    deliver(outbox, "refusing", () => true);
  }
  await outbox.commit(commitOf([]));
  expect(outbox.status()).toMatchObject({ fault: null, condition: { state: "ok" } });
  expect(counted(dataDir).dead).toBeLessThanOrEqual(10);
  expect(counted(dataDir).lost).toBeLessThan(20);
  const [told] = losses(outbox).filter(({ destination }) => destination === "refusing").toReversed();
  expect(Object.values(told?.byType ?? {}).reduce((sum, of) => sum + of, 0)).toBe(told?.count);
  expect(told?.byType["loss"]).toBeUndefined();
});

it("a broker that refuses one in fifteen while another destination is away: the oldest dead letters go, and what was told of rows that are gone", { timeout: 60_000 }, async () => {
  const dataDir = temporaryDirectory();
  const log = memoryLog();
  const outbox = open({ dataDir, log, destinations: [{ name: "refusing" }, { name: "away" }], budgetBytes: 600 * KIB });
  for (let commit = 0; commit < 1_500; commit++) {
    await outbox.commit(rows(30));
    deliver(outbox, "refusing", (seq) => seq % 15 === 7);
  }
  await outbox.commit(commitOf([]));
  expect(outbox.status()).toMatchObject({ fault: null, condition: { state: "ok" } });
  const { dead, lost, record: kept } = counted(dataDir);
  expect(dead).toBeLessThanOrEqual(2_000);
  expect(lost).toBeLessThan(kept + 100);
});
