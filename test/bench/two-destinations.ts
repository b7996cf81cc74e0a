/**
 * A destination that is dead for the whole run must not be felt at another: two built agents read the same simulated
 * machine at the same time and publish to the same Mosquitto, one of them with a second destination that takes
 * connections and swallows every byte. Compared are the times from an execution change to its `state` record at a
 * subscriber, change by change, so that whatever else the machine does meets both.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import { seeded } from "../support/seeded.ts";
import { startProxy } from "../support/proxy.ts";
import { atMost, percentile, type Figure } from "./figure.ts";
import { pushChanges } from "./latency.ts";
import { NODE_FLAGS, startAgentProcess } from "./support/agent-process.ts";
import { listen, startBroker } from "./support/broker.ts";
import { changingFeed } from "./support/feeds.ts";
import { sleep, within } from "./support/waiting.ts";

const ROUNDS = 2;
const SETTLE_MS = 20_000;
/** A scheduler's tick: less than this is no difference. */
const TICK_MS = 4;
/** A run that could hide more than this shows nothing: the machine is too busy. */
const UNSEEN_MS = 50;
const RESAMPLES = 1_000;
const STRETCH = 20;
const SEED = 7;

const AGENTS = ["alone", "beside-a-dead-one"] as const;
type AgentName = (typeof AGENTS)[number];

export async function twoDestinations(): Promise<readonly Figure[]> {
  const waits: Record<AgentName, number[]> = { "alone": [], "beside-a-dead-one": [] };
  // Who starts first changes: the second agent finds the caches warm.
  for (let round = 0; round < ROUNDS; round++) await oneRound(round % 2 === 0 ? AGENTS : [...AGENTS].reverse(), waits);
  const pairs = waits["alone"].map((ms, index): Pair => ({ alone: ms, beside: waits["beside-a-dead-one"][index] ?? Number.NaN }));
  const [alone, beside] = [percentile(waits["alone"], 0.99), percentile(waits["beside-a-dead-one"], 0.99)];
  const differences = resampled(pairs);
  const [low, high] = [percentile(differences, 0.025), percentile(differences, 0.975)];
  const median = percentile(pairs.map((pair) => pair.beside - pair.alone), 0.5);
  console.error(`  ${pairs.length} changes: p99 ${alone.toFixed(1)} ms alone, ${beside.toFixed(1)} ms beside a dead one, difference ${(beside - alone).toFixed(1)} ms (95 %: ${low.toFixed(1)} to ${high.toFixed(1)} ms); median difference of a pair ${median.toFixed(2)} ms`);
  return [
    atMost("state record at a subscriber, p99 with a second destination dead for the whole run, more than alone: least that 95 % leave open", "ms", low, TICK_MS),
    atMost("the same: most that 95 % leave open (how much of a difference this run could have missed)", "ms", high, UNSEEN_MS),
    atMost("state record at a subscriber, median difference of a pair, with a second destination dead", "ms", median, 1),
  ];
}

interface Pair {
  readonly alone: number;
  readonly beside: number;
}

/** Differences of the two p99 in runs drawn from this one (bootstrap), by stretches: what disturbs one change disturbs its neighbours. */
function resampled(pairs: readonly Pair[]): readonly number[] {
  const random = seeded(SEED);
  return Array.from({ length: RESAMPLES }, () => {
    const drawn: Pair[] = [];
    while (drawn.length < pairs.length) {
      const from = Math.floor(random() * (pairs.length - STRETCH + 1));
      drawn.push(...pairs.slice(from, from + STRETCH));
    }
    return percentile(drawn.map((pair) => pair.beside), 0.99) - percentile(drawn.map((pair) => pair.alone), 0.99);
  });
}

async function oneRound(order: readonly AgentName[], waits: Record<AgentName, number[]>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-two-"));
  const simulation = await simulate(changingFeed("VMC-1"), { clock: systemClock(), speed: 1 });
  try {
    await using broker = await startBroker();
    await using hole = await startProxy(broker.port);
    hole.set({ mutes: "both" });
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
