/**
 * The one scripted shift, played by the simulator of each kind through its driver and the whole agent: what was recorded,
 * in ms after the shift's start. Who compares them knows nothing of protocols.
 */
import { setImmediate as turn } from "node:timers/promises";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import type { Clock } from "../../agent/contract/time.ts";
import type { ShiftStep } from "../../agent/simulate/shift.ts";
import { simulateFocas } from "../../agent/simulate/focas/start.ts";
import { simulateHaas } from "../../agent/simulate/haas/start.ts";
import { SHIFT_DEVICES } from "../../agent/simulate/modbus/shift.ts";
import { simulateModbus } from "../../agent/simulate/modbus/start.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import { openShift } from "../../agent/simulate/opcua/start.ts";
import { startShdrAdapter } from "../../agent/simulate/shdr/adapter.ts";
import { SHIFT_MAP, shdrShift, type ShdrStep } from "../../agent/simulate/shdr/shift.ts";
import { scripted } from "../crash/feeds.ts";
import { fakeClock } from "./fake-clock.ts";
import { playPolledShift, POLL_MS, type Polled } from "./polled-shift.ts";
import { startAgent, type RunningAgent } from "./running-agent.ts";
import { trueStates } from "./shift-truth.ts";

type Row = Readonly<Record<string, unknown>>;
export interface Told {
  /** Data of the last revision of each record of a type. */
  of(type: string): readonly Row[];
  /** Of an instant's text. */
  readonly ms: (text: unknown) => number;
  /** Signals that were ever live values. */
  readonly signals: ReadonlySet<string>;
  /** Requests that would have changed the control. */
  readonly writes: number;
}
type Play = () => Promise<Told>;

function told(running: RunningAgent, ms: Told["ms"], writes: number): Told {
  const of = new Map<string, readonly Row[]>();
  for (const row of running.last()) of.set(String(row["type"]), [...(of.get(String(row["type"])) ?? []), row]);
  const signals = [...running.retained.keys()].filter((key) => key.startsWith("live/VMC-3/")).map((key) => key.slice("live/VMC-3/".length));
  return { of: (type) => of.get(type) ?? [], ms, signals: new Set(signals), writes };
}

const configured = (source: string): string => `
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines:
  - id: VMC-3
    sources: [${source}]
`;

/** All of it is in the agent's buffer: no cable hides anything. */
const mtconnect: Play = async () => {
  const { feed } = scripted();
  const simulation = await simulate({ ...feed, steps: feed.steps.map(({ atMs, observations }) => ({ atMs, observations })) }, { clock: systemClock(), speed: "all" });
  const running = await startAgent(configured(`{type: mtconnect, url: "${simulation.agent.url}", history: buffer, time: source}`));
  const ms = (text: unknown): number => Date.parse(String(text)) - feed.startMs;
  try {
    const lastMs = trueStates(shdrShift(1).shift).at(-1)?.startMs;
    await running.until(() => ms(running.last("state").at(-1)?.["start"]) === lastMs, "the last state is told");
    return told(running, ms, 0);
  } finally {
    await running.stop();
    await simulation.close();
  }
};

const polled = (begin: Parameters<typeof playPolledShift>[0], writes: () => number): Play => async () => {
  let result: Told | null = null;
  await playPolledShift(begin, ({ running, ms }) => { result = told(running, ms, writes()); });
  if (result === null) throw new Error("nothing was played");
  return result;
};

function modbus(): Play {
  let writes = (): number => Number.NaN;
  return polled(async (clock) => {
    const simulation = await simulateModbus({ clock, network: systemClock(), place: { host: "127.0.0.1" }, cable: "by hand" });
    writes = () => [...simulation.devices.values()].reduce((sum, device) => sum + device.writes, 0);
    return {
      shift: simulation.shift,
      source: JSON.stringify({ type: "modbus", host: "127.0.0.1", port: simulation.port, interval: `${POLL_MS}ms`, timeout: "10s", refill_hold: "0s", devices: SHIFT_DEVICES }),
      pull: () => simulation.bus.pullCable("refuse"), plug: () => simulation.bus.plugCable(), close: () => simulation.close(),
    };
  }, () => writes());
}

