/**
 * The job that a shop would give Node-RED, as the built agent does it: ten Modbus registers at 10 Hz to a real Mosquitto at
 * QoS 1, as live values. Then many registers, and a bus with a dead unit beside the same bus without it. The devices are
 * simulated in this process; memory and CPU are the agent's alone.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { SimulatedDevice } from "../../agent/simulate/modbus/device.ts";
import { serveTcp } from "../../agent/simulate/modbus/server.ts";
import { atLeastBound, atMost, percentile, type Figure } from "./figure.ts";
import { NODE_FLAGS, startAgentProcess } from "./support/agent-process.ts";
import { listen, startBroker } from "./support/broker.ts";
import { sleep, within } from "./support/waiting.ts";

const RATE = 10;
const PERIOD_MS = 1_000 / RATE;
const STARTS = 5;
const WARM_MS = 5_000;
const MEASURED_MS = 30_000;
const REST_MS = 20_000;

export async function modbus(): Promise<readonly Figure[]> {
  const ten = await load({ registers: 10, changing: true, together: true, starts: STARTS });
  const alone = await load({ registers: 10, changing: true, together: false, starts: 1 });
  const many = await load({ registers: 2_000, changing: false, together: true, starts: 1 });
  const share = await besideDeadUnit();
  return [
    atMost("10 Modbus registers at 10 Hz: start of the process to the first register at a subscriber", "ms", ten.firstMs, 500),
    atMost("the same: anonymous memory, most, the service's memory flags", "MiB", ten.anonymousMB, 36),
    atMost("the same: resident memory, most, the service's memory flags", "MiB", ten.residentMB, 85),
    atMost("the same: CPU, all changing with each poll, one retained message a poll at QoS 1", "% of one core", ten.cpuShare * 100, 1),
    atLeastBound("the same: messages a second that arrive", "a second", ten.messages, 9.5),
    atMost("the same, each register a message of its own, 100 a second: CPU", "% of one core", alone.cpuShare * 100, 2.5),
    atLeastBound("20,000 Modbus registers a second, unchanged: registers read", "a second", many.read, 19_900),
    atMost("the same: CPU", "% of one core", many.cpuShare * 100, 100),
    atMost("the same: poll lateness, p99", "ms", many.lateMs, 5),
    atLeastBound("a bus with one dead unit: what the others keep of their rate", "%", share * 100, 95),
  ];
}

interface Load {
  readonly registers: number;
  /** Every register changes with every read. */
  readonly changing: boolean;
  /** All in one message. */
  readonly together: boolean;
  readonly starts: number;
}
interface Use {
  readonly firstMs: number;
  readonly anonymousMB: number;
  readonly residentMB: number;
  readonly cpuShare: number;
  readonly messages: number;
  /** Registers a second. */
  readonly read: number;
  readonly lateMs: number;
}

