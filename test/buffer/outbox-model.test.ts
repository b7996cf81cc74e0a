/**
 * The outbox on SQLite against the model of test/conformance/outbox.ts, in a room for some two thousand rows. A crash here
 * is a copy of the files as they lie. OUTBOX_MODEL_STEPS and SEED make another run of it; a failing one names its seed.
 */
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { RECORD_TYPES } from "../../agent/contract/record.ts";
import type { Outbox } from "../../agent/contract/outbox.ts";
import { openOutbox } from "../../buffer/outbox.ts";
import { followModel, type Pick, type Step } from "../conformance/outbox.ts";
import { commitOf, record } from "./records.ts";
import { seeded } from "../support/seeded.ts";
import { options, temporaryDirectory } from "./support.ts";

const STEPS = Number(process.env["OUTBOX_MODEL_STEPS"] ?? 2_000);
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const destinations = [
  { name: "all" }, { name: "confirming", confirm: true, types: ["cycle", "downtime", "state"] as const }, { name: "limited", types: ["state", "cycle", "count"] as const, limitBytes: 150_000 },
];

/** Phases in which each destination takes much, little or nothing: backlogs grow and drain. */
function* drawn(random: () => number): Generator<Step> {
  const upTo = (n: number): number => Math.floor(random() * n);
  const pace = destinations.map(() => 0.5);
  let n = 0;
  const pick = (chance: number): Pick => (random() > chance ? "leave" : random() < 0.02 ? "refuse" : "accept");
  for (let step = 0; step < STEPS; step++) {
    if (step % 200 === 0) for (const index of pace.keys()) pace[index] = [0, 0.3, 1][upTo(3)] ?? 0;
    const destination = upTo(destinations.length);
    const picks = Array.from({ length: upTo(40) }, () => pick(pace[destination] ?? 0));
    const chance = random();
    if (chance < 0.4) {
      yield {
        kind: "commit",
        commits: Array.from({ length: 1 + upTo(3) }, () => {
          const types = Array.from({ length: upTo(8) }, () => RECORD_TYPES.filter((type) => type !== "loss")[upTo(8)] ?? "state");
          return commitOf(types.map((type) => record(++n, type, { n, text: "é".repeat(upTo(500)) })), random() < 0.3 ? { checkpoint: { key: random() < 0.5 ? "a" : "b", json: String(n) } } : {});
        }),
      };
    } else if (chance < 0.8) yield { kind: "settle", destination, picks };
    else if (chance < 0.87) yield { kind: "resend", destination, picks };
    else if (chance < 0.92) yield { kind: "confirm", destination, back: upTo(20) - 1, isOtherEpoch: random() < 0.1 };
    else if (chance < 0.95) yield { kind: "replay", destination, back: upTo(300), rows: upTo(100) };
    else if (chance < 0.97) yield { kind: random() < 0.7 ? "release" : "purge", pick: upTo(50) };
    else if (chance < 0.985) yield { kind: "reopen" };
    else yield { kind: "crash" };
  }
}

it("does what the model does, over commits, settlements, confirmations, replays, dead letters, closes and crashes, and accounts for every row", { timeout: 60_000 + STEPS * 50 }, async () => {
  const root = temporaryDirectory();
  let dataDir = mkdtempSync(join(root, "run-"));
  let outbox: Outbox | null = null;
  const openHere = (): Outbox => (outbox = openOutbox(options({ dataDir, destinations, budgetBytes: 1_200_000, healWindowMs: 1, historyMs: 3_600_000 })));
  const left: Outbox[] = [];
  onTestFinished(async () => {
    for (const one of [...left, ...(outbox ? [outbox] : [])]) await one.close().catch(() => undefined);
  });
  const began = performance.now();
  const seen = await followModel({
    outbox: openHere(),
    async crash() {
      const copy = mkdtempSync(join(root, "crash-"));
      for (const name of ["cellgate.db", "cellgate.db-wal"]) if (existsSync(join(dataDir, name))) cpSync(join(dataDir, name), join(copy, name));
      await outbox?.close();
      rmSync(dataDir, { recursive: true });
      dataDir = copy;
      return openHere();
    },
    async reopen() {
      await outbox?.close();
      return openHere();
    },
  }, destinations, drawn(seeded(seed))).catch((cause: unknown) => {
    throw new Error(`SEED=${seed} OUTBOX_MODEL_STEPS=${STEPS}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  });
  expect(existsSync(join(dataDir, "quarantine"))).toBe(false);
  // It saw what it is for.
  expect(seen.lost, `SEED=${seed}`).toBeGreaterThan(0);
  expect(seen.voided, `SEED=${seed}`).toBeGreaterThan(0);
  if (process.env["OUTBOX_MODEL_STEPS"]) process.stdout.write(`${STEPS} steps in ${Math.round((performance.now() - began) / 1_000)} s: ${JSON.stringify(seen)}\n`);
});
