/**
 * The scripted shift lived by a simulated FANUC control, through the whole agent, in the shift's own time: that goes on by
 * one poll when a poll is done, so every boundary is known. Cycles, states and parts are the script's, each boundary at the
 * first poll after it; except where the cable was out: a control has no history, so that span is a gap.
 */
import { expect, it } from "vitest";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { simulateFocas } from "../../agent/simulate/focas/start.ts";
import { SHIFT_MS } from "../../agent/simulate/shift.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { startAgent } from "../support/running-agent.ts";
import { trueStates } from "../support/shift-truth.ts";

/** Its polls are told from other waits by it. */
const POLL_MS = 4_797;

/** Tells when the driver has done a poll: it waits for the next one. */
function watchedClock(clock: Clock): { readonly watched: Clock; readonly polled: () => Promise<void> } {
  let waiter = Promise.withResolvers<void>();
  return {
    watched: { ...clock, sleep(ms, signal) {
      const slept = clock.sleep(ms, signal);
      if (ms === POLL_MS) {
        waiter.resolve();
        waiter = Promise.withResolvers<void>();
      }
      return slept;
    } },
    polled: () => waiter.promise,
  };
}

it.each(["31i-B", "16i"] as const)("a %s: cycles, states, parts and one gap", async (series) => {
  const startMs = Date.now();
  const clock = fakeClock(startMs);
  const { watched, polled } = watchedClock(clock);
  const simulation = await simulateFocas({ clock, series });
  const { server, playback } = simulation;
  const first = polled();
  const running = await startAgent(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines:
  - id: VMC-3
    sources: [{type: focas, host: 127.0.0.1, port: ${server.port}, interval: ${POLL_MS}ms, slow_interval: 60s, timeout: 60s, length_unit: mm, refill_hold: 0s}]
`, { clock: watched, network: systemClock(20) });
  const ms = (text: unknown): number => Date.parse(String(text)) - startMs;
  try {
    const { shift } = playback;
    const [cable] = shift.truth.cable;
    if (cable === undefined) throw new Error("the script pulls no cable");
    await first;
    // A minute more: what waited for something to join it is told.
    for (let at = POLL_MS; at < SHIFT_MS + 60_000; at += POLL_MS) {
      const isOut = at >= cable.fromMs && at < cable.toMs;
      const done = polled();
      await clock.advance(POLL_MS);
      if (!isOut) await done;
      else if (at - POLL_MS < cable.fromMs) await running.until(() => running.ports.lines.some(({ sentence }) => sentence === "source lost"), "the control is missed");
    }
    await running.until(() => running.last("cycle").length >= shift.truth.cycles.length - 2, "the last cycle is told");

    const atPoll = (at: number): number => Math.ceil(at / POLL_MS) * POLL_MS;
    // The cycle that the cable cut ends where it was last seen; what is seen after it begins where the cable is back.
    const clear = (fromMs: number, toMs: number): boolean => toMs < cable.fromMs - POLL_MS || fromMs > cable.toMs + POLL_MS;
    const wanted = shift.truth.cycles.filter((one) => clear(one.startMs, one.endMs));
    const cycles = running.last("cycle").filter(({ start, end, outcome }) => clear(ms(start), ms(end)) && outcome !== "unknown");
    expect(wanted.length).toBeGreaterThan(60);
    expect(cycles.map(({ start, end, outcome }) => [ms(start), ms(end), outcome])).toEqual(wanted.map((one) => [atPoll(one.startMs), atPoll(one.endMs), one.completed ? "completed" : "aborted"]));
    // How sure a boundary is, is said: it may have been one poll earlier.
    expect(cycles.filter(({ timing }) => JSON.stringify(timing) !== JSON.stringify({ kind: "polled", uncertaintyMs: POLL_MS }))).toEqual([]);
    expect(cycles.map(({ program }) => (program as { readonly main: unknown }).main)).toEqual(wanted.map(({ program }) => program));

    const truth = trueStates(shift);
    const inTruth = truth.filter(({ startMs: from }, place) => clear(from, truth[place + 1]?.startMs ?? from)).map((one) => [one.state, atPoll(one.startMs)]);
    const states = running.last("state").filter((one) => one["state"] !== "UNKNOWN" && clear(ms(one["start"]), one["end"] === null ? ms(one["start"]) : ms(one["end"]))).map((one) => [one["state"], ms(one["start"])]);
    expect(states).toEqual(inTruth);

    // Every part is counted, those of the gap too: the counter tells them afterwards.
    const counted = running.last("count").filter(({ plausibility }) => plausibility !== "rejected").reduce((sum, { delta }) => sum + Number(delta), 0);
    expect(counted).toBe(shift.truth.parts);
    const gaps = running.last("connection").filter(({ kind, start }) => kind === "gap" && ms(start) > POLL_MS);
    expect(gaps.map(({ status }) => status)).toEqual(["closed"]);
    expect(running.last("alarm")).toMatchObject([{ alarmId: "SP1012", text: "SPINDLE OVERLOAD", severity: "fault" }]);
    expect(server.stats).toMatchObject({ writes: 0, refused: 0 });
  } finally {
    await running.stop();
    await simulation.close();
  }
}, 180_000);
