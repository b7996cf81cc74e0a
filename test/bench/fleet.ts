/**
 * Thirty simulated controls of mixed kinds in one built agent, at the default rates: CPU, memory, and how evenly it polls.
 * And whether one frozen and one flooding control are felt by the others: a second agent with as many controls, two of
 * them so, runs at the same time, so that whatever else the computer does meets both.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { startProxy } from "../support/proxy.ts";
import { SHIFT_MAP } from "../../agent/simulate/shdr/shift.ts";
import { atMost, percentile, type Figure } from "./figure.ts";
import { NODE_FLAGS, startAgentProcess, type AgentProcess } from "./support/agent-process.ts";
import { listen, startBroker } from "./support/broker.ts";
import { startFleet, type Fleet } from "./support/fleet-machines.ts";
import { startFlood } from "./support/flood.ts";
import { sleep, within } from "./support/waiting.ts";

const COUNTS = { mtconnect: 8, focas: 7, modbus: 7, haas: 5, shdr: 2, opcua: 1 } as const;
const CONTROLS = Object.values(COUNTS).reduce((sum, count) => sum + count, 0);
/** Of the polled kinds, all the same. */
const PERIOD_MS = 1_000;
const CONNECTED_MS = 60_000;
const WARM_MS = 8_000;
/** Whatever disturbs the whole computer disturbs some of them: the middle one counts. */
const ROUNDS = 7;
const ROUND_MS = 9_000;
/** More than the others' p99 may rise: a share, or so many ms. */
const [SHARE, LEAST_MS] = [0.2, 2];

interface Use {
  readonly anonymousMB: number;
  readonly residentMB: number;
  readonly cpuShare: number;
}

