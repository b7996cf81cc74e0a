/**
 * Power cuts: one life of the writing process is recorded write by write (test/power-cut/recorder.c), the files are made
 * as a cut at a random point would have left them, on a device that keeps what it was told to sync and on one that lies
 * about its last 32 writes; each is opened, worked on and drained. What had been reported stored and what had been
 * received before the cut is known from the same recording.
 * Honest: nothing may be missing or set aside. Lying: what is missing must be told, and service be back within 10 s. Where
 * a whole database came back that is only older, and its mark too, nothing on the device can show it. What was announced
 * outside must: if any row that is gone had been, the file must be set aside. If none had been, none may have left either;
 * then those rows count as never stored, and the case says how often that was.
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
  const announced = announcedIn(image);
  const isAnnounced = olderThrough !== null && Object.values(announced).some(({ through }) => through > olderThrough);
  const unheard = isAnnounced ? Infinity : (olderThrough ?? Infinity);
  const of = (kind: string): string => image.marks.filter((line) => line.startsWith(kind) && (kind !== "S " || seqOf(line) <= unheard)).map((line) => `${line.slice(kind.length)}\n`).join("");
  writeFileSync(storedLog(folder), of("S "));
  writeFileSync(receivedLog(folder), of("R "));
  const { wrong, told, backMs } = await recovered(folder, { connection: "after", seed: parent.seed, facts: 15, announced });
  const isSetAside = existsSync(join(folder, "data", "quarantine"));
  const also = [
    ...wrong,
    ...(isAnnounced && !isSetAside ? [`older: it holds rows through ${olderThrough}, ${JSON.stringify(announced)} had been announced, and it was gone on with`] : []),
    ...(device === "honest" && isSetAside ? ["a buffer that an honest device left was taken for damaged"] : []),
    ...(backMs > BACK_MS ? [`back in service after ${Math.round(backMs)} ms`] : []),
  ];
  const tally = judged(folder, { destinations: DESTINATIONS, exact: false, expected: toldThrough(told), faults: 1, also, backMs });
  return { ...tally, violations: tally.violations.map((words) => `cut before event ${image.at}: ${words}`), ...note({ isSetAside, isAnnounced, isOlder: olderThrough !== null }) };
}

/** By destination: the last mark that was left with it before the cut. */
function announcedIn({ marks }: Image): Readonly<Record<string, { readonly epoch: string; readonly through: number }>> {
  return Object.fromEntries(marks.filter((line) => line.startsWith("A ")).map((line) => {
    const { destination, epoch, seq } = JSON.parse(line.slice(2)) as { readonly destination: string; readonly epoch: string; readonly seq: number };
    return [destination, { epoch, through: seq }];
  }));
}
function note({ isSetAside, isAnnounced, isOlder }: { readonly isSetAside: boolean; readonly isAnnounced: boolean; readonly isOlder: boolean }): Pick<Tally, "note"> {
  if (isAnnounced) return { note: "older, known by what was announced" };
  if (isSetAside) return { note: "set aside" };
  return isOlder ? { note: "older, nothing of it announced" } : {};
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
