/**
 * Time from an execution change pushed into a simulated agent to its `state` record received by a subscriber of its own
 * connection at a real Mosquitto: HTTP stream, detectors, synced to disk, MQTT QoS 1. The built agent is a process of
 * its own; changes come at irregular times, about 10 a second, so that nothing beats in step with them.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import type { SimulatedAgent } from "../../agent/simulate/mtconnect/agent.ts";
import { seeded } from "../support/seeded.ts";
import { eventLoop } from "./event-loop.ts";
import { atMost, percentile, type Figure } from "./figure.ts";
import { configurationFor, NODE_FLAGS, startAgentProcess } from "./support/agent-process.ts";
import { listen, startBroker } from "./support/broker.ts";
import { changingFeed } from "./support/feeds.ts";
import { sleep, within } from "./support/waiting.ts";

const CHANGES = 400;
const [LEAST_MS, MOST_MS] = [50, 150];
const SEED = 7;
const SETTLE_MS = 20_000;

/** And with it, what slow syncs do to the event loop of the whole agent (event-loop.ts). */
export async function latency(): Promise<readonly Figure[]> {
  return [...await changes(), ...await eventLoop()];
}

async function changes(): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-latency-"));
  const simulation = await simulate(changingFeed("VMC-1"), { clock: systemClock(), speed: 1 });
  try {
    await using broker = await startBroker();
    const seen = new Map<number, number>();
    const first = Promise.withResolvers<void>();
    await using _listening = await listen(broker.port, "cellgate/v1/#", (_topic, text, atMs) => {
      const event = JSON.parse(text) as Event;
      if (event.type !== "io.cellgate.state.v1" || event.data?.rev !== 1) return;
      first.resolve();
      seen.set(Date.parse(event.time ?? ""), atMs);
    });
    await using agent = startAgentProcess(folder, configurationFor(folder, broker.port, [simulation.agent.url]), NODE_FLAGS);
    await within(SETTLE_MS, first.promise, () => `no state record came; the agent says: ${agent.log()}`);
    const pushed = await pushChanges(simulation.agent);
    const complete = (): boolean => [...pushed.keys()].every((at) => seen.has(at));
    for (const end = performance.now() + SETTLE_MS; !complete() && performance.now() < end;) await sleep(20);
    const waits = [...pushed].map(([at, sentMs]) => (seen.get(at) ?? Number.POSITIVE_INFINITY) - sentMs);
    console.error(`  ${waits.length} changes (seed ${SEED}): p50 ${percentile(waits, 0.5).toFixed(1)} ms, p90 ${percentile(waits, 0.9).toFixed(1)} ms, p99 ${percentile(waits, 0.99).toFixed(1)} ms, longest ${Math.max(...waits).toFixed(1)} ms`);
    return [
      atMost("from an execution change to its state record at a subscriber, p99", "ms", percentile(waits, 0.99), 100),
      atMost("from an execution change to its state record at a subscriber, p50", "ms", percentile(waits, 0.5), 100),
    ];
  } finally {
    await simulation.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Event {
  readonly type?: string;
  readonly time?: string;
  readonly data?: { readonly rev?: number };
}

/** Stamp of each change (the start of its state) → when it was pushed. */
export async function pushChanges(agent: SimulatedAgent): Promise<ReadonlyMap<number, number>> {
  const random = seeded(SEED);
  const pushed = new Map<number, number>();
  for (let number = 0; number < CHANGES; number++) {
    await sleep(LEAST_MS + random() * (MOST_MS - LEAST_MS));
    const at = Date.now();
    pushed.set(at, performance.now());
    agent.push([{ item: "exec", at, value: number % 2 === 0 ? "ACTIVE" : "INTERRUPTED" }]);
  }
  return pushed;
}
