/**
 * The scripted shift told by a simulated PLC over Modbus TCP, through the whole agent. Cycles, states and parts are the
 * script's, each boundary at the first poll after it; except where the cable was out: a PLC has no history, so that span
 * is a gap.
 */
import { expect, it } from "vitest";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { SHIFT_DEVICES } from "../../agent/simulate/modbus/shift.ts";
import { simulateModbus } from "../../agent/simulate/modbus/start.ts";
import { playPolledShift, POLL_MS } from "../support/polled-shift.ts";

/** Polls at which the cable is out, and is back. */
const [CABLE_OUT, CABLE_BACK] = [7_860_000, 8_580_000].map((at) => Math.ceil(at / POLL_MS) * POLL_MS);

it("cycles, states, parts and one gap", async () => {
  let writes = (): number => Number.NaN;
  await playPolledShift(async (clock) => {
    const simulation = await simulateModbus({ clock, network: systemClock(), place: { host: "127.0.0.1" }, cable: "by hand" });
    writes = () => [...simulation.devices.values()].reduce((sum, device) => sum + device.writes, 0);
    return {
      shift: simulation.shift,
      source: JSON.stringify({ type: "modbus", host: "127.0.0.1", port: simulation.port, interval: `${POLL_MS}ms`, timeout: "10s", refill_hold: "0s", devices: SHIFT_DEVICES }),
      pull: () => simulation.bus.pullCable("refuse"),
      plug: () => simulation.bus.plugCable(),
      close: () => simulation.close(),
    };
  }, ({ running, shift, wanted, cycles, wantedStates, states, counted, ms }) => {
    expect(wanted.length).toBeGreaterThan(60);
    expect(cycles).toEqual(wanted);
    expect(states).toEqual(wantedStates);
    // Those of the gap too: the counter tells them afterwards.
    expect(counted).toBe(shift.truth.parts);
    const gaps = running.last("connection").filter(({ kind }) => kind === "gap");
    expect(gaps.map(({ status, start, end }) => [status, ms(start), ms(end)])).toEqual([["closed", CABLE_OUT, CABLE_BACK]]);
    expect(running.last("alarm")).toMatchObject([{ alarmId: "1012", text: "SPINDLE OVERLOAD" }]);
    expect(ms(running.last("alarm")[0]?.["start"]) % POLL_MS).toBe(0);
    expect([...running.retained.keys()].filter((key) => key.includes("point"))).toEqual(expect.arrayContaining(["live/VMC-3/point/power_total"]));
  });
  expect(writes()).toBe(0);
}, 120_000);
