/**
 * The process under test: commits random groups, delivers them to nobody, and says what is stored and what is published
 * in a file of marks, one line each, the moment it may be said. Arguments: directory, seed, records, and `early` for the
 * deliberately wrong setup that says "stored" before the sync.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { openOutbox } from "../../buffer/outbox.ts";
import { commitOf, describeLoss, record, silentLog } from "../buffer/records.ts";
import { seeded } from "../support/seeded.ts";

const [dataDir = "", seed = "1", records = "1000", mode = "right"] = process.argv.slice(2);
const total = Number(records);
const random = seeded(Number(seed));
const marks = openSync(join(dataDir, "writer.marks"), "a");
const outbox = openOutbox({
  dataDir, clock: systemClock(), log: silentLog, describeLoss, groupMs: 3, carryPages: 60,
  destinations: [{ name: "bridge" }, { name: "audit" }, { name: "cycles", types: ["cycle"] }],
});
const say = (text: string): void => void writeSync(marks, `${text}\n`);

async function commitSome(): Promise<void> {
  let given = outbox.status().lastSeq;
  const inFlight = new Set<Promise<void>>();
  while (given < total) {
    const batch = Array.from({ length: 1 + Math.floor(random() * 8) }, () =>
      record(++given, random() < 0.3 ? "cycle" : "state", { n: given, text: "x".repeat(Math.floor(random() * 600)) }));
    const last = given;
    const committed = outbox.commit(commitOf(batch, { checkpoint: { key: "VMC-3", json: JSON.stringify({ last, text: "c".repeat(Math.floor(random() * 3_000)) }) } }))
      .then(() => {
        if (mode === "right") say(`stored ${last}`);
      });
    if (mode === "early") void waitWritten(last).then(() => say(`stored ${last}`));
    const tracked: Promise<void> = committed.finally(() => inFlight.delete(tracked));
    inFlight.add(tracked);
    if (inFlight.size >= 6) await Promise.race(inFlight);
  }
  await Promise.all(inFlight);
}
async function waitWritten(last: number): Promise<void> {
  while (outbox.status().lastSeq < last) await new Promise((resolve) => setImmediate(resolve));
}
async function deliver(signal: AbortSignal): Promise<void> {
  for (let after = 0; after < total;) {
    await outbox.arrival(after, signal);
    const rows = outbox.pending("bridge", after, 50);
    if (mode === "right") for (const { seq } of rows) say(`published ${seq}`);
    outbox.settle("bridge", { accepted: rows.map(({ seq }) => seq), rejected: [] });
    after = rows.at(-1)?.seq ?? after;
  }
}
await Promise.all([commitSome(), deliver(new AbortController().signal)]);
await outbox.close();
closeSync(marks);