function focas(series: "31i-B" | "16i"): Play {
  let writes = (): number => Number.NaN;
  return polled(async (clock): Promise<Polled> => {
    const simulation = await simulateFocas({ clock, series, cable: "by hand" });
    const { server, playback } = simulation;
    writes = () => server.stats.writes;
    return {
      shift: playback.shift,
      source: JSON.stringify({ type: "focas", host: "127.0.0.1", port: server.port, interval: `${POLL_MS}ms`, slow_interval: "60s", timeout: "60s", length_unit: "mm", refill_hold: "0s" }),
      pull: () => server.powerOff(), plug: () => server.powerOn(), close: () => simulation.close(),
    };
  }, () => writes());
}

function haas(dialect: "ngc" | "classic"): Play {
  let writes = (): number => Number.NaN;
  return polled(async (clock) => {
    const simulation = await simulateHaas({ clock, network: systemClock(), dialect, cable: "by hand" });
    writes = () => simulation.control.writes;
    return {
      shift: simulation.shift,
      source: JSON.stringify({ type: "haas", host: "127.0.0.1", port: simulation.port.port, dialect, interval: `${POLL_MS}ms`, pause: "0ms", timeout: "10s", refill_hold: "0s" }),
      pull: () => simulation.port.pullCable("cut"), plug: () => simulation.port.plugCable(), close: () => simulation.close(),
    };
  }, () => writes());
}

/** What the driver waits for to come together with a line. */
const TOGETHER_MS = 25;
const LONGEST_MS = 500;
/** Tells when the driver has taken a line: it gathers what comes with it, gives it away, and waits for the next. */
function watchedNetwork(): { readonly network: Clock; readonly taken: () => Promise<void> } {
  const real = systemClock(20);
  let [gathers, waits] = [0, 0];
  return {
    network: {
      ...real,
      sleep(ms, signal) {
        if (ms === TOGETHER_MS) gathers++;
        return real.sleep(ms, signal);
      },
      deadline(ms, signal) {
        waits++;
        return real.deadline(ms, signal);
      },
    },
    async taken() {
      // A line that comes while the one before is still gathered is taken with it.
      const end = performance.now() + LONGEST_MS;
      const before = gathers;
      while (gathers === before && performance.now() < end) await turn();
      const waited = waits;
      while (waits === waited && performance.now() < end) await turn();
    },
  };
}
const MEASURES: ReadonlySet<string> = new Set(["S1speed", "S1load", "p1Fact", "ptool"]);
const decides = ({ items, conditions, cable }: ShdrStep): boolean => conditions.length > 0 || cable !== undefined || items.some(({ key }) => !MEASURES.has(key));

const shdr: Play = async () => {
  const { shift, steps } = shdrShift(1);
  const startMs = Date.UTC(2026, 0, 5, 6);
  const clock = fakeClock(startMs);
  const { network, taken } = watchedNetwork();
  const ms = (text: unknown): number => Date.parse(String(text)) - startMs;
  const iso = (atMs: number): string => new Date(startMs + atMs).toISOString();
  const adapter = await startShdrAdapter();
  const first = steps.filter(({ atMs }) => atMs === 0);
  adapter.say(iso(0), first.flatMap(({ items, conditions }) => [...items, ...conditions]), true);
  const running = await startAgent(configured(JSON.stringify({ type: "shdr", host: "127.0.0.1", port: adapter.port, map: SHIFT_MAP, refill_hold: "0s" })), { clock, network });
  const state = (): unknown => running.last("state").at(-1)?.["state"];
  let now = 0;
  const say = async (atMs: number, { items, conditions }: Pick<ShdrStep, "items" | "conditions">): Promise<void> => {
    await clock.advance(atMs - now);
    now = atMs;
    for (const [some, alone] of [[conditions, true], [items, false]] as const) {
      const done = adapter.clients > 0 && some.length > 0 ? taken() : null;
      adapter.say(iso(atMs), some, alone);
      await done;
    }
  };
  try {
    await running.until(() => state() === "READY", "the greeting is read");
    for (const step of steps.filter((one) => one.atMs > 0 && decides(one))) {
      await say(step.atMs, step);
      if (step.cable === "pull") {
        await adapter.pullCable("cut");
        await running.until(() => logged(running, "source lost") > 0, "the adapter is missed");
      }
      if (step.cable === "plug") {
        const connections = logged(running, "source connected");
        await adapter.plugCable();
        await running.until(() => logged(running, "source connected") > connections && state() !== "UNKNOWN", "the state is known again");
      }
    }
    // A minute later: what waited for something to join it is told.
    await say(shift.lengthMs + 60_000, { items: [{ key: "avail", text: "avail|AVAILABLE" }], conditions: [] });
    await running.until(() => running.last("cycle").some(({ start }) => ms(start) === shift.truth.cycles.at(-1)?.startMs), "the last cycle is told");
    return told(running, ms, adapter.writes);
  } finally {
    await running.stop();
    await adapter.close();
  }
};

