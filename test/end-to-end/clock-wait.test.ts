/**
 * The agent on a computer that starts with the time of its last shutdown and knows that it is not set: set within
 * `clock_wait`, or only after it. In this process, with a wall clock of its own; the machine keeps true time.
 */
import { expect, it } from "vitest";
import { unixMs, type Clock } from "../../agent/contract/time.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { sleep } from "../bench/support/waiting.ts";
import { startAgent, type RunningAgent } from "../support/running-agent.ts";
import { trueMachine, type TrueMachine } from "./true-machine.ts";

const BEHIND_MS = 3 * 3_600_000;
const SLOW_MS = 2_000;

interface Computer extends AsyncDisposable {
  readonly agent: RunningAgent;
  readonly machine: TrueMachine;
  /** By the network: it tells the time, and the system that it did. */
  setClock(): void;
  /** [start, end] of a machine's records, in order, less `offsetMs`. */
  spans(machine: string, type: string): readonly (readonly [number, number])[];
  clocks(machine: string): readonly (string | null)[];
  health(machine: string): Readonly<Record<string, unknown>>;
}
async function computer(clockWait: string): Promise<Computer> {
  let offsetMs = -BEHIND_MS;
  let isSet = false;
  const real = systemClock();
  const clock: Clock = { ...real, now: () => ({ ...real.now(), unixMs: unixMs(real.now().unixMs + offsetMs) }) };
  const machine = await trueMachine();
  const source = (policy: string): string => `sources: [{type: mtconnect, url: "${machine.agent.url}", device: VMC-3, heartbeat: 200ms, interval: 10ms, clock_tolerance: 2s, time: ${policy}}], cycle: {counter_join: 200ms}`;
  const agent = await startAgent(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test, clock_wait: ${clockWait}}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines:
  - {id: stamped, ${source("auto")}}
  - {id: dated, ${source("gateway")}}
`, { clock, network: clock, clockProbe: () => Promise.resolve(isSet ? "set" : "not set") });
  await agent.until(() => agent.ports.lines.filter(({ sentence }) => sentence === "source connected").length === 2, "both sources are connected");
  return {
    agent, machine,
    setClock() {
      offsetMs = 0;
      isSet = true;
    },
    spans(id, type) {
      const ids = new Set(agent.delivered.filter((row) => row.machine === id).map((row) => row.id));
      return agent.last(type).filter(({ recordId }) => typeof recordId === "string" && ids.has(recordId)).map(({ start, end }): readonly [number, number] => [msOf(start), msOf(end)]);
    },
    clocks: (id) => agent.delivered.filter((row) => row.machine === id).map((row) => row.clock),
    health: (id) => ({ ...agent.retained.get(`health/${id}`) }),
    async [Symbol.asyncDispose]() {
      await agent.stop();
      await machine.agent.close();
    },
  };
}
const msOf = (text: unknown): number => (typeof text === "string" ? Date.parse(text) : Infinity);
const isNear = (one: number, other: number): boolean => Math.abs(one - other) < SLOW_MS;

it("set within the wait: nothing was dated before, all of it is there, and no source is taken for wrong", { timeout: 30_000 }, async () => {
  await using here = await computer("1h");
  const cycles = [await here.machine.cycle(), await here.machine.cycle()];
  // Longer than a source's clock may be off: what waited is not measured by when it was let go.
  await sleep(2_500);
  expect(here.agent.delivered).toEqual([]);
  here.setClock();
  await here.agent.until(() => here.spans("stamped", "cycle").length === 2 && here.spans("dated", "cycle").length === 2, "the cycles are there");
  expect(here.spans("stamped", "cycle")).toEqual(cycles);
  here.spans("dated", "cycle").forEach(([start, end], index) => expect([isNear(start, cycles[index]?.[0] ?? 0), isNear(end, cycles[index]?.[1] ?? 0)]).toEqual([true, true]));
  expect([...here.clocks("stamped"), ...here.clocks("dated")].filter((clock) => clock !== null)).toEqual([]);
  await here.agent.until(() => here.health("stamped")["clockShiftMs"] === 0 && Math.abs(Number(here.health("stamped")["clockOffsetMs"])) < SLOW_MS, "the source's clock is right in health");
});

it("set only after the wait: stamps stand and nothing is measured; what our clock dates says that it was not set, until it is", { timeout: 30_000 }, async () => {
  await using here = await computer("1s");
  await here.agent.until(() => here.agent.ports.lines.some(({ sentence }) => sentence.startsWith("this machine's clock is not set: records go on")), "the wait is over");
  const cycles = [await here.machine.cycle()];
  await here.agent.until(() => here.spans("stamped", "cycle").length === 1 && here.spans("dated", "cycle").length === 1, "the cycles are there");
  expect(here.spans("stamped", "cycle")).toEqual(cycles);
  expect(here.spans("dated", "cycle").map(([start, end]) => [isNear(start + BEHIND_MS, cycles[0]?.[0] ?? 0), isNear(end + BEHIND_MS, cycles[0]?.[1] ?? 0)])).toEqual([[true, true]]);
  expect([new Set(here.clocks("stamped")), new Set(here.clocks("dated"))]).toEqual([new Set([null]), new Set(["unsynchronised"])]);
  const told = here.agent.delivered.length;

  here.setClock();
  const setAt = Date.now();
  await here.agent.until(() => here.agent.ports.lines.some(({ sentence }) => sentence === "this machine's clock is set now"), "the clock is set");
  cycles.push(await here.machine.cycle());
  await here.agent.until(() => here.spans("stamped", "cycle").length === 2 && here.spans("dated", "cycle").length === 2, "the cycles are there");
  expect(here.spans("stamped", "cycle")).toEqual(cycles);
  const [gap, ...more] = here.agent.last("connection").filter(({ reason }) => reason === "clock-step");
  expect(more).toEqual([]);
  expect(Math.abs(msOf(gap?.["end"]) - msOf(gap?.["start"]) - BEHIND_MS)).toBeLessThan(5);
  const later = here.agent.delivered.slice(told).filter(({ machine }) => machine === "dated");
  // The system is asked once a second.
  const isRight = ({ clock, start }: { readonly clock: string | null; readonly start: number }): boolean => (start < setAt - BEHIND_MS / 2 ? clock === "unsynchronised" : start < setAt + SLOW_MS || clock === null);
  expect(later.filter((row) => !isRight(row)), "what began while it was not set, and nothing else").toEqual([]);
  await sleep(SLOW_MS);
  const [, after] = await here.machine.cycle();
  await here.agent.until(() => here.agent.delivered.some(({ machine, start, clock }) => machine === "dated" && start > after - SLOW_MS && clock === null), "the mark is gone");
  await here.agent.until(() => Math.abs(Number(here.health("stamped")["clockOffsetMs"] ?? Infinity)) < SLOW_MS, "the source's clock is measured");
  expect(new Set(here.clocks("stamped"))).toEqual(new Set([null]));
});
