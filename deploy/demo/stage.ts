/**
 * Puts the demo on stage: a broker in this process, a simulated machine, and the built agent as a child process with its
 * own configuration in a temporary folder. Nothing of it outlives `close`. The agent's and the machine's clocks begin at
 * the same wall time and run at the same speed; the agent starts a moment later, which is why it trusts the stamps.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Aedes } from "aedes";
import { connectAsync } from "mqtt";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { shiftFeed } from "../../agent/simulate/mtconnect/feeds/shift.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";

export interface StageOptions {
  readonly speed: number;
  readonly seed: number;
  readonly bundle: string;
  /** Each record as it arrives at the broker. */
  readonly onRecord: (text: string) => void;
  /** The program a machine has loaded, whenever it changes. */
  readonly onProgram: (source: string, program: string | null) => void;
}
export interface Stage {
  readonly machine: string;
  readonly startMs: number;
  readonly endMs: number;
  /** Simulated now, Unix ms. */
  now(): number;
  /** Resolves with words when the agent has ended by itself. */
  readonly died: Promise<string>;
  close(): Promise<void>;
}

const MACHINE = "VMC-3";
const LIVE_PROGRAM = "/live/program";
const STOP_MS = 6_000;
const KEPT_LINES = 8;

/** The shift began at six this morning, UTC. */
const shiftStart = (): number => {
  const now = new Date();
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate(), 6);
};

export async function raiseStage(options: StageOptions): Promise<Stage> {
  if (!existsSync(options.bundle)) throw new Error(`${options.bundle} is not there: build it first (npm run build)`);
  const closing: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const one of closing.splice(0).reverse()) await one();
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), "cellgate-demo-"));
    closing.push(() => rm(folder, { recursive: true, force: true }));
    const broker = await startBroker();
    closing.push(broker.close);
    const subscriber = await connectAsync({ host: "127.0.0.1", port: broker.port, protocol: "mqtt", protocolVersion: 4, reconnectPeriod: 0, clientId: "demo-screen" });
    closing.push(() => subscriber.endAsync(true));
    subscriber.on("message", (topic, payload) => {
      if (topic.endsWith(LIVE_PROGRAM)) options.onProgram(topic.slice(0, -LIVE_PROGRAM.length), programOf(payload.toString()));
      else options.onRecord(payload.toString());
    });
    await subscriber.subscribeAsync(["cellgate/v1/+/+/rec/#", `cellgate/v1/+/+${LIVE_PROGRAM}`], { qos: 1 });

    const startMs = shiftStart();
    const clock = systemClock(options.speed, startMs);
    const feed = shiftFeed({ startMs, seed: options.seed, device: MACHINE });
    const simulation = await simulate(feed, { clock, network: systemClock(), speed: 1, cable: "cut" });
    closing.push(() => simulation.close());

    const config = join(folder, "cellgate.yaml");
    await writeFile(config, configuration({ broker: broker.port, machine: simulation.agent.url, folder }));
    const child = spawn(process.execPath, [options.bundle, "run", "--config", config, "--speed", String(options.speed), "--start-unix-ms", String(clock.now().unixMs)], { stdio: ["ignore", "pipe", "pipe"] });
    // Should this process end without closing, the agent must not stay behind.
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    closing.push(async () => {
      await stopChild(child);
      process.off("exit", kill);
    });
    return { machine: MACHINE, startMs, endMs: startMs + feed.shift.lengthMs, now: () => clock.now().unixMs, died: watch(child), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Of the retained current value: {"value": "O1234", …}. */
function programOf(payload: string): string | null {
  const live = JSON.parse(payload) as { readonly value?: unknown };
  return typeof live.value === "string" ? live.value : null;
}

async function startBroker(): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const aedes = await Aedes.createBroker();
  const server = createServer(aedes.handle);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      await new Promise<void>((resolve) => {
        aedes.close(resolve);
      });
      server.close();
    },
  };
}

/** What a site would write, but for the scaled clock: `time: source` because ours starts a moment after the machine's. */
const configuration = (at: { readonly broker: number; readonly machine: string; readonly folder: string }): string => `agent:
  id: demo
  site: demo
  timezone: UTC
  environment: test
  data_dir: ${at.folder}/data

destinations:
  - {name: demo-broker, url: "mqtt://127.0.0.1:${at.broker}", latency: {cycle: 0s, count: 0s, summary: 0s, receipt: 0s}}

machines:
  - id: ${MACHINE}
    description: simulated vertical mill
    sources:
      - {type: mtconnect, url: "${at.machine}", time: source, history: buffer, heartbeat: 500ms}
    downtime:
      reasons:
        - {state: ALARM, code: ALARM, text: machine alarm}
        - {state: PROGRAM_STOP, code: TOOL, text: waiting for a tool change}
        - {state: MANUAL, code: SETUP, text: setup, category: setup}
    shifts:
      shifts: [{code: early, start: "06:00", end: "14:00", days: [mon, tue, wed, thu, fri, sat, sun]}]
      breaks: [{name: lunch, start: "10:00", end: "10:30"}]
`;

/** Resolves only when the agent ends without being asked. */
function watch(child: ChildProcess): Promise<string> {
  const last: string[] = [];
  const hear = (text: string): void => {
    last.push(...text.split("\n").filter((line) => line !== ""));
    last.splice(0, Math.max(0, last.length - KEPT_LINES));
  };
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", hear);
  return new Promise((resolve) => {
    child.once("error", (error) => {
      resolve(`the agent could not be started: ${error.message}`);
    });
    child.once("exit", (code, signal) => {
      resolve(`the agent ended by itself (${signal ?? `exit code ${String(code)}`}). Its last words:\n${last.join("\n")}`);
    });
  });
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await exited;
  clearTimeout(timer);
}
