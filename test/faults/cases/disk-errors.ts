/**
 * The k-th write, truncation or sync of the buffer's files fails, for every k of a run: input/output error, no space,
 * read-only; once, and for a while. The process must come back by itself, unless it fails while it opens: then the next
 * start must. Nothing reported stored may be missing, and whatever was told must have arrived.
 * The calls of a run without fault are counted first; a run takes every k of its share.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import type { FaultCase, Run, Tally } from "../case.ts";
import { library } from "../support/built.ts";
import { judged } from "../support/evidence.ts";
import { life, recovered } from "../support/storage.ts";
import { added } from "../support/tallies.ts";
import { DESTINATIONS, toldThrough } from "../support/work.ts";

const { EIO, ENOSPC, EROFS } = constants.errno;
const ERRORS = [["EIO", EIO], ["ENOSPC", ENOSPC], ["EROFS", EROFS]] as const;
/** Once, and everything for so long. */
const FOR_MS = [0, 250];
const FACTS = 8;
/** Each run takes every so manyth of all (k, error, time). */
const SHARES = { short: 61, long: 25 };
const LIFE_MS = 20_000;
/** Larger groups and no pause would merge what we mean to separate. */
const OPTIONS = { groupMs: 1, carryPages: 8 };

async function callsOf(run: Run): Promise<number> {
  const folder = join(run.folder, "counted");
  mkdirSync(folder);
  const count = join(folder, "calls");
  const counted = await life(folder, { seed: run.seed, facts: FACTS, options: OPTIONS, env: { LD_PRELOAD: library("failing-disk"), DISK_COUNT: count } });
  if (!counted.closed) throw new Error(`the run without fault did not end well: ${counted.words}`);
  return Number(readFileSync(count, "utf8"));
}

async function failing(parent: Run, at: number, [name, errno]: readonly [string, number], ms: number): Promise<Tally> {
  const what = `call ${at} ${ms > 0 ? `and all for ${ms} ms ` : ""}fails with ${name}`;
  const folder = join(parent.folder, `${at}-${name}-${ms}`);
  mkdirSync(folder);
  const count = join(folder, "calls");
  const env = { LD_PRELOAD: library("failing-disk"), DISK_COUNT: count, DISK_FAIL_AT: String(at), DISK_FAIL_MS: String(ms), DISK_FAIL_ERRNO: String(errno) };
  const first = await life(folder, { connection: "failing", seed: parent.seed, facts: FACTS, options: OPTIONS, env, longestMs: LIFE_MS });
  const { wrong, told, backMs } = await recovered(folder, { connection: "after", seed: parent.seed, facts: FACTS, longestMs: LIFE_MS });
  const also = [
    ...wrong,
    ...(first.opened && first.told === null ? [`the failing life ended with ${first.signal ?? String(first.code)}: ${first.words.slice(-600)}`] : []),
    ...(existsSync(join(folder, "data", "quarantine")) ? ["a whole file was taken for damaged"] : []),
  ];
  const tally = judged(folder, { destinations: DESTINATIONS, exact: false, expected: toldThrough(told), faults: existsSync(`${count}.failed`) ? 1 : 0, also, backMs });
  return { ...tally, violations: tally.violations.map((words) => `${what}: ${words}`) };
}

export const diskErrors: FaultCase = {
  name: "disk-errors",
  what: "the buffer alone, its k-th write or sync failing, for every k: EIO, ENOSPC, EROFS, once and for a while",
  needs: ["gcc"],
  runs: { short: 1, long: SHARES.long },
  longestMs: 900_000,
  async run(run) {
    const calls = await callsOf(run);
    const all = Array.from({ length: calls }, (_, index) => index + 1).flatMap((at) => ERRORS.flatMap((error) => FOR_MS.map((ms) => ({ at, error, ms }))));
    const share = SHARES[run.length];
    // A short run draws by its seed which ones; the runs of a long one together take all.
    const offset = run.length === "long" ? run.index : Math.floor(run.random() * share);
    const tallies: Tally[] = [];
    for (const { at, error, ms } of all.filter((_, index) => index % share === offset)) tallies.push(await failing(run, at, error, ms));
    return added(tallies);
  },
};