/** Its server is the one that takes its time: so long of the shift, with three cycles and more, the alarm stop, and the cable. */
export const OPCUA_UNTIL_MS = 160 * 60_000;
/** What the agent says of each word of the script. */
const SINUMERIK_WORDS: Readonly<Record<string, string>> = { FEED_HOLD: "INTERRUPTED", STOPPED: "READY" };

const opcua: Play = async () => {
  const startMs = Date.now();
  const ms = (text: unknown): number => Date.parse(String(text)) - startMs;
  let at = 0;
  const simulation = await openShift({ port: 0, host: "127.0.0.1", now: () => new Date(startMs + at) });
  const { control, shift, perform } = simulation;
  const [first, ...steps] = shift.steps.filter(({ atMs }) => atMs < OPCUA_UNTIL_MS);
  if (first === undefined) throw new Error("the shift is empty");
  perform(first);
  const running = await startAgent(configured(`{type: opcua, url: "${simulation.url}", profile: sinumerik, drive: 1, security: none, publishing: 50ms, sampling: 50ms, measure_sampling: 50ms, keepalive: 500ms, refill_hold: 0s, time: source}`));
  try {
    await running.until(() => valueOf(running, "execution") === "READY", "the first values");
    let isOut = false;
    for (const step of steps) {
      at = step.atMs;
      const connections = logged(running, "source connected");
      perform(step);
      if (step.cable === "pull") await running.until(() => logged(running, "source lost") > 0, "the control is missed", 20_000);
      if (step.cable === "plug") await running.until(() => logged(running, "source connected") > connections, "the control is back", 20_000);
      isOut = step.cable === undefined ? isOut : step.cable === "pull";
      if (!isOut) await running.until(() => isTold(running, step), `what the control says at ${at}`);
    }
    return told(running, ms, control.counts.writes + control.counts.calls);
  } finally {
    await running.stop();
    await simulation.close();
  }
};
const logged = (running: RunningAgent, sentence: string): number => running.ports.lines.filter((line) => line.sentence === sentence).length;
function valueOf(running: RunningAgent, name: string): unknown {
  const kept = running.retained.get(`live/VMC-3/${name}`);
  return kept !== undefined && "value" in kept ? kept.value : undefined;
}
function isTold(running: RunningAgent, { signals, alarm }: ShiftStep): boolean {
  const { execution, controller_mode: mode, part_count: parts } = signals;
  return (execution === undefined || valueOf(running, "execution") === (SINUMERIK_WORDS[execution] ?? execution))
    && (mode === undefined || valueOf(running, "controller_mode") === mode) && (parts === undefined || valueOf(running, "part_count") === Number(parts))
    && (alarm === undefined || JSON.stringify(valueOf(running, "alarms") ?? []).includes(alarm.code) === alarm.active);
}

export const PLAYS: Readonly<Record<string, Play>> = {
  mtconnect, shdr, opcua, "focas 31i-B": focas("31i-B"), "focas 16i": focas("16i"), "haas ngc": haas("ngc"), "haas classic": haas("classic"), modbus: modbus(),
};
