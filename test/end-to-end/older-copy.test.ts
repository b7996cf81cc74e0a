/**
 * An older copy of the whole data directory is put in place of the newer one, after a kill: file and marks on the device
 * agree with each other, and only what was left at the broker says that it is older. The built program, a real Mosquitto.
 */
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { simulate, type Simulation } from "../../agent/simulate/mtconnect/start.ts";
import { Arrived, compare } from "../crash/arrived.ts";
import { scripted } from "../crash/feeds.ts";
import { startMosquitto, subscribe, type Mosquitto, type Received, type Subscriber } from "../support/broker.ts";
import { builtBundle, runBundle, type BundleProcess } from "../support/bundle.ts";
import { NO_WINDOWS } from "../support/loaded.ts";
import { describeNeeding } from "../support/needs.ts";

const SHIFT_S = 10;
const WAIT_MS = 30_000;
const QUIET_MS = 2_000;
interface Row { readonly epoch: string; readonly seq: number }
interface Loss { readonly fromSeq: number | null; readonly lostEpoch: string }

const rowsOf = (received: readonly Received[]): readonly string[] => received.filter(({ topic }) => topic.includes("/rec/")).map(({ text }) => text);
const epochsOf = (texts: readonly string[]): readonly string[] => [...new Set(texts.map((text) => (JSON.parse(text) as Row).epoch))];
const highest = (texts: readonly string[]): number => Math.max(0, ...texts.map((text) => (JSON.parse(text) as Row).seq));

function lastRow(dataDir: string): number {
  const db = new Database(join(dataDir, "cellgate.db"), { readonly: true });
  try {
    return db.prepare<[], number>("SELECT max(seq) FROM record").pluck().get() ?? 0;
  } finally {
    db.close();
  }
}

interface Shop {
  readonly simulation: Simulation;
  readonly dataDir: string;
  readonly start: () => BundleProcess;
}
/** The scripted shift, at once or within `seconds`, and an agent to be started on it. */
async function shop(folder: string, broker: Mosquitto, { name, seconds }: { readonly name: string; readonly seconds: number | null }): Promise<Shop> {
  const { feed } = scripted();
  const lastMs = feed.steps.at(-1)?.atMs ?? 0;
  const simulation = await simulate({ ...feed, steps: feed.steps.map(({ atMs, observations }) => ({ atMs, observations })) }, { clock: systemClock(), speed: seconds === null ? "all" : lastMs / (seconds * 1_000), maxPauseMs: Infinity });
  const [file, dataDir, bundle] = [join(folder, `${name}.yaml`), join(folder, name), await builtBundle()];
  writeFileSync(file, `agent: {id: cell-7, site: lyon, timezone: UTC, environment: test, data_dir: ${dataDir}}
destinations: [{type: mqtt, name: bridge, client_id: ${name}, url: "mqtt://127.0.0.1:${broker.port}", topic: "${name}/{site}/{machine}", ${NO_WINDOWS}}]
machines: [{id: VMC-3, sources: [{type: mtconnect, url: "${simulation.agent.url}", history: buffer, heartbeat: 200ms, time: source}]}]
`);
  return { simulation, dataDir, start: () => runBundle(bundle, ["run", "--config", file], { STATE_DIRECTORY: folder }) };
}
/** All there is has come. */
async function arrivedAt({ received }: Subscriber): Promise<Arrived> {
  for (let count = -1; count !== rowsOf(received).length; await new Promise((resolve) => setTimeout(resolve, QUIET_MS))) count = rowsOf(received).length;
  const arrived = new Arrived();
  for (const text of rowsOf(received)) arrived.take(text);
  return arrived;
}
async function undisturbed(folder: string, broker: Mosquitto): Promise<Arrived> {
  await using subscriber = await subscribe(broker.port, "whole/#");
  const { simulation, start } = await shop(folder, broker, { name: "whole", seconds: null });
  await using _ = start();
  await subscriber.until((received) => rowsOf(received).length > 60, WAIT_MS);
  const arrived = await arrivedAt(subscriber);
  await simulation.close();
  return arrived;
}

describeNeeding(["mosquitto"], "an older copy of the data directory", () => {
  it("is set aside before a row leaves under a number that was used, and nothing is missing at the end", { timeout: 120_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "cellgate-older-"));
    await using broker = await startMosquitto(["max_queued_messages 0"]);
    const whole = await undisturbed(folder, broker);
    await using subscriber = await subscribe(broker.port, "older/#");
    const { simulation, dataDir, start } = await shop(folder, broker, { name: "older", seconds: SHIFT_S });
    const [copy, rows] = [join(folder, "copy"), (): readonly string[] => rowsOf(subscriber.received)];
    try {
      await using first = start();
      await subscriber.until((received) => rowsOf(received).length >= 15, WAIT_MS);
      await first.kill("SIGKILL");
      cpSync(dataDir, copy, { recursive: true });
      const held = lastRow(copy);
      await using second = start();
      await subscriber.until((received) => highest(rowsOf(received)) >= held + 5, WAIT_MS);
      await second.kill("SIGKILL");
      const [epoch = "", ...others] = epochsOf(rows());
      expect(others).toEqual([]);
      rmSync(dataDir, { recursive: true });
      cpSync(copy, dataDir, { recursive: true });

      await using third = start();
      await subscriber.until((received) => epochsOf(rowsOf(received)).length === 2, WAIT_MS).catch((cause: unknown) => { throw new Error(third.out(), { cause }); });
      expect(third.out()).toContain("the buffer is an older copy of itself");
      expect(third.out()).toContain("the agent starts again on a new buffer");
      expect(readdirSync(join(dataDir, "quarantine"))).toHaveLength(1);
      await simulation.playback.finished;
      const arrived = await arrivedAt(subscriber);
      expect(await third.kill("SIGTERM")).toEqual({ code: 0, signal: null });
      // Among the faults would be a number that names two rows.
      expect({ faults: arrived.faults, differences: compare(whole, arrived).differences }).toEqual({ faults: [], differences: [] });
      const losses = [...arrived.records.values()].filter(({ type }) => type === "io.cellgate.loss.v1").map(({ data }) => JSON.parse(data) as Loss);
      expect(losses.map(({ lostEpoch }) => lostEpoch)).toEqual(losses.map(() => epoch));
      expect(losses[0]).toMatchObject({ fromSeq: 1 });
      expect(losses.at(-1)).toMatchObject({ destination: null, reason: "buffer_corrupt", toSeq: null, count: null });
      expect(losses.at(-1)?.fromSeq).toBeLessThanOrEqual(highest(rows().filter((text) => (JSON.parse(text) as Row).epoch === epoch)));
    } finally {
      await simulation.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
