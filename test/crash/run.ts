/**
 * One run of the built agent over a feed: a real Mosquitto, a subscriber of its own connection, the simulated machine
 * in this process, and the agent as a child process that is killed (-9) at given moments and started again at once.
 * Ends when the feed has ended, the agent has been told all of it, and nothing more comes; then the agent is stopped in
 * an orderly way, and what its buffer says it stored must be what arrived.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import type { Feed } from "../../agent/simulate/mtconnect/feeds/feed.ts";
import { simulate, type Simulation } from "../../agent/simulate/mtconnect/start.ts";
import { openOutbox } from "../../buffer/outbox.ts";
import { listen, startBroker } from "../bench/support/broker.ts";
import { sleep } from "../bench/support/waiting.ts";
import { runBundle, type BundleProcess } from "../support/bundle.ts";
import { NO_WINDOWS } from "../support/loaded.ts";
import { testPorts } from "../support/ports.ts";
import { Arrived } from "./arrived.ts";
import type { Played } from "./feeds.ts";

export interface CrashRun {
  readonly bundle: string;
  /** How long each life of the agent lasts before it is killed; ms. */
  readonly livesMs: readonly number[];
  /** The feed is played so that it lasts this long; null: it is all there before the agent has started. */
  readonly lastsMs: number | null;
  /** After the first life the agent waits only `holdMs` for its machine, whose cable is pulled time and again. */
  readonly holes?: { readonly holdMs: number; readonly cables: readonly { readonly afterMs: number; readonly forMs: number }[] };
}

/** Longer pauses of a recording are shortened to this: a kill should meet an agent at work. */
const LONGEST_PAUSE_MS = 30_000;
const HEARTBEAT_MS = 500;
/** Several heartbeats of the stream: time alone concludes nothing more. */
const QUIET_MS = 4 * HEARTBEAT_MS;
const CATCH_UP_MS = 60_000;
const LOOK_MS = 25;
const DEFAULT_HOLD_MS = 600_000;

export async function crashRun({ feed, device }: Played, { bundle, livesMs, lastsMs, holes }: CrashRun): Promise<Arrived> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-crash-"));
  const arrived = new Arrived();
  await using broker = await startBroker();
  await using _listening = await listen(broker.port, "cellgate/v1/#", (topic, text) => {
    if (topic.includes("/rec/")) arrived.take(text);
    else if (topic.endsWith("/_agent/crash")) arrived.heard(text);
  });
  const simulation = await simulate(feed, { clock: systemClock(), speed: lastsMs === null ? "all" : lengthMs(feed) / lastsMs, maxPauseMs: LONGEST_PAUSE_MS, bufferSize: 1 << 20, cable: "cut" });
  const file = join(folder, "cellgate.yaml");
  const configure = (holdMs: number): void => {
    writeFileSync(file, configuration({ dataDir: join(folder, "data"), broker: broker.port, url: simulation.agent.url, device, holdMs }));
  };
  configure(DEFAULT_HOLD_MS);
  const start = (): BundleProcess => runBundle(bundle, ["run", "--config", file], { STATE_DIRECTORY: folder });
  let agent = start();
  try {
    if (holes) {
      // Its first position is stored: before that there is nothing to come back to.
      await firstRecord(arrived, agent);
      await agent.kill("SIGKILL");
      configure(holes.holdMs);
      agent = start();
    }
    const pulling = pullCables(simulation, holes?.cables ?? []);
    for (const lifeMs of livesMs) {
      await Promise.race([sleep(lifeMs), agent.ended.then(({ code }) => { throw new Error(`the agent ended by itself with ${String(code)}:\n${agent.out()}\n${agent.err()}`); })]);
      await agent.kill("SIGKILL");
      agent = start();
    }
    await pulling;
    await toldAll(simulation, arrived, agent);
    await agent.kill("SIGTERM");
    await nothingWaits(join(folder, "data"), arrived);
    return arrived;
  } finally {
    await agent.kill("SIGKILL");
    await simulation.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function firstRecord(arrived: Arrived, agent: BundleProcess): Promise<void> {
  for (const end = performance.now() + CATCH_UP_MS; arrived.messages === 0; await sleep(LOOK_MS))
    if (performance.now() > end) throw new Error(`no record arrived within ${CATCH_UP_MS} ms:\n${agent.out().slice(-4_000)}`);
}

async function pullCables({ agent }: Simulation, cables: NonNullable<CrashRun["holes"]>["cables"]): Promise<void> {
  for (const { afterMs, forMs } of cables) {
    await sleep(afterMs);
    agent.pullCable("cut");
    await sleep(forMs);
    await agent.plugCable();
  }
}

const lengthMs = ({ steps }: Feed): number =>
  steps.reduce((sum, { atMs }, index) => sum + Math.min(LONGEST_PAUSE_MS, atMs - (steps[index - 1]?.atMs ?? 0)), 0);

async function toldAll({ agent: machine, playback }: Simulation, arrived: Arrived, agent: BundleProcess): Promise<void> {
  await playback.finished;
  let told = Number.POSITIVE_INFINITY;
  for (const end = performance.now() + CATCH_UP_MS; ; await sleep(LOOK_MS)) {
    const now = performance.now();
    const all = machine.core.listeners.size > 0 && [...machine.core.listeners].every(({ pending }) => pending === null);
    told = all ? Math.min(told, now) : Number.POSITIVE_INFINITY;
    if (now - Math.max(told, arrived.newestMs) > QUIET_MS) return;
    if (now > end) throw new Error(`the agent did not catch up within ${CATCH_UP_MS} ms:\n${agent.out().slice(-4_000)}`);
  }
}

/** The buffer is read after the agent has ended: every row of it arrived, and is settled. */
async function nothingWaits(dataDir: string, arrived: Arrived): Promise<void> {
  const ports = testPorts();
  const outbox = openOutbox({ dataDir, destinations: [{ name: "bridge" }], clock: ports.network, log: ports.log, describeLoss: () => { throw new Error("the buffer reports a loss"); } });
  const { lastSeq, destinations } = outbox.status();
  await outbox.close();
  const last = arrived.lastRow();
  if (last !== lastSeq) arrived.faults.push(`the buffer holds rows through ${lastSeq}, and ${last} is the last that arrived`);
  const waiting = destinations[0]?.waiting ?? 0;
  if (waiting > 0) arrived.faults.push(`${waiting} records still wait for their acknowledgement after an orderly end`);
}

const configuration = (at: { readonly dataDir: string; readonly broker: number; readonly url: string; readonly device: string; readonly holdMs: number }): string => `
agent: {id: crash, site: bench, timezone: UTC, environment: test, data_dir: ${JSON.stringify(at.dataDir)}}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:${at.broker}", ${NO_WINDOWS}}]
machines:
  - id: VMC-3
    sources: [{type: mtconnect, url: "${at.url}", device: ${at.device}, history: buffer, time: source, heartbeat: ${HEARTBEAT_MS}ms, refill_hold: ${at.holdMs}ms}]
    shifts:
      shifts: [{code: early, start: "06:00", end: "14:00"}, {code: late, start: "14:00", end: "22:00"}, {code: night, start: "22:00", end: "06:00"}]
      breaks: [{name: lunch, start: "10:00", end: "10:30"}]
`;