export async function fleet(): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-fleet-"));
  try {
    await using broker = await startBroker();
    await using well = await startFleet({ counts: COUNTS });
    const { shdr, focas, ...others } = COUNTS;
    await using ill = await startFleet({ counts: { ...others, focas, shdr: shdr - 1 } });
    await using flood = await startFlood();
    const frozenAt = ill.sources.findIndex((source) => "type" in source && source.type === "focas");
    const frozen = ill.sources[frozenAt];
    if (frozen === undefined || !("port" in frozen)) throw new Error("the fleet has no FOCAS control");
    await using cable = await startProxy(Number(frozen.port));
    const sources = [...ill.sources.with(frozenAt, { ...frozen, port: cable.port }), { type: "shdr", host: "127.0.0.1", port: flood.port, map: SHIFT_MAP }];
    await using first = await started(join(folder, "well"), broker.port, well.sources);
    await using second = await started(join(folder, "ill"), broker.port, sources);
    cable.set({ mutes: "both" });
    await sleep(WARM_MS);
    const before = await flood.lines();
    const measured = await measure({ well, ill, agents: [first, second], frozenAt });
    const lines = await flood.lines() - before;
    if (lines === 0) throw new Error(`the flood was not read: ${second.log()}`);
    console.error(`  ${CONTROLS} controls: ${Object.entries(COUNTS).map(([kind, count]) => `${count} ${kind}`).join(", ")}; load ${loadavg().map((one) => one.toFixed(1)).join(" ")}; the flood: ${Math.round(lines / (ROUNDS * ROUND_MS / 1_000))} lines/s were read`);
    return figures(measured);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of a part of the run: how far off each interval between two polls was, ms. */
interface Round {
  readonly well: readonly number[];
  readonly ill: readonly number[];
}
interface Measured {
  readonly rounds: readonly Round[];
  readonly use: readonly [Use, Use];
}

async function measure({ well, ill, agents: [first, second], frozenAt }: { readonly well: Fleet; readonly ill: Fleet; readonly agents: readonly [AgentProcess, AgentProcess]; readonly frozenAt: number }): Promise<Measured> {
  const place = ill.sources.slice(0, frozenAt).filter(isPolled).length;
  const rounds: Round[] = [];
  await Promise.all([well.polls(), ill.polls()]);
  const [began, before] = [performance.now(), [first.use(), second.use()]];
  const most = [{ anonymousMB: 0, residentMB: 0 }, { anonymousMB: 0, residentMB: 0 }];
  for (let round = 0; round < ROUNDS; round++) {
    for (const end = performance.now() + ROUND_MS; performance.now() < end; await sleep(500)) for (const [index, agent] of [first, second].entries()) {
      const { anonymousMB, residentMB } = agent.use();
      const one = most[index];
      if (one !== undefined) [one.anonymousMB, one.residentMB] = [Math.max(one.anonymousMB, anonymousMB), Math.max(one.residentMB, residentMB)];
    }
    const [one, other] = await Promise.all([well.polls(), ill.polls()]);
    // Of the well ones as many, and of the same kinds.
    const pair = well.sources.filter(isPolled).findIndex((source) => "type" in source && source.type === "focas");
    rounds.push({ well: off(one.toSpliced(pair, 1)), ill: off(other.toSpliced(place, 1)) });
  }
  const seconds = (performance.now() - began) / 1_000;
  const useOf = (agent: AgentProcess, index: number): Use => ({ anonymousMB: most[index]?.anonymousMB ?? 0, residentMB: most[index]?.residentMB ?? 0, cpuShare: (agent.use().cpuSeconds - (before[index]?.cpuSeconds ?? 0)) / seconds });
  return { rounds, use: [useOf(first, 0), useOf(second, 1)] };
}
const isPolled = (source: object): boolean => "type" in source && (source.type === "focas" || source.type === "haas" || source.type === "modbus");
const off = (intervals: readonly (readonly number[])[]): readonly number[] => intervals.flat().map((ms) => Math.abs(ms - PERIOD_MS));

function figures({ rounds, use: [well, ill] }: Measured): readonly Figure[] {
  const p99 = (values: readonly number[]): number => percentile(values, 0.99);
  const middle = (values: readonly number[]): number => percentile(values, 0.5);
  const without = middle(rounds.map((round) => p99(round.well)));
  const more = middle(rounds.map((round) => p99(round.ill) - p99(round.well)));
  const text = (name: "well" | "ill", one: Use): string => `anonymous at most ${one.anonymousMB.toFixed(1)} MiB, resident ${one.residentMB.toFixed(1)} MiB, CPU ${(one.cpuShare * 100).toFixed(1)} %; ${rounds.reduce((sum, round) => sum + round[name].length, 0)} polls, off by ${middle(rounds.flatMap((round) => round[name])).toFixed(2)} ms in the middle, p99 by rounds ${rounds.map((round) => p99(round[name]).toFixed(1)).join(", ")} ms`;
  console.error(`  all well: ${text("well", well)}`);
  console.error(`  one frozen, one flooding, the others: ${text("ill", ill)}`);
  return [
    atMost(`${CONTROLS} controls of mixed kinds: CPU`, "% of one core", well.cpuShare * 100, 10),
    atMost("the same: anonymous memory, most, the service's memory flags", "MiB", well.anonymousMB, 80),
    atMost(`the same: how far the time between two polls is off, p99, the middle one of ${rounds.length} rounds`, "ms", without, 50),
    atMost(`the others beside one frozen and one flooding control: p99 more than without them at the same time, the middle one of ${rounds.length} rounds`, "ms", Math.max(0, more), Math.max(LEAST_MS, without * SHARE)),
    atMost("the same: anonymous memory", "MiB", ill.anonymousMB, 80),
  ];
}

/** An agent whose every control has said what it does. */
async function started(folder: string, port: number, sources: readonly object[]): Promise<AgentProcess> {
  mkdirSync(folder);
  const site = basename(folder);
  const heard = new Set<string>();
  await using _listening = await listen(port, `cellgate/v1/${site}/+/live/execution`, (topic) => void heard.add(topic));
  const agent = startAgentProcess(folder, `agent: {id: ${site}, site: ${site}, timezone: UTC, data_dir: ${JSON.stringify(join(folder, "data"))}}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:${port}"}]
machines:
${sources.map((source, index) => `  - {id: M-${index + 1}, sources: [${JSON.stringify(source)}]}`).join("\n")}
`, NODE_FLAGS);
  await within(CONNECTED_MS, (async () => {
    while (heard.size < sources.length) await sleep(100);
  })(), () => `only ${heard.size} of ${sources.length} controls were heard; the agent says: ${agent.log()}`);
  return agent;
}