async function load({ registers, changing, together, starts }: Load): Promise<Use> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-modbus-"));
  const device = new SimulatedDevice();
  device.setRegisters("holdings", 0, Array.from({ length: registers }, (_, address) => address));
  let [counter, read] = [0, 0];
  const polls: number[] = [];
  const server = await serveTcp({ devices: new Map([[1, device]]), network: systemClock(), fate(_unit, pdu) {
    const request = Buffer.from(pdu);
    read += request.readUInt16BE(3);
    if (request.readUInt16BE(1) === 0) polls.push(performance.now());
    if (changing) device.setRegisters("holdings", 0, Array.from({ length: registers }, () => ++counter));
    return null;
  } });
  try {
    await using broker = await startBroker();
    const points = Array.from({ length: registers }, (_, address) => ({ address, signal: `point/${together ? "r:" : "r"}${address}` }));
    const configuration = configured(folder, broker.port, { type: "modbus", host: "127.0.0.1", port: server.port, interval: `${PERIOD_MS}ms`, devices: [{ points }] });
    let [messages, first] = [0, Promise.withResolvers<number>()];
    let beganMs = Number.POSITIVE_INFINITY;
    await using _listening = await listen(broker.port, "cellgate/v1/+/+/live/#", (topic, _text, atMs) => {
      if (!topic.includes("/point-r") || beganMs > atMs) return;
      messages++;
      first.resolve(atMs);
    });
    const firsts: number[] = [];
    // The first start of all fills the compile cache, as after an installation.
    for (let number = 0; number <= starts; number++) {
      first = Promise.withResolvers<number>();
      beganMs = performance.now();
      await using agent = startAgentProcess(folder, configuration, NODE_FLAGS);
      const atMs = await within(20_000, first.promise, () => `no register arrived; the agent says: ${agent.log()}`);
      if (number > 0) firsts.push(atMs - beganMs);
    }
    await using agent = startAgentProcess(folder, configuration, NODE_FLAGS);
    await sleep(WARM_MS);
    [messages, read, polls.length] = [0, 0, 0];
    const [began, before] = [performance.now(), agent.use()];
    let [anonymousMB, residentMB] = [0, 0];
    while (performance.now() - began < MEASURED_MS) {
      await sleep(500);
      const now = agent.use();
      anonymousMB = Math.max(anonymousMB, now.anonymousMB);
      residentMB = Math.max(residentMB, now.residentMB);
    }
    const seconds = (performance.now() - began) / 1_000;
    const use = { firstMs: percentile(firsts, 0.5), anonymousMB, residentMB, cpuShare: (agent.use().cpuSeconds - before.cpuSeconds) / seconds, messages: messages / seconds, read: read / seconds, lateMs: latenessOf(polls) };
    console.error(`  ${registers} registers${together ? " in one message" : ""}: first after ${firsts.map((ms) => ms.toFixed(0)).join(", ")} ms; anonymous at most ${anonymousMB.toFixed(1)} MiB, resident ${residentMB.toFixed(1)} MiB, CPU ${(use.cpuShare * 100).toFixed(2)} %, ${use.messages.toFixed(0)} messages/s, ${use.read.toFixed(0)} registers/s, polls late p99 ${use.lateMs.toFixed(1)} ms`);
    return use;
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const configured = (folder: string, port: number, source: object): string => `agent: {id: bench, site: bench, timezone: UTC, data_dir: ${JSON.stringify(join(folder, "data"))}}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:${port}"}]
machines: [{id: VMC-1, sources: [${JSON.stringify(source)}]}]
`;

/** How long after its place on the grid a poll arrived, p99; the grid is that of the earliest. */
function latenessOf(polls: readonly number[]): number {
  const began = polls[0] ?? 0;
  const offsets = polls.map((at, index) => at - began - index * PERIOD_MS);
  const least = Math.min(...offsets);
  return percentile(offsets.map((one) => one - least), 0.99);
}

/** Reads of two living units over a minute of polls at 10 Hz, with a third that never answers, of those without it. */
async function besideDeadUnit(): Promise<number> {
  const rates = await Promise.all([false, true].map(async (hasDead) => {
    const folder = mkdtempSync(join(tmpdir(), "cellgate-modbus-"));
    const devices = new Map([1, 2].map((unit) => {
      const device = new SimulatedDevice();
      device.holdings.set(0, unit);
      return [unit, device] as const;
    }));
    const server = await serveTcp({ devices, network: systemClock(), fate: (unit) => (unit === 3 ? { answer: null } : null) });
    const reads = (): number => [...devices.values()].reduce((sum, device) => sum + device.reads, 0);
    try {
      const units = hasDead ? [1, 2, 3] : [1, 2];
      await using agent = startAgentProcess(folder, configured(folder, 1, { type: "modbus", host: "127.0.0.1", port: server.port, interval: `${PERIOD_MS}ms`, timeout: "200ms", devices: units.map((unit) => ({ unit, points: [{ address: 0, signal: `point/u${unit}` }] })) }), NODE_FLAGS);
      await sleep(WARM_MS);
      const before = reads();
      await sleep(REST_MS + MEASURED_MS);
      if (reads() === before) throw new Error(`nothing was read; the agent says: ${agent.log()}`);
      return reads() - before;
    } finally {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }));
  const [without = Number.NaN, withDead = Number.NaN] = rates;
  console.error(`  ${without} reads without, ${withDead} beside a dead unit`);
  return withDead / without;
}
