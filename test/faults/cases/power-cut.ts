/**
 * Power cuts: one life of the writing process is recorded write by write (test/power-cut/recorder.c), the files are made
 * as a cut at a random point would have left them, on a device that keeps what it was told to sync and on one that lies
 * about its last 32 writes; each is opened, worked on and drained. What had been reported stored and what had been
 * received before the cut is known from the same recording.
 * Honest: nothing may be missing or set aside. Lying: what is missing must be told, and service be back within 10 s. Where
 * a whole database came back that is only older, and its mark too, nothing on the device can show it: then the newer rows
 * count as never stored and never received, and the case says how often that was.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { silentlyOlderThrough } from "../support/older.ts";
import { cuts, readEvents, type Device, type Event, type Image } from "../../power-cut/replay.ts";
import type { FaultCase, Run, Tally } from "../case.ts";
import { library } from "../support/built.ts";
import { judged, receivedLog, storedLog } from "../support/evidence.ts";
import { life, recovered } from "../support/storage.ts";
import { added } from "../support/tallies.ts";
import { DESTINATIONS, toldThrough } from "../support/work.ts";

const IMAGES = 25;
const FACTS = 150;
const BACK_MS = 10_000;

async function recorded({ folder, seed }: Run): Promise<readonly Event[]> {
  const log = join(folder, "recording");
  const marks = join(folder, "all.marks");
  const env = { LD_PRELOAD: library("recorder"), POWER_CUT_LOG: log, POWER_CUT_SYNC_US: "2000" };
  const before = await life(folder, { connection: "before", seed, facts: FACTS, stored: marks, received: marks, env });
  if (!before.closed) throw new Error(`the recorded life did not end well: ${before.words}`);
  return readEvents(log);
}

async function continued(parent: Run, image: Image, device: Device): Promise<Tally> {
  const folder = join(parent.folder, `cut-${image.at}`);
  mkdirSync(join(folder, "data"), { recursive: true });
  if (image.database) writeFileSync(join(folder, "data", "cellgate.db"), image.database);
  if (image.log) writeFileSync(join(folder, "data", "cellgate.db-wal"), image.log);
  if (image.tail) writeFileSync(join(folder, "data", "cellgate.db-tail"), image.tail);
  const olderThrough = device === "lying" ? silentlyOlderThrough(join(folder, "data"), storedThrough(image)) : null;
  const of = (kind: string): string => image.marks.filter((line) => line.startsWith(kind) && seqOf(line) <= (olderThrough ?? Infinity)).map((line) => `${line.slice(kind.length)}\n`).join("");
  writeFileSync(storedLog(folder), of("S "));
  writeFileSync(receivedLog(folder), of("R "));
  const { wrong, told, backMs } = await recovered(folder, { connection: "after", seed: parent.seed, facts: 15 });
  const isSetAside = existsSync(join(folder, "data", "quarantine"));
  const also = [
    ...wrong,
    ...(device === "honest" && isSetAside ? ["a buffer that an honest device left was taken for damaged"] : []),
    ...(backMs > BACK_MS ? [`back in service after ${Math.round(backMs)} ms`] : []),
  ];
  const tally = judged(folder, { destinations: DESTINATIONS, exact: false, expected: toldThrough(told), faults: 1, also, backMs });
  return { ...tally, violations: tally.violations.map((words) => `cut before event ${image.at}: ${words}`), ...(isSetAside ? { note: "set aside" } : olderThrough !== null && { note: "older, and nothing shows it" }) };
}

const seqOf = (line: string): number => Number(/"seq":(\d+)/.exec(line)?.[1] ?? 0);
/** What was received was stored, too: loss records are not marked. */
const storedThrough = ({ marks }: Image): number => Math.max(0, ...marks.map(seqOf));

const powerCut = (device: Device, what: string): FaultCase => ({
  name: `power-cut-${device}`,
  what,
  needs: ["gcc"],
  runs: { short: 1, long: 20 },
  longestMs: 240_000,
  async run(run) {
    const tallies: Tally[] = [];
    for (const image of cuts(await recorded(run), IMAGES, run.random, device)) tallies.push(await continued(run, image, device));
    return added(tallies);
  },
});

export const powerCutHonest = powerCut("honest", `the buffer alone, its power cut at ${IMAGES} random points of a run, on a device that keeps what it was told to sync`);
export const powerCutLying = powerCut("lying", "the same on a device that lies about its last 32 writes");
