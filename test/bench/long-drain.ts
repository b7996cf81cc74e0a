/**
 * Whether memory goes on rising while very many records are drained for minutes: the built agent with the service's
 * flags, started on `--rows` waiting (default 1,000,000), drains them at a fixed rate until few are left. Three levels,
 * quarter by quarter: what is alive in V8's heap (after each full collection of it), the C library's (SQLite's cache and
 * statements, Node's own), and all anonymous memory, in which V8's heap breathes between its collections: of that the
 * most is bounded. 1,000,000 take 5 minutes and 0.4 GB of disk, which is free again afterwards.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import { atMost, percentile, type Figure } from "./figure.ts";
import { NODE_FLAGS, startAgentProcess } from "./support/agent-process.ts";
import { listen, startBroker } from "./support/broker.ts";
import { changingFeed } from "./support/feeds.ts";
import { sleep } from "./support/waiting.ts";
import { assertRoomFor, drainingConfiguration, fillWaiting } from "./support/waiting-records.ts";

const PER_SECOND = 4_000;
const LOOK_MS = 250;
/** The last ones are not waited for: all of the time is spent draining. */
const DRAINED_SHARE = 0.95;
const QUARTERS = 4;
/** Of what is alive, and of the C library's heap. */
const GROWTH_MB = 1;
const MOST_MB = 45;
/** A busy machine drains slower than it may. */
const LONGEST_FACTOR = 5;
const MIB = 1024 ** 2;

interface Sample {
  readonly drained: number;
  readonly anonymousMB: number;
  readonly libraryMB: number;
  /** Of the last full collection; NaN before the first. */
  readonly aliveMB: number;
}

export async function longDrain({ rows }: { readonly rows: number }): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-long-drain-"));
  try {
    assertRoomFor(rows, folder);
    await fillWaiting(join(folder, "data"), rows);
    const samples = await drained(folder, rows);
    const quarters = Array.from({ length: QUARTERS }, (_, index) => samples.filter((one) => Math.floor((one.drained * QUARTERS) / (rows * DRAINED_SHARE)) === index));
    const levels = (of: "anonymousMB" | "libraryMB" | "aliveMB"): readonly number[] => quarters.map((quarter) => percentile(quarter.map((one) => one[of]).filter((value) => !Number.isNaN(value)), 0.5));
    const growth = ([, second = Number.NaN, , last = Number.NaN]: readonly number[]): number => last - second;
    const [alive, library, anonymous] = [levels("aliveMB"), levels("libraryMB"), levels("anonymousMB")];
    const most = Math.max(...samples.map(({ anonymousMB }) => anonymousMB));
    const shown = (of: readonly number[]): string => of.map((level) => level.toFixed(1)).join(", ");
    console.error(`  ${rows} records, ${((samples.length * LOOK_MS) / 1_000).toFixed(0)} s; medians of each quarter: alive in V8's heap ${shown(alive)}, the C library's heap ${shown(library)}, all anonymous ${shown(anonymous)}, at most ${most.toFixed(1)} MiB`);
    const name = `draining ${rows.toLocaleString("en")} records`;
    return [
      atMost(`${name}: growth of what is alive in V8's heap, median of the last quarter less that of the second`, "MiB", growth(alive), GROWTH_MB),
      atMost(`${name}: growth of the C library's heap, the same`, "MiB", growth(library), GROWTH_MB),
      atMost(`${name}: anonymous memory, most`, "MiB", most, MOST_MB),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function drained(folder: string, rows: number): Promise<readonly Sample[]> {
  const heap = join(folder, "heap-samples");
  writeFileSync(heap, "");
  const sampler = join(folder, "heap-sampler.mjs");
  writeFileSync(sampler, transformSync(readFileSync(join(import.meta.dirname, "support", "heap-sampler.ts")), { loader: "ts" }).code);
  const simulation = await simulate(changingFeed("VMC-1"), { clock: systemClock(), speed: 1 });
  try {
    await using broker = await startBroker();
    let count = 0;
    await using _listening = await listen(broker.port, "cellgate/v1/+/+/rec/#", () => void count++);
    const configuration = drainingConfiguration(folder, broker.port, { url: simulation.agent.url, rows, perSecond: PER_SECOND });
    await using agent = startAgentProcess(folder, configuration, [...NODE_FLAGS, "--import", sampler], { HEAP_SAMPLES: heap });
    const samples: Sample[] = [];
    const longestMs = (rows / PER_SECOND) * LONGEST_FACTOR * 1_000;
    for (const began = performance.now(); count < rows * DRAINED_SHARE;) {
      if (performance.now() - began > longestMs) throw new Error(`only ${count} of ${rows} records were drained in ${longestMs} ms; the agent says: ${agent.log()}`);
      await sleep(LOOK_MS);
      samples.push({ drained: count, anonymousMB: agent.use().anonymousMB, libraryMB: libraryOf(agent.pid), aliveMB: aliveIn(heap) });
    }
    return samples;
  } finally {
    await simulation.close();
  }
}

/** The segment that the C library grows and shrinks: with one arena (MALLOC_ARENA_MAX=1) nearly all it gives. */
function libraryOf(pid: number): number {
  const segment = /\[heap\]\n(?:\w+:.*\n)*?Anonymous:\s+(\d+) kB/u.exec(readFileSync(`/proc/${pid}/smaps`, "utf8"))?.[1];
  return segment === undefined ? Number.NaN : Number(segment) / 1_024;
}

/** What was left in V8's heap by its last full collection. */
function aliveIn(heapSamples: string): number {
  const last = readFileSync(heapSamples, "utf8").trimEnd().split("\n").at(-1) ?? "";
  return last === "" ? Number.NaN : Number(last) / MIB;
}
