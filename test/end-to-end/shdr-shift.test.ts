/**
 * The scripted shift told by a simulated SHDR adapter, through the whole agent. Its stamps are exact, so cycles and states
 * are the script's to the millisecond, except where the cable was out: an adapter has no history, so that span is a gap.
 */
import { expect, it } from "vitest";
import { startShdrAdapter } from "../../agent/simulate/shdr/adapter.ts";
import { SHIFT_MAP, shdrShift } from "../../agent/simulate/shdr/shift.ts";
import { startAgent } from "../support/running-agent.ts";
import { trueStates } from "../support/shift-truth.ts";

it("cycles, states, parts and one gap", async () => {
  const { shift, steps } = shdrShift(1);
  const startMs = Date.now();
  const ms = (text: unknown): number => Date.parse(String(text)) - startMs;
  const iso = (atMs: number): string => new Date(startMs + atMs).toISOString();
  await using adapter = await startShdrAdapter();
  adapter.say(iso(0), steps.filter(({ atMs }) => atMs === 0).flatMap(({ items, conditions }) => [...items, ...conditions]), true);
  const running = await startAgent(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines:
  - id: VMC-3
    sources: [${JSON.stringify({ type: "shdr", host: "127.0.0.1", port: adapter.port, map: SHIFT_MAP, time: "source", refill_hold: "0s" })}]
`);
  try {
    const state = (): unknown => running.last("state").at(-1)?.["state"];
    const truth = trueStates(shift);
    await running.until(() => state() === "READY", "the greeting is read");
    for (const { atMs, items, conditions, cable } of steps.filter((step) => step.atMs > 0)) {
      adapter.say(iso(atMs), conditions, true);
      adapter.say(iso(atMs), items);
      if (cable === "pull") {
        const reached = truth.findLast((one) => one.startMs <= atMs)?.startMs;
        await running.until(() => ms(running.last("state").at(-1)?.["start"]) === reached, "the state before the cut is told");
        await adapter.pullCable("cut");
        await running.until(() => state() === "UNKNOWN", "the state is unknown");
      }
      if (cable === "plug") {
        await adapter.plugCable();
        await running.until(() => state() !== "UNKNOWN", "the state is known again");
      }
    }
    // A minute later: what waited for something to join it is told.
    adapter.say(iso(shift.lengthMs + 60_000), [{ key: "end", text: "avail|AVAILABLE" }]);
    await running.until(() => running.last("cycle").some(({ start }) => ms(start) === shift.truth.cycles.at(-1)?.startMs), "the last cycle is told");

    const [cable] = shift.truth.cable;
    if (cable === undefined) throw new Error("the script pulls no cable");
    // The cycle that the cable cut ends where it was last seen; what is seen after it begins where the cable is back.
    const clear = (fromMs: number, toMs: number): boolean => toMs < cable.fromMs || fromMs > cable.toMs;
    const isOf = ({ start, end, outcome }: Record<string, unknown>): boolean => clear(ms(start), ms(end)) && outcome !== "unknown";

    const cycles = running.last("cycle").filter(isOf);
    const wanted = shift.truth.cycles.filter((one) => clear(one.startMs, one.endMs));
    expect(wanted.length).toBeGreaterThan(60);
    expect(cycles.map(({ start, end, outcome }) => [ms(start), ms(end), outcome])).toEqual(wanted.map((one) => [one.startMs, one.endMs, one.completed ? "completed" : "aborted"]));

    const inTruth = truth.filter(({ startMs: from }, place) => clear(from, truth[place + 1]?.startMs ?? from)).map(({ state, startMs: from }) => [state, from]);
    const states = running.last("state").filter(({ state, start, end }) => state !== "UNKNOWN" && clear(ms(start), end === null ? ms(start) : ms(end))).map(({ state, start }) => [state, ms(start)]);
    // Of the first nobody knows since when.
    expect(states[0]?.[0]).toBe("READY");
    expect(states.slice(1)).toEqual(inTruth.slice(1));

    const gaps = running.last("connection").filter(({ kind }) => kind === "gap");
    expect(gaps.map(({ status }) => status)).toEqual(["closed", "closed"]);
    // The first is of the start, before anything was heard.
    expect(gaps[0]?.["durationMs"]).toBeLessThan(5_000);
    expect(ms(gaps[1]?.["start"])).toBeLessThanOrEqual(cable.fromMs);
    expect(ms(gaps[1]?.["end"])).toBeGreaterThan(cable.fromMs);
    expect(running.last("alarm")).toMatchObject([{ alarmId: "1012", text: "SPINDLE OVERLOAD", durationMs: 500_000 }]);
    expect(adapter.writes).toBe(0);
  } finally {
    await running.stop();
  }
}, 60_000);
