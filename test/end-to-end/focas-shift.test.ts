/**
 * The scripted shift lived by a simulated FANUC control, through the whole agent. Cycles, states and parts are the
 * script's, each boundary at the first poll after it; except where the control was away: it has no history, so that span
 * is a gap.
 */
import { expect, it } from "vitest";
import { simulateFocas, type FocasSimulation } from "../../agent/simulate/focas/start.ts";
import { playPolledShift, POLL_MS } from "../support/polled-shift.ts";

/** Polls at which the control is away, and is back. */
const [AWAY, BACK] = [7_860_000, 8_580_000].map((at) => Math.ceil(at / POLL_MS) * POLL_MS);

it.each(["31i-B", "16i"] as const)("a %s: cycles, states, parts and one gap", async (series) => {
  let simulation: FocasSimulation | null = null;
  await playPolledShift(async (clock) => {
    simulation = await simulateFocas({ clock, series, cable: "by hand" });
    const { server, playback, close } = { ...simulation, close: simulation.close.bind(simulation) };
    return {
      shift: playback.shift,
      source: JSON.stringify({ type: "focas", host: "127.0.0.1", port: server.port, interval: `${POLL_MS}ms`, slow_interval: "60s", timeout: "60s", length_unit: "mm", refill_hold: "0s" }),
      pull: () => server.powerOff(), plug: () => server.powerOn(), close,
    };
  }, ({ running, shift, wanted, cycles, wantedStates, states, counted, ms }) => {
    expect(wanted.length).toBeGreaterThan(60);
    expect(cycles).toEqual(wanted);
    expect(states).toEqual(wantedStates);
    // Every part is counted, those of the gap too: the counter tells them afterwards.
    expect(counted).toBe(shift.truth.parts);
    const gaps = running.last("connection").filter(({ kind }) => kind === "gap");
    expect(gaps.map(({ status, start, end }) => [status, ms(start), ms(end)])).toEqual([["closed", AWAY, BACK]]);
    expect(running.last("alarm")).toMatchObject([{ alarmId: "SP1012", text: "SPINDLE OVERLOAD", severity: "fault", durationMs: expect.closeTo(500_000, -POLL_MS) as number }]);
    // How sure a boundary is, is said: it may have been one poll earlier.
    const timings = running.last("cycle").filter(({ start }) => ms(start) !== BACK).map(({ timing }) => timing);
    expect(timings.filter((timing) => JSON.stringify(timing) !== JSON.stringify({ kind: "polled", uncertaintyMs: POLL_MS }))).toEqual([]);
    expect(simulation?.server.stats).toMatchObject({ writes: 0, refused: 0 });
  });
}, 120_000);
