/**
 * The scripted shift told by a simulated SHDR adapter, through the whole agent, in the shift's own time. Its stamps are
 * exact, so cycles and states are the script's to the millisecond, except where the cable was out: an adapter has no
 * history, so that span is a gap.
 */
import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { startShdrAdapter } from "../../agent/simulate/shdr/adapter.ts";
import { SHIFT_MAP, shdrShift, type ShdrStep } from "../../agent/simulate/shdr/shift.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { startAgent } from "../support/running-agent.ts";
import { trueStates } from "../support/shift-truth.ts";

const START = Date.UTC(2026, 0, 5, 6);
/** What the driver waits for to come together with a line. */
const TOGETHER_MS = 25;

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
      const before = gathers;
      while (gathers === before) await turn();
      const waited = waits;
      while (waits === waited) await turn();
    },
  };
}

const decides = ({ items, conditions, cable }: ShdrStep): boolean => conditions.length > 0 || cable !== undefined || items.some(({ key }) => !["S1speed", "S1load", "p1Fact", "ptool"].includes(key));

it("cycles, states, parts and one gap", async () => {
  const { shift, steps } = shdrShift(1);
  const clock = fakeClock(START);
  const { network, taken } = watchedNetwork();
  const ms = (text: unknown): number => Date.parse(String(text)) - START;
  const iso = (atMs: number): string => new Date(START + atMs).toISOString();
  await using adapter = await startShdrAdapter();
  adapter.say(iso(0), steps.filter(({ atMs }) => atMs === 0).flatMap(({ items, conditions }) => [...items, ...conditions]), true);
  const running = await startAgent(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines:
  - id: VMC-3
    sources: [${JSON.stringify({ type: "shdr", host: "127.0.0.1", port: adapter.port, map: SHIFT_MAP, refill_hold: "0s" })}]
`, { clock, network });
  const state = (): unknown => running.last("state").at(-1)?.["state"];
  const said = async (atMs: number, { items, conditions }: Pick<ShdrStep, "items" | "conditions">): Promise<void> => {
    for (const [some, alone] of [[conditions, true], [items, false]] as const) {
      const done = adapter.clients > 0 && some.length > 0 ? taken() : null;
      adapter.say(iso(atMs), some, alone);
      await done;
    }
  };
  try {
    await running.until(() => state() === "READY", "the greeting is read");
    let now = 0;
    for (const step of steps.filter((one) => one.atMs > 0 && decides(one))) {
      await clock.advance(step.atMs - now);
      now = step.atMs;
      await said(now, step);
      if (step.cable === "pull") {
        await adapter.pullCable("cut");
        await running.until(() => running.ports.lines.some(({ sentence }) => sentence === "source lost"), "the adapter is missed");
      }
      if (step.cable === "plug") {
        await running.until(() => state() === "UNKNOWN", "the state is unknown");
        await adapter.plugCable();
        await running.until(() => state() !== "UNKNOWN", "the state is known again");
      }
    }
    // A minute later: what waited for something to join it is told.
    await clock.advance(shift.lengthMs + 60_000 - now);
    await said(shift.lengthMs + 60_000, { items: [{ key: "avail", text: "avail|AVAILABLE" }], conditions: [] });
    await running.until(() => running.last("cycle").some(({ start }) => ms(start) === shift.truth.cycles.at(-1)?.startMs), "the last cycle is told");

    const [cable] = shift.truth.cable;
    if (cable === undefined) throw new Error("the script pulls no cable");
    // The cycle that the cable cut ends where it was last seen; what is seen after it begins where the cable is back.
    const clear = (fromMs: number, toMs: number): boolean => toMs < cable.fromMs || fromMs > cable.toMs;
    const cycles = running.last("cycle").filter(({ start, end, outcome }) => clear(ms(start), ms(end)) && outcome !== "unknown");
    const wanted = shift.truth.cycles.filter((one) => clear(one.startMs, one.endMs));
    expect(wanted.length).toBeGreaterThan(60);
    expect(cycles.map(({ start, end, outcome }) => [ms(start), ms(end), outcome])).toEqual(wanted.map((one) => [one.startMs, one.endMs, one.completed ? "completed" : "aborted"]));

    const truth = trueStates(shift);
    const inTruth = truth.filter(({ startMs: from }, place) => clear(from, truth[place + 1]?.startMs ?? from)).map(({ state: name, startMs: from }) => [name, from]);
    const states = running.last("state").filter((one) => one["state"] !== "UNKNOWN" && clear(ms(one["start"]), one["end"] === null ? ms(one["start"]) : ms(one["end"]))).map((one) => [one["state"], ms(one["start"])]);
    expect(states).toEqual(inTruth);

    const gaps = running.last("connection").filter(({ kind, durationMs }) => kind === "gap" && durationMs !== 0);
    expect(gaps.map(({ status, end }) => [status, ms(end)])).toEqual([["closed", cable.toMs]]);
    expect(ms(gaps[0]?.["start"])).toBeLessThanOrEqual(cable.fromMs);
    // Those of the gap too: the counter tells them afterwards.
    expect(running.last("count").filter(({ plausibility }) => plausibility !== "rejected").reduce((sum, { delta }) => sum + Number(delta), 0)).toBe(shift.truth.parts);
    expect(running.last("alarm")).toMatchObject([{ alarmId: "1012", text: "SPINDLE OVERLOAD", durationMs: 500_000 }]);
    expect(adapter.writes).toBe(0);
  } finally {
    await running.stop();
  }
}, 60_000);
