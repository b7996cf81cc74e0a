/**
 * A destination that is dead for the whole run must not be felt at another: two built agents read the same simulated
 * machine at the same time and publish to the same Mosquitto, one of them with a second destination that takes
 * connections and swallows every byte. Compared are the times from an execution change to its `state` record at a
 * subscriber, change by change, so that whatever else the machine does meets both.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../agent/runtime/clock.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import { startProxy } from "../support/proxy.ts";
import { atMost, percentile, type Figure } from "./figure.ts";
import { pushChanges } from "./latency.ts";
import { NODE_FLAGS, startAgentProcess } from "./support/agent-process.ts";
import { listen, startBroker } from "./support/broker.ts";
import { changingFeed } from "./support/feeds.ts";
import { sleep, within } from "./support/waiting.ts";

const ROUNDS = 2;
const SETTLE_MS = 20_000;
/** A scheduler's tick; beside it counts as noise what the rounds of the agent that is alone differ by. */
const TICK_MS = 4;

const AGENTS = ["alone", "beside-a-dead-one"] as const;
type AgentName = (typeof AGENTS)[number];

export async function twoDestinations(): Promise<readonly Figure[]> {
  const waits: Record<AgentName, number[]> = { "alone": [], "beside-a-dead-one": [] };
  // Who starts first changes: the second agent finds the caches warm.
  for (let round = 0; round < ROUNDS; round++) await oneRound(round % 2 === 0 ? AGENTS : [...AGENTS].reverse(), waits);
  const [alone, beside] = AGENTS.map((name) => percentile(waits[name], 0.99)) as [number, number];
  const rounds = Array.from({ length: ROUNDS }, (_, round) => percentile(waits["alone"].slice((round * waits["alone"].length) / ROUNDS, ((round + 1) * waits["alone"].length) / ROUNDS), 0.99));
  const noise = Math.max(...rounds) - Math.min(...rounds) + TICK_MS;
  const pairs = waits["alone"].map((ms, index) => (waits["beside-a-dead-one"][index] ?? Number.NaN) - ms);
  console.error(`  ${pairs.length} changes: p99 ${alone.toFixed(1)} ms alone, ${beside.toFixed(1)} ms beside a dead one, noise ${noise.toFixed(1)} ms; median difference of a pair ${percentile(pairs, 0.5).toFixed(2)} ms`);
  return [
    atMost("state record at a subscriber, p99, with a second destination dead for the whole run", "ms", beside, alone + noise),
    atMost("state record at a subscriber, median difference of a pair, with a second destination dead", "ms", percentile(pairs, 0.5), 1),
  ];
}

async function oneRound(order: readonly AgentName[], waits: Record<AgentName, number[]>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-two-"));
  const simulation = await simulate(changingFeed("VMC-1"), { clock: systemClock(), speed: 1 });
  try {
    await using broker = await startBroker();
    await using hole = await startProxy(broker.port);
    hole.set("black-hole");
    const seen: Record<AgentName, Map<number, number>> = { "alone": new Map(), "beside-a-dead-one": new Map() };
    await using _listening = await listen(broker.port, "cellgate/v1/+/+/rec/state", (topic, text, atMs) => {
      const name = AGENTS.find((one) => topic.split("/")[2] === one);
      const event = JSON.parse(text) as { readonly time?: string; readonly data?: { readonly rev?: number } };
      if (name !== undefined && event.data?.rev === 1) seen[name].set(Date.parse(event.time ?? ""), atMs);
    });
    const [one, other] = order.map((name) => start(mkdtempSync(join(folder, name)), name, { url: simulation.agent.url, port: broker.port, hole: hole.port }));
    await using _one = one;
    await using _other = other;
    await within(SETTLE_MS, (async () => {
      while (AGENTS.some((name) => seen[name].size === 0)) await sleep(20);
    })(), () => `no state record came; the agents say: ${one?.log()} ${other?.log()}`);
    const pushed = await pushChanges(simulation.agent);
    const complete = (): boolean => [...pushed.keys()].every((at) => AGENTS.every((name) => seen[name].has(at)));
    for (const end = performance.now() + SETTLE_MS; !complete() && performance.now() < end;) await sleep(20);
    for (const name of AGENTS) for (const [at, sentMs] of pushed) waits[name].push((seen[name].get(at) ?? Number.POSITIVE_INFINITY) - sentMs);
  } finally {
    await simulation.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function start(folder: string, name: AgentName, at: { readonly url: string; readonly port: number; readonly hole: number }): ReturnType<typeof startAgentProcess> {
  const dead = name === "alone" ? "" : `, {name: dead, url: "mqtt://127.0.0.1:${at.hole}"}`;
  return startAgentProcess(folder, `agent: {id: ${name}, site: ${name}, timezone: UTC, data_dir: ${JSON.stringify(join(folder, "data"))}}
destinations: [{name: bridge, url: "mqtt://127.0.0.1:${at.port}"}${dead}]
machines: [{id: VMC-1, sources: [{type: mtconnect, url: ${JSON.stringify(at.url)}}]}]
`, NODE_FLAGS);
}
