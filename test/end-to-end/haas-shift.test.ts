/**
 * The scripted shift lived by a simulated Haas control, by Q commands through the whole agent. Cycles, states and parts are
 * the script's, each boundary at the first poll after it; except: M00 and M01 look like a feed hold, an alarm has no
 * number and no text, and where the cable was out is a gap.
 */
import { expect, it } from "vitest";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { simulateHaas } from "../../agent/simulate/haas/start.ts";
import { playPolledShift, POLL_MS } from "../support/polled-shift.ts";

/** Polls at which the cable is out, and is back. */
const [CABLE_OUT, CABLE_BACK] = [7_860_000, 8_580_000].map((at) => Math.ceil(at / POLL_MS) * POLL_MS);

it.each(["ngc", "classic"] as const)("cycles, states, parts and one gap: %s", async (dialect) => {
  let writes = (): number => Number.NaN;
  await playPolledShift(async (clock) => {
    const simulation = await simulateHaas({ clock, network: systemClock(), dialect, cable: "by hand" });
    writes = () => simulation.control.writes;
    return {
      shift: simulation.shift,
      source: JSON.stringify({ type: "haas", host: "127.0.0.1", port: simulation.port.port, dialect, interval: `${POLL_MS}ms`, pause: "0ms", timeout: "10s", refill_hold: "0s" }),
      pull: () => simulation.port.pullCable("cut"),
      plug: () => simulation.port.plugCable(),
      close: () => simulation.close(),
    };
  }, ({ running, shift, wanted, cycles, wantedStates, states, counted, ms }) => {
    expect(wanted.length).toBeGreaterThan(60);
    expect(cycles).toEqual(wanted);
    expect(states).toEqual(wantedStates.map(([state, at]) => [state === "PROGRAM_STOP" ? "HELD" : state, at]));
    // Those of the gap too: the counter tells them afterwards.
    expect(counted).toBe(shift.truth.parts);
    const gaps = running.last("connection").filter(({ kind }) => kind === "gap");
    expect(gaps.map(({ status, start, end }) => [status, ms(start), ms(end)])).toEqual([["closed", CABLE_OUT, CABLE_BACK]]);
    expect(running.last("alarm")).toMatchObject([{ text: "alarm on; the Q commands do not say which" }]);
    expect(running.last("cycle").at(-1)).toMatchObject({ timing: { kind: "polled", uncertaintyMs: POLL_MS } });
  });
  expect(writes()).toBe(0);
}, 120_000);
