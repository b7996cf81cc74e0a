/**
 * Power cuts, which a kill does not show: the write calls of a real run are recorded, the files are made as a cut at 200
 * random points would have left them, and each is opened and continued. Nothing that was said to be stored or published
 * may be missing, nothing may be damaged, and records and checkpoint must be of one moment.
 */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, it } from "vitest";
import { describeNeeding, findTool } from "../support/needs.ts";
import { commitOf, record } from "../buffer/records.ts";
import { open, temporaryDirectory } from "../buffer/support.ts";
import { seeded } from "../support/seeded.ts";
import { cuts, readEvents, type Event, type Image } from "./replay.ts";

const run = promisify(execFile);
const IMAGES = Number(process.env["POWER_CUT_IMAGES"] ?? 200);
const RECORDS = 4_000;
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const destinations = [{ name: "bridge" }, { name: "audit" }, { name: "cycles", types: ["cycle"] as const }];

async function recording(library: string, mode: "right" | "early"): Promise<readonly Event[]> {
  const dataDir = temporaryDirectory();
  const log = join(dataDir, "recording");
  await run(process.execPath, [join(import.meta.dirname, "writer.ts"), dataDir, String(seed), String(RECORDS), mode],
    { env: { ...process.env, LD_PRELOAD: library, POWER_CUT_LOG: log, POWER_CUT_SYNC_US: mode === "early" ? "10000" : "2000", NODE_OPTIONS: "" }, timeout: 60_000 });
  return readEvents(log);
}

/** Opens what a cut left and continues; returns what is wrong with it. */
async function faults(image: Image): Promise<readonly string[]> {
  const dataDir = temporaryDirectory();
  if (image.database) writeFileSync(join(dataDir, "cellgate.db"), image.database);
  if (image.log) writeFileSync(join(dataDir, "cellgate.db-wal"), image.log);
  if (image.tail) writeFileSync(join(dataDir, "cellgate.db-tail"), image.tail);
  const said = (word: string): number => Math.max(0, ...image.marks.filter((mark) => mark.startsWith(word)).map((mark) => Number(mark.split(" ")[1])));
  const wrong: string[] = [];
  const outbox = open({ dataDir, destinations });
  const { lastSeq, fault } = outbox.status();
  if (existsSync(join(dataDir, "quarantine"))) wrong.push("it was taken for damaged");
  if (lastSeq < said("stored")) wrong.push(`${said("stored")} was stored, ${lastSeq} is there`);
  if (lastSeq < said("published")) wrong.push(`${said("published")} was published, ${lastSeq} is there`);
  const rows = outbox.pending("audit", 0, 2 * RECORDS);
  if (rows.length !== lastSeq || fault !== null) wrong.push(`${rows.length} of ${lastSeq} rows can be read: ${fault}`);
  for (const [index, { seq, prev, body }] of rows.entries())
    if (seq !== index + 1 || prev !== index || !body.startsWith(`{"n":${seq},`)) wrong.push(`row ${index + 1} reads ${seq}, after ${prev}: ${body.slice(0, 20)}`);
  const due = rows.filter(({ type }) => type === "cycle").map(({ seq }) => seq);
  const chained = outbox.pending("cycles", 0, 2 * RECORDS);
  if (chained.some(({ seq, prev }, index) => seq !== due[index] || prev !== (due[index - 1] ?? 0)) || chained.length !== due.length) wrong.push("the chain under a filter is broken");
  const checkpoint = JSON.parse(outbox.checkpoint("VMC-3") ?? '{"last":0}') as { last: number };
  if (checkpoint.last !== lastSeq) wrong.push(`the checkpoint is of row ${checkpoint.last}, the records end at ${lastSeq}`);
  const next = await outbox.commit(commitOf([record(lastSeq + 1, "state", { n: lastSeq + 1, text: "" })]));
  if (next !== lastSeq + 1) wrong.push(`the next row is ${next}, not ${lastSeq + 1}`);
  await outbox.close();
  rmSync(dataDir, { recursive: true });
  return wrong.map((text) => `cut before event ${image.at} (seed ${seed}): ${text}`);
}

describeNeeding(["gcc"], "power cuts", () => {
  let library = "";
  beforeAll(async () => {
    const folder = join(import.meta.dirname, "../../node_modules/.cache/cellgate");
    mkdirSync(folder, { recursive: true });
    library = join(folder, `recorder-${process.pid}.so`);
    await run(findTool("gcc") ?? "gcc", ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, join(import.meta.dirname, "recorder.c"), "-ldl", "-lpthread"]);
    return () => rmSync(library, { force: true });
  });

  it(`lose nothing that was stored or published, in ${IMAGES} images`, { timeout: 120_000 }, async () => {
    const events = await recording(library, "right");
    const count = (op: Event["op"], file: "database" | "log"): number => events.filter((event) => event.op === op && event.op !== "mark" && event.file === file).length;
    // The recording must hold what we mean to test: syncs of the log, and checkpoints into the database.
    expect(count("end", "log")).toBeGreaterThan(100);
    expect(count("end", "database")).toBeGreaterThan(3);
    expect(count("write", "database")).toBeGreaterThan(50);
    const random = seeded(seed);
    const wrong: string[] = [];
    for (const image of cuts(events, IMAGES, random)) wrong.push(...await faults(image));
    expect(wrong).toEqual([]);
  });

  it("are seen by this harness to lose rows when they are called stored before the sync", { timeout: 60_000 }, async () => {
    const events = await recording(library, "early"); // With longer syncs, so that there is something to lose.
    const wrong: string[] = [];
    for (const image of cuts(events, 60, seeded(seed))) wrong.push(...await faults(image));
    expect(wrong.filter((text) => text.includes("was stored")).length).toBeGreaterThan(0);
    expect(wrong.filter((text) => !text.includes("was stored"))).toEqual([]); // Lost, but never damaged.
  });
});
