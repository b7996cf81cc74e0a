/** The one call most callers want: the scripted shift, played by simulated devices over TCP or on a serial line. */
import type { Duplex } from "node:stream";
import type { Clock } from "../../contract/time.ts";
import { pace, type Pacing } from "../pace.ts";
import type { SimulatedDevice } from "./device.ts";
import { serveLine, serveTcp, type SimulatedBus } from "./server.ts";
import { shiftDevices } from "./shift.ts";
import type { Shift } from "../shift.ts";

export interface ModbusSimulationOptions {
  /** The shift's time. */
  readonly clock: Clock;
  readonly network: Clock;
  readonly seed?: number;
  readonly place: { readonly port?: number; readonly host?: string } | { readonly line: Duplex };
  /** What a pulled cable looks like; default `hang`. by hand: whoever asks for it pulls it. */
  readonly cable?: "hang" | "refuse" | "by hand";
}
export interface ModbusSimulation {
  readonly shift: Shift;
  readonly playback: Pacing;
  readonly bus: SimulatedBus;
  /** 0 on a serial line. */
  readonly port: number;
  readonly devices: ReadonlyMap<number, SimulatedDevice>;
  close(): Promise<void>;
}

export async function simulateModbus({ clock, network, seed, place, cable = "hang" }: ModbusSimulationOptions): Promise<ModbusSimulation> {
  const { shift, devices, perform } = shiftDevices(seed);
  const serve = { devices, network };
  const bus = "line" in place ? Object.assign(serveLine(serve, place.line), { port: 0 }) : await serveTcp(serve, place);
  const playback = pace(shift.steps, clock, (step) => {
    perform(step);
    if (cable === "by hand") return;
    // Listening again on a port we held a moment ago; should another process have taken it, the server's error ends the simulation.
    if (step.cable === "pull") void bus.pullCable(cable);
    if (step.cable === "plug") void bus.plugCable();
  });
  return {
    shift, playback, bus, devices, port: bus.port,
    async close() {
      playback.stop();
      await bus.close();
    },
  };
}
