/**
 * A simulated machine moved by hand: what it says and what its agent's clock shows are given in seconds after START, so
 * that a run is the same however long it takes. The agent that watches it runs in this process with a clock moved by
 * hand too (holds and ticks); the network is real.
 */
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { shiftModel } from "../../agent/simulate/mtconnect/feeds/shift.ts";
import { startMTConnectAgent, type SimulatedAgent } from "../../agent/simulate/mtconnect/agent.ts";
import type { SimulatedObservation } from "../../agent/simulate/mtconnect/observation.ts";
import { fakeClock, type FakeClock } from "../support/fake-clock.ts";
import { startAgent, type RunningAgent } from "../support/running-agent.ts";

/** A Monday morning. */
export const START = Date.UTC(2026, 0, 5, 6);
export const HOLD_S = 600;
export const instant = (seconds: number): string => new Date(START + seconds * 1_000).toISOString();
export const secondOf = (text: unknown): number | null => (typeof text === "string" ? (Date.parse(text) - START) / 1_000 : null);

/** Data item → value; `logic: "FAULT 1010 TEXT"` is a condition. */
export type Says = Readonly<Record<string, string | number>>;
export const IDLE: Says = { avail: "AVAILABLE", estop: "ARMED", power: "ON", mode: "AUTOMATIC", exec: "READY", prog: "O1001", pcount: 10, syscond: "NORMAL", logic: "NORMAL", motion: "NORMAL" };

export interface HandMachine extends AsyncDisposable {
  readonly agent: SimulatedAgent;
  /** At this second the machine says so; its agent's clock shows it. */
  says(second: number, values: Says): void;
  /** Time passes and nothing is said. */
  passes(second: number): void;
  /** Everything is unavailable, as an agent begins. */
  blank(second: number): void;
}

export async function handMachine({ bufferSize = 131_072 }: { readonly bufferSize?: number } = {}): Promise<HandMachine> {
  const model = shiftModel("VMC-3");
  const agent = await startMTConnectAgent({ model, clock: systemClock(), instanceId: "1", bufferSize });
  let now = START;
  agent.core.now = () => now;
  const set = (second: number): void => void (now = START + second * 1_000);
  const observation = (item: string, value: string | number): SimulatedObservation => {
    const [level = "", nativeCode, ...words] = String(value).split(" ");
    return item === "logic" && nativeCode !== undefined ? { item, at: now, value: level, nativeCode, text: words.join(" ") } : { item, at: now, value: String(value) };
  };
  return {
    agent,
    says(second, values) {
      set(second);
      agent.push(Object.entries(values).map(([item, value]) => observation(item, value)));
    },
    passes: set,
    blank(second) {
      set(second);
      agent.push(model.items.map((item) => ({ item: item.id, at: now, value: "UNAVAILABLE" })));
    },
    [Symbol.asyncDispose]: () => agent.close(),
  };
}

export interface Watching extends AsyncDisposable {
  readonly running: RunningAgent;
  readonly clock: FakeClock;
  /** What the machine has said is on its way to the agent. */
  sent(machine: HandMachine): Promise<void>;
  /** The agent knows all that the machine has said, and that it has nothing newer. */
  caughtUp(machine: HandMachine): Promise<void>;
  live(name: string): unknown;
  /** `STATE from to` of each state in order, seconds; … while open. */
  states(): string[];
  stop(): Promise<void>;
}

/** `more`: further lines of the machine's YAML. */
export async function watch(url: string, { dataDir, history = "current", second = 0, more = "" }: { readonly dataDir?: string; readonly history?: string; readonly second?: number; readonly more?: string } = {}): Promise<Watching> {
  const clock = fakeClock(START + second * 1_000);
  const running = await startAgent(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines:
  - id: VMC-3
    sources: [{type: mtconnect, url: "${url}", history: ${history}, heartbeat: 100ms, interval: 10ms, refill_hold: ${HOLD_S}s, time: source}]
    cycle: {counter_join: 1s}${more}
`, { clock, random: () => 0 }, dataDir);
  let stopped = false;
  const allSent = ({ agent: { core } }: HandMachine): boolean => core.listeners.size > 0 && [...core.listeners].every(({ pending }) => pending === null);
  const watching: Watching = {
    running, clock,
    sent: (machine) => running.until(() => allSent(machine), "everything is sent"),
    async caughtUp(machine) {
      await watching.sent(machine);
      const { parts } = machine.agent.stats;
      // When a third part is written, a whole one made after what was said has been read.
      await running.until(() => machine.agent.stats.parts >= parts + 3 && allSent(machine), "three more parts");
    },
    live(name) {
      const shown: { readonly value?: unknown } | undefined = running.retained.get(`live/VMC-3/${name}`);
      return shown?.value;
    },
    states: () => running.last("state").map(({ state, start, end }) => `${String(state)} ${secondOf(start)} ${secondOf(end) ?? "…"}`),
    async stop() {
      if (stopped) return;
      stopped = true;
      await running.stop();
    },
    [Symbol.asyncDispose]: () => watching.stop(),
  };
  return watching;
}
