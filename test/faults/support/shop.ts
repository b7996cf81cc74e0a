/**
 * A whole agent at work: a simulated machine in this process, the agent as a child process with what it reports stored
 * written down, and the bridges its destinations lead to. `settle` waits until the checker finds nothing missing, stops
 * the agent in an orderly way, and judges.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { simulate, type Simulation } from "../../../agent/simulate/mtconnect/start.ts";
import { backlog, scripted } from "../../crash/feeds.ts";
import type { Run, Tally } from "../case.ts";
import type { Bridge } from "./bridge.ts";
import { program } from "./built.ts";
import { judged, storedLog } from "./evidence.ts";

export interface Way {
  readonly name: string;
  /** Where the agent connects: the bridge itself, or a link before it. */
  readonly port: number;
  /** More keys of the destination, as YAML in braces without them. */
  readonly keys?: string;
}
export interface ShopOptions {
  readonly ways: readonly Way[];
  /** The scripted shift is played so that it lasts this long; "backlog": many shifts, all there at once. ms */
  readonly plays: number | "backlog";
  /** How much of the shift; default 1: all. */
  readonly share?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly under?: readonly string[];
  /** Flags of Node. */
  readonly flags?: readonly string[];
  /** More of the configuration, at its top level. */
  readonly yaml?: string;
}
export interface Settle {
  readonly faults: number;
  readonly exact: boolean;
  readonly bridges: readonly Pick<Bridge, "name" | "complaints">[];
  readonly withinMs?: number;
  readonly note?: string;
  readonly also?: readonly string[];
}
export interface Shop extends AsyncDisposable {
  readonly dataDir: string;
  /** Log of the agent so far, all lives; the newest part. */
  words(): string;
  start(): void;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Resident memory now; bytes. Null when it does not run. */
  readonly pid: number | undefined;
  isRunning(): boolean;
  /** Resolves when the machine has told all and the agent has read it. */
  told(withinMs: number): Promise<void>;
  settle(wanted: Settle): Promise<Tally>;
}

const HEARTBEAT_MS = 500;
const LOOK_MS = 250;
const QUIET_MS = 1_000;
const WORDS = 200_000;
/** design.md §2.3: all of stopping under 5 s. */
const STOP_MS = 6_000;
const LONGEST_PAUSE_MS = 30_000;
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function openShop({ folder }: Run, { ways, plays, share = 1, env = {}, under = [], flags = [], yaml = "" }: ShopOptions): Promise<Shop> {
  const dataDir = join(folder, "data");
  mkdirSync(dataDir, { recursive: true });
  const { feed: whole, device } = plays === "backlog" ? backlog() : scripted();
  const feed = { ...whole, steps: whole.steps.slice(0, Math.ceil(whole.steps.length * share)) };
  const lengthMs = feed.steps.reduce((sum, { atMs }, index) => sum + Math.min(LONGEST_PAUSE_MS, atMs - (feed.steps[index - 1]?.atMs ?? 0)), 0);
  const machine: Simulation = await simulate(feed, {
    clock: systemClock(), speed: plays === "backlog" ? "all" : lengthMs / plays, maxPauseMs: LONGEST_PAUSE_MS, bufferSize: 1 << 20, cable: "cut",
  });
  const config = join(folder, "cellgate.yaml");
  writeFileSync(config, configuration({ dataDir, ways, url: machine.agent.url, device, yaml }));
  let child: ChildProcess | null = null;
  let words = "";
  const isRunning = (): boolean => child !== null && child.exitCode === null && child.signalCode === null;
  const keep = (chunk: Buffer): void => void (words = (words + chunk.toString()).slice(-WORDS));

  const shop: Shop = {
    dataDir, isRunning,
    words: () => words,
    get pid() { return isRunning() ? child?.pid : undefined; },
    start() {
      const [command, ...args] = [...under, process.execPath, ...flags, program("tapped-agent"), "--config", config];
      child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NODE_OPTIONS: "", FAULTS_STORED: storedLog(folder), FAULTS_PROGRAM: program("agent"), STATE_DIRECTORY: folder, ...env } });
      child.stdout?.on("data", keep);
      child.stderr?.on("data", keep);
    },
    async kill(signal) {
      if (!isRunning() || child === null) return;
      const closed = once(child, "close");
      child.kill(signal);
      await closed;
    },
    async told(withinMs) {
      await machine.playback.finished;
      let since = Infinity;
      for (const end = performance.now() + withinMs; ; await sleep(LOOK_MS)) {
        const { listeners } = machine.agent.core;
        const all = listeners.size > 0 && [...listeners].every(({ pending }) => pending === null);
        since = all ? Math.min(since, performance.now()) : Infinity;
        if (performance.now() - since > 4 * HEARTBEAT_MS) return;
        if (!isRunning()) throw new Error(`the agent ended by itself with ${child?.signalCode ?? String(child?.exitCode)}: ${words.slice(-2_000)}`);
        if (performance.now() > end) throw new Error(`the agent has not read all of its machine within ${withinMs} ms: ${words.slice(-2_000)}`);
      }
    },
    async settle({ faults, exact, bridges, withinMs = 60_000, note, also = [] }) {
      const until = performance.now() + withinMs;
      if (!isRunning()) return { faults, stored: 0, messages: 0, covered: 0, repeats: 0, violations: [`the agent ended by itself: ${words.slice(-2_000)}`] };
      await shop.told(withinMs);
      const judge = (more: readonly string[]): Tally => judged(folder, {
        destinations: bridges.map(({ name }) => ({ name, types: null })), exact, faults, also: [...also, ...bridges.flatMap(({ complaints }) => complaints), ...more], ...(note !== undefined && { note }),
      });
      while (judge([]).violations.length > 0 && performance.now() < until) await sleep(LOOK_MS);
      await sleep(QUIET_MS);
      const more: string[] = [];
      const sinceMs = performance.now();
      await Promise.race([shop.kill("SIGTERM"), sleep(STOP_MS)]);
      if (isRunning()) more.push(`the agent has not stopped within ${STOP_MS} ms of SIGTERM`);
      else if (child?.exitCode !== 0) more.push(`the agent ended with ${child?.signalCode ?? String(child?.exitCode)} after ${Math.round(performance.now() - sinceMs)} ms`);
      const tally = judge(more);
      if (tally.violations.length > 0) writeFileSync(join(folder, "agent.log"), words);
      return tally;
    },
    async [Symbol.asyncDispose]() {
      await shop.kill("SIGKILL");
      await machine.close();
    },
  };
  return shop;
}

const configuration = (at: { readonly dataDir: string; readonly ways: readonly Way[]; readonly url: string; readonly device: string; readonly yaml: string }): string => `
agent: {id: faults, site: bench, timezone: UTC, environment: test, data_dir: ${JSON.stringify(at.dataDir)}}
${at.yaml}
destinations:
${at.ways.map(({ name, port, keys }) => `  - {type: mqtt, name: ${name}, url: "mqtt://127.0.0.1:${port}", latency: {cycle: 0s, count: 0s, summary: 0s, receipt: 0s}${keys === undefined ? "" : `, ${keys}`}}`).join("\n")}
machines:
  - id: VMC-3
    sources: [{type: mtconnect, url: "${at.url}", device: ${at.device}, history: buffer, time: source, heartbeat: ${HEARTBEAT_MS}ms}]
    shifts:
      shifts: [{code: early, start: "06:00", end: "14:00"}, {code: late, start: "14:00", end: "22:00"}, {code: night, start: "22:00", end: "06:00"}]
      breaks: [{name: lunch, start: "10:00", end: "10:30"}]
`;
