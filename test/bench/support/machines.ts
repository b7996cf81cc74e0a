/**
 * Simulated machines as a process of their own, so that their work is not counted as the agent's. Started by
 * `startMachines` with one JSON argument; says {urls, …} over its channel when ready and ends when the channel closes.
 */
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { simulate, type Simulation } from "../../../agent/simulate/mtconnect/start.ts";
import { changingFeed, repeatedDay } from "./feeds.ts";

/** `recorded`: one machine with a repeated day in its buffer. `changing`: `count` machines, each changed `rate` times a second. */
export type Wanted =
  | { readonly kind: "recorded"; readonly observations: number }
  | { readonly kind: "changing"; readonly count: number; readonly rate: number };
/** Answer to the message "polls": of each machine, requests for a document, and the longest pause between two while `changing`. */
export type Polls = readonly { readonly requests: number; readonly longestMs: number }[];
export interface Ready {
  readonly urls: readonly string[];
  readonly device: string;
  readonly what: string;
  readonly observations: number;
}

const LOOK_MS = 10;

const wanted = JSON.parse(process.argv[2] ?? "") as Wanted;
const clock = systemClock();
const ready = wanted.kind === "recorded" ? await recorded(wanted.observations) : await changing(wanted.count, wanted.rate);
process.once("disconnect", () => process.exit());
process.send?.(ready);

async function recorded(least: number): Promise<Ready> {
  const { feed, what, observations } = await repeatedDay(least);
  const { agent } = await simulate(feed, { clock, speed: "all", bufferSize: observations });
  return { urls: [agent.url], device: feed.model.devices[0]?.name ?? "", what, observations };
}

/** A change is what a running machine says: mostly block-by-block values, each tenth a new execution, each fiftieth a finished part. */
async function changing(count: number, rate: number): Promise<Ready> {
  const machines = await Promise.all(Array.from({ length: count }, (_, index) => simulate(changingFeed(`VMC-${index + 1}`), { clock, speed: 1 })));
  for (const [index, machine] of machines.entries()) {
    let number = index * 3;
    setTimeout(() => setInterval(() => change(machine, number++), 1_000 / rate), (index * 1_000) / rate / count);
  }
  watchPolls(machines);
  return { urls: machines.map(({ agent }) => agent.url), device: "", what: `${count} machines`, observations: 0 };
}

/** Pauses count from the question before, so that a start is in none. */
function watchPolls(machines: readonly Simulation[]): void {
  const watched = machines.map(() => ({ requests: 0, lastMs: performance.now(), longestMs: 0 }));
  const look = (): void => {
    const now = performance.now();
    for (const [index, own] of watched.entries()) {
      const sample = machines[index]?.agent.stats.sample ?? 0;
      own.longestMs = Math.max(own.longestMs, now - own.lastMs);
      if (sample !== own.requests) own.lastMs = now;
      own.requests = sample;
    }
  };
  setInterval(look, LOOK_MS);
  process.on("message", (message) => {
    if (message !== "polls") return;
    look();
    process.send?.(watched.map(({ requests, longestMs }) => ({ requests, longestMs })));
    for (const own of watched) own.longestMs = 0;
  });
}

function change({ agent }: Simulation, number: number): void {
  const at = Date.now();
  const value = (item: string, text: string | number) => ({ item, at, value: String(text) });
  if (number % 10 === 0) agent.push([value("exec", number % 20 === 0 ? "ACTIVE" : "INTERRUPTED"), ...(number % 50 === 0 ? [value("pcount", number / 50)] : [])]);
  else agent.push([value("sload", 20 + (number * 7) % 60), ...(number % 3 === 0 ? [value("sspeed", 1_000 + (number % 90))] : [value("feed", 10 + (number % 40))])]);
}
