/**
 * From starting the built agent's process to its first message at a subscriber, with an empty buffer and with a
 * backlog: opening the buffer must not depend on how much is in it. The machine answers and the broker runs already.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import { openOutbox } from "../../buffer/outbox.ts";
import { describeLoss, silentLog } from "../buffer/records.ts";
import { commitAll, prepareCommits } from "./commit-load.ts";
import { atMost, percentile, type Figure } from "./figure.ts";
import { configurationFor, NODE_FLAGS, startAgentProcess } from "./support/agent-process.ts";
import { listen, startBroker } from "./support/broker.ts";
import { changingFeed } from "./support/feeds.ts";
import { within } from "./support/waiting.ts";

const BACKLOG = 200_000;
const STARTS = 7;
const LONGEST_MS = 20_000;
const GOAL_MS = 500;

export interface Start {
  /** Anything at all: the retained heartbeat comes first. */
  readonly messageMs: number;
  /** Of the backlog; NaN without one. */
  readonly recordMs: number;
}

export async function startUp(): Promise<readonly Figure[]> {
  const empty = await starts(0);
  const backlog = await starts(BACKLOG);
  const median = (all: readonly Start[], of: (one: Start) => number): number => percentile(all.map(of), 0.5);
  return [
    atMost("start to first publish, empty buffer", "ms", median(empty, (one) => one.messageMs), GOAL_MS),
    atMost(`start to first publish, ${BACKLOG.toLocaleString("en")} records waiting`, "ms", median(backlog, (one) => one.messageMs), GOAL_MS),
    atMost(`start to first record of ${BACKLOG.toLocaleString("en")} waiting`, "ms", median(backlog, (one) => one.recordMs), GOAL_MS),
  ];
}

/** Each start finds the whole backlog again: what was published of it is few, and the agent is stopped at once. */
async function starts(backlog: number): Promise<readonly Start[]> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-start-up-"));
  console.error(`  ${backlog} records waiting, ${STARTS} starts`);
  const simulation = await simulate(changingFeed("VMC-1"), { clock: systemClock(), speed: 1 });
  try {
    if (backlog > 0) await fill(join(folder, "data"), backlog);
    await using broker = await startBroker();
    const all: Start[] = [];
    for (let number = 0; number <= STARTS; number++) {
      const start = await startOnce(folder, configurationFor(folder, broker.port, [simulation.agent.url]), { port: broker.port, records: backlog > 0 });
      // The first fills the compile cache, as after an installation.
      if (number > 0) all.push(start);
      else console.error(`  ${backlog} records waiting, first start of all: first message after ${start.messageMs.toFixed(0)} ms`);
    }
    console.error(`  ${backlog} records waiting: first message after ${all.map(({ messageMs }) => messageMs.toFixed(0)).join(", ")} ms${backlog > 0 ? `; first record after ${all.map(({ recordMs }) => recordMs.toFixed(0)).join(", ")} ms` : ""}`);
    return all;
  } finally {
    await simulation.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Until its first message and, with `records`, its first record. `kill`: it is not stopped afterwards but killed. */
export async function startOnce(folder: string, configuration: string, { port, records, kill = false }: { readonly port: number; readonly records: boolean; readonly kill?: boolean }): Promise<Start> {
  const message = Promise.withResolvers<number>();
  const record = Promise.withResolvers<number>();
  let beganMs = Number.POSITIVE_INFINITY;
  await using _listening = await listen(port, "cellgate/v1/#", (topic, _text, atMs) => {
    // The retained messages of the run before come before the process is started.
    if (beganMs > atMs) return;
    message.resolve(atMs - beganMs);
    if (topic.includes("/rec/")) record.resolve(atMs - beganMs);
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  beganMs = performance.now();
  await using agent = startAgentProcess(folder, configuration, NODE_FLAGS);
  const said = (): string => `the agent says: ${agent.log()}`;
  const start = { messageMs: await within(LONGEST_MS, message.promise, said), recordMs: records ? await within(LONGEST_MS, record.promise, said) : Number.NaN };
  if (kill) process.kill(agent.pid, "SIGKILL");
  return start;
}

async function fill(dataDir: string, records: number): Promise<void> {
  const outbox = openOutbox({ dataDir, destinations: [{ name: "bridge" }], clock: systemClock(), log: silentLog, describeLoss });
  await commitAll(outbox, prepareCommits(records), 150);
  await outbox.close();
}
