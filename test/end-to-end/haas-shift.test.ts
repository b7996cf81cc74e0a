/**
 * The scripted shift played by a simulated Haas control, polled through the whole agent in the clock's own time: cycles and
 * states are the script's, each boundary at the first poll after it. Except: what it shows at M00 and M01 is held, the
 * alarm has no name, and where the cable was out is a gap.
 */
import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { simulateHaas } from "../../agent/simulate/haas/start.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { startAgent } from "../support/running-agent.ts";
import { trueStates } from "../support/shift-truth.ts";

const POLL_MS = 5_000;
const START = Date.UTC(2026, 0, 5, 6);

it("cycles, states, parts and one gap", async () => {
  const fake = fakeClock(START);
  let polled = 0;
  // A poll is over when its driver waits for the next.
  const clock: Clock = {
    ...fake,
    sleep(ms, signal) {
      if (ms > 0 && ms <= POLL_MS) polled++;
      return fake.sleep(ms, signal);
    },
  };
  const simulation = await simulateHaas({ clock: fake, network: systemClock(), cable: "cut" });
  const { shift, control, port } = simulation;
  const running = await startAgent(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines:
  - id: VMC-3
    sources: [{type: haas, host: 127.0.0.1, port: ${port.port}, dialect: ngc, interval: ${POLL_MS}ms, pause: 0ms, refill_hold: 0s}]
    cycle: {counter_join: 10s}
`, { clock });
  const ms = (text: unknown): number => Date.parse(String(text)) - START;
  const state = (): unknown => running.last("state").at(-1)?.["state"];
  const untilPolled = async (before: number): Promise<void> => {
    for (let turns = 0; polled === before; turns++) {
      if (turns > 1_000_000) throw new Error(`no poll at ${fake.now().unixMs - START} ms`);
      await turn();
    }
  };
  try {
    const [cable] = shift.truth.cable;
    if (cable === undefined) throw new Error("the script pulls no cable");
    await untilPolled(0);
    for (let at = POLL_MS; at <= shift.lengthMs + 60_000; at += POLL_MS) {
      const before = polled;
      const isOut = at >= cable.fromMs && at < cable.toMs;
      await fake.advance(POLL_MS);
      if (at === cable.fromMs) await running.until(() => state() === "UNKNOWN", "the cut is noticed");
      if (at === cable.toMs) await running.until(() => polled > before, "it is back");
      else if (!isOut) await untilPolled(before);
    }
    await running.until(() => running.last("cycle").some(({ start }) => ms(start) >= (shift.truth.cycles.at(-1)?.startMs ?? 0)), "the last cycle is told");

    const seen = (atMs: number): number => Math.ceil(atMs / POLL_MS) * POLL_MS;
    const clear = (fromMs: number, toMs: number): boolean => toMs < cable.fromMs || fromMs > cable.toMs;
    const cycles = running.last("cycle").filter(({ start, end, outcome }) => clear(ms(start), ms(end)) && outcome !== "unknown");
    const wanted = shift.truth.cycles.filter((one) => clear(one.startMs, one.endMs));
    expect(wanted.length).toBeGreaterThan(60);
    expect(cycles.map(({ start, end, outcome }) => [ms(start), ms(end), outcome])).toEqual(wanted.map((one) => [seen(one.startMs), seen(one.endMs), one.completed ? "completed" : "aborted"]));

    const truth = trueStates(shift).map((one) => ({ ...one, state: one.state === "PROGRAM_STOP" ? "HELD" : one.state }));
    const inTruth = truth.filter(({ startMs: from }, place) => clear(from, truth[place + 1]?.startMs ?? from)).map(({ state: name, startMs: from }) => [name, seen(from)]);
    const states = running.last("state").filter(({ state: name, start, end }) => name !== "UNKNOWN" && clear(ms(start), (end === null ? ms(start) : ms(end)) + POLL_MS)).map(({ state: name, start }) => [name, ms(start)]);
    expect(states).toEqual(inTruth);

    const parts = running.last("count").reduce((sum, { delta }) => sum + Number(delta), 0);
    expect(parts).toBe(shift.truth.parts);
    expect(running.last("connection").filter(({ kind, durationMs }) => kind === "gap" && durationMs !== 0)).toMatchObject([{ status: "closed" }]);
    expect(running.last("alarm")).toMatchObject([{ group: "SYSTEM", text: "alarm on; the Q commands do not say which" }]);
    expect(control.writes).toBe(0);
  } finally {
    await running.stop();
    await simulation.close();
  }
}, 120_000);
