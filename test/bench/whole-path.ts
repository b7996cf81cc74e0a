/**
 * The whole path: a recorded day served over HTTP by a simulated agent in another process, streamed, decoded, stamped,
 * put through all detectors and stored. Counted are the readings the driver gives (the items we read; what it filters
 * out is not counted), until every record made of them is synced. No broker: what is published later is `drain`.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { assemble } from "../../agent/assemble.ts";
import type { Driver, Session } from "../../agent/contract/source.ts";
import { runAgent } from "../../agent/runtime/agent.ts";
import { loadedFrom } from "../support/loaded.ts";
import { testPorts } from "../support/ports.ts";
import { atLeastBound, type Figure } from "./figure.ts";
import { NODE_FLAGS, SERVICE_ENVIRONMENT } from "./support/agent-process.ts";
import { startMachines, type Machines } from "./support/start-machines.ts";

const OBSERVATIONS = 300_000;
const RUNS = 3;
const GOAL = 50_000;
const LONGEST_MS = 120_000;
const run = promisify(execFile);

interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly readings: number;
  readonly records: number;
}

/** With Node as it comes, and with the flags under which memory is measured: they trade one for the other. */
export async function wholePath(): Promise<readonly Figure[]> {
  const own = await throughput();
  const { stdout } = await run(process.execPath, [...NODE_FLAGS, join(import.meta.dirname, "whole-path-service.ts")], { env: { ...process.env, ...SERVICE_ENVIRONMENT }, timeout: LONGEST_MS * RUNS });
  const service = JSON.parse(stdout) as Measured;
  console.error(`  best with the service's flags: ${Math.round(rateOf(service))}/s, ${service.cpuSeconds.toFixed(2)} s of CPU`);
  const name = `whole path, readings from stream bytes to synced records, ${cpus().length} cores shared with the simulated agent`;
  return [
    atLeastBound(`${name}, Node's own defaults`, "readings/s", rateOf(own), GOAL),
    atLeastBound(`${name}, the service's memory flags`, "readings/s", rateOf(service), GOAL),
  ];
}

const rateOf = ({ readings, seconds }: Measured): number => readings / seconds;

/** The best of some runs in this process. */
export async function throughput(): Promise<Measured> {
  await using machines = await startMachines({ kind: "recorded", observations: OBSERVATIONS });
  console.error(`  ${machines.what}: ${machines.observations} observations in the simulated agent`);
  let best: Measured | null = null;
  for (let number = 0; number < RUNS; number++) {
    const measured = await once(machines);
    console.error(`  ${measured.readings} readings → ${measured.records} records in ${measured.seconds.toFixed(2)} s (${Math.round(rateOf(measured))}/s), ${measured.cpuSeconds.toFixed(2)} s of this process's CPU`);
    if (best === null || measured.seconds < best.seconds) best = measured;
  }
  if (best === null) throw new Error("nothing was measured");
  return best;
}

async function once(machines: Machines): Promise<Measured> {
  const dataDir = mkdtempSync(join(tmpdir(), "cellgate-whole-path-"));
  try {
    const loaded = loadedFrom(`
agent: {id: bench, timezone: UTC}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines:
  - {id: VMC-1, sources: [{type: mtconnect, url: "${machines.urls[0] ?? ""}", device: ${JSON.stringify(machines.device)}, history: buffer, time: source}]}
`);
    return await consume({ ...loaded, agent: { ...loaded.agent, dataDir } }, machines.observations);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function consume(configuration: ReturnType<typeof loadedFrom>, expected: number): Promise<Measured> {
  const ports = testPorts();
  const stopping = new AbortController();
  const parts = assemble(configuration, ports, "bench");
  const counted = { readings: 0, done: Promise.withResolvers<void>() };
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  let records = 0;
  let stored: Promise<unknown> = Promise.resolve();
  const { outbox } = parts;
  const commit = outbox.commit.bind(outbox);
  outbox.commit = (one) => {
    records += one.records.length;
    const done = commit(one);
    stored = Promise.all([stored, done]);
    return done;
  };
  const running = runAgent({
    ...parts,
    driver: (source, own) => counting(parts.driver(source, own), counted),
    // A broker that cannot be reached: connecting lasts until the end.
    destination: ({ name }) => ({ kind: "none", name, connect: (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => { reject(new Error("over")); }, { once: true })) }),
  }, stopping.signal);
  const ended = AbortSignal.timeout(LONGEST_MS);
  await Promise.race([counted.done.promise, running, new Promise((_, reject) => ended.addEventListener("abort", () => { reject(new Error(`only ${counted.readings} readings of ${expected} observations within ${LONGEST_MS} ms; log: ${JSON.stringify(ports.lines.slice(-5))}`)); }))]);
  await stored;
  const seconds = (performance.now() - began) / 1_000;
  const used = process.cpuUsage(cpu);
  stopping.abort(new Error("measured"));
  await running;
  return { seconds, cpuSeconds: (used.user + used.system) / 1e6, readings: counted.readings, records };
}

/** Counts what the driver gives; done when the agent has been told all of it and it was taken. */
function counting(driver: Driver, counted: { readings: number; readonly done: PromiseWithResolvers<void> }): Driver {
  const read = async function* (session: Session, ...args: Parameters<Session["read"]>): ReturnType<Session["read"]> {
    for await (const batch of session.read(...args)) {
      counted.readings += batch.items.length;
      yield batch;
      if (batch.caughtUp) counted.done.resolve();
    }
  };
  return {
    kind: driver.kind,
    async connect(signal) {
      const session = await driver.connect(signal);
      return { peer: session.peer, read: (...args) => read(session, ...args), close: () => session.close() };
    },
  };
}
