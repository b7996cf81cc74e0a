/**
 * The buffer of a running agent is deleted, or found damaged after a kill: the built program goes on by itself, in the
 * same process, and at the end a bridge holds what it holds of a run without the damage.
 */
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { simulate, type Simulation } from "../../agent/simulate/mtconnect/start.ts";
import { Arrived, compare } from "../crash/arrived.ts";
import { scripted } from "../crash/feeds.ts";
import { startAedes, subscribe, type Received } from "../support/broker.ts";
import { builtBundle, runBundle, type BundleProcess } from "../support/bundle.ts";
import { NO_WINDOWS } from "../support/loaded.ts";

const PAGE = 4_096;
const SHIFT_S = 8;
const SERVICE_MS = 10_000;
interface Heard { readonly received: readonly Received[] }
let [bundle, folder] = ["", ""];
let whole: Arrived;

function shift(seconds?: number): Promise<Simulation> {
  const { feed } = scripted();
  const lastMs = feed.steps.at(-1)?.atMs ?? 0;
  return simulate({ ...feed, steps: feed.steps.map(({ atMs, observations }) => ({ atMs, observations })) }, { clock: systemClock(), speed: seconds === undefined ? "all" : lastMs / (seconds * 1_000), maxPauseMs: Infinity });
}
const arrivedBy = ({ received }: Heard): Arrived => {
  const arrived = new Arrived();
  for (const { text } of received) arrived.take(text);
  return arrived;
};
const epochs = ({ received }: Heard): number => new Set(received.map(({ text }) => (JSON.parse(text) as { epoch: string }).epoch)).size;
/** No new message for a while: all there is has come. */
async function quiet(subscriber: Heard, forMs = 1_500): Promise<void> {
  for (let count = -1; count !== subscriber.received.length;) {
    count = subscriber.received.length;
    await new Promise((resolve) => setTimeout(resolve, forMs));
  }
}

/** Runs an agent on the shift, at its speed or at once, in front of `during`. */
async function run(name: string, seconds: number | undefined, during: (at: { readonly start: () => BundleProcess; readonly subscriber: Heard; readonly dataDir: string }) => Promise<void>): Promise<Arrived> {
  const simulation = await shift(seconds);
  await using broker = await startAedes();
  await using subscriber = await subscribe(broker.port, "cellgate/v1/#");
  const [file, dataDir] = [join(folder, `${name}.yaml`), join(folder, `${name}-data`)];
  writeFileSync(file, `agent: {id: cell-7, site: lyon, timezone: UTC, environment: test, data_dir: ${dataDir}}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:${broker.port}", topic: "cellgate/v1/{site}/{machine}", ${NO_WINDOWS}}]
machines: [{id: VMC-3, sources: [{type: mtconnect, url: "${simulation.agent.url}", history: buffer, heartbeat: 200ms, time: source}]}]
`);
  const records: Heard = { get received() { return subscriber.received.filter(({ topic }) => topic.includes("/rec/")); } };
  try {
    await during({ start: () => runBundle(bundle, ["run", "--config", file], { STATE_DIRECTORY: folder }), subscriber: records, dataDir });
    return arrivedBy(records);
  } finally {
    await simulation.close();
  }
}
/** Fills a page with garbage that the agent itself never reads: of an index it only writes. */
function spoil(path: string): void {
  const db = new Database(path, { readonly: true });
  const page = db.prepare<[], number>("SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_destination_1'").pluck().get() ?? 0;
  db.close();
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, Buffer.alloc(PAGE, 0xa5), 0, PAGE, (page - 1) * PAGE);
  closeSync(descriptor);
}
async function until(condition: () => boolean, agent: BundleProcess, timeoutMs = 20_000): Promise<void> {
  for (const end = performance.now() + timeoutMs; !condition(); await new Promise((resolve) => setTimeout(resolve, 10)))
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${agent.out()}`);
}

beforeAll(async () => {
  bundle = await builtBundle();
  folder = mkdtempSync(join(tmpdir(), "cellgate-damage-"));
  whole = await run("whole", undefined, async ({ start, subscriber }) => {
    await using agent = start();
    await until(() => subscriber.received.length > 60, agent);
    await quiet(subscriber);
  });
}, 90_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the buffer of a running agent", () => {
  it("deleted: a new one within seconds, in the same process, and nothing is missing at the end", { timeout: 60_000 }, async () => {
    const arrived = await run("deleted", SHIFT_S, async ({ start, subscriber, dataDir }) => {
      await using agent = start();
      await until(() => subscriber.received.length > 25, agent);
      rmSync(join(dataDir, "cellgate.db"));
      const began = performance.now();
      await until(() => epochs(subscriber) === 2, agent);
      expect(performance.now() - began).toBeLessThan(SERVICE_MS);
      expect(agent.out()).toContain("the agent starts again on a new buffer");
      await quiet(subscriber, 3_000);
      expect(await agent.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    });
    expect({ faults: arrived.faults, differences: compare(whole, arrived).differences }).toEqual({ faults: [], differences: [] });
    // What was still to come, if anything was, and the end of the old numbers: no row is lost.
    const losses = [...arrived.records.values()].filter(({ type }) => type === "io.cellgate.loss.v1");
    expect([1, 2]).toContain(losses.length);
    for (const { data } of losses) expect(JSON.parse(data)).toMatchObject({ reason: "buffer_corrupt", count: 0 });
  });

  it("damaged where nobody reads, after a kill: the look through finds it, and nothing is missing at the end", { timeout: 60_000 }, async () => {
    const arrived = await run("damaged", SHIFT_S, async ({ start, subscriber, dataDir }) => {
      const database = join(dataDir, "cellgate.db");
      await using first = start();
      await until(() => subscriber.received.length > 25, first);
      await first.kill("SIGTERM"); // Carries the log into the database.
      await using second = start();
      await until(() => second.out().includes("source connected"), second);
      await second.kill("SIGKILL");
      spoil(database);
      const began = performance.now();
      await using third = start();
      await until(() => third.out().includes("it is set aside and a new one was started"), third);
      await until(() => epochs(subscriber) === 2, third);
      expect(performance.now() - began).toBeLessThan(SERVICE_MS);
      expect(readdirSync(join(dataDir, "quarantine"))).toHaveLength(1);
      expect(existsSync(join(dataDir, "cellgate.db-damaged"))).toBe(false);
      await quiet(subscriber, 3_000);
      expect(await third.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    });
    expect({ faults: arrived.faults, differences: compare(whole, arrived).differences }).toEqual({ faults: [], differences: [] });
  });
});

