/** A simulated Haas control that plays the scripted shift, on the network and, where asked, on a pseudo-terminal. */
import type { Clock } from "../../contract/time.ts";
import { pace, type Pacing } from "../pace.ts";
import { scriptedShift, type Shift } from "../shift.ts";
import { Control, type ControlOptions } from "./control.ts";
import { startHaasPort, type HaasPort } from "./port.ts";
import { startHaasSerial, type HaasSerial } from "./serial.ts";

export interface HaasSimulation {
  readonly control: Control;
  readonly shift: Shift;
  readonly pacing: Pacing;
  readonly port: HaasPort;
  readonly serial: HaasSerial | null;
  close(): Promise<void>;
}
export interface HaasSimulationOptions {
  readonly clock: Clock;
  /** Of delays: real time. */
  readonly network: Clock;
  readonly host?: string;
  readonly port?: number;
  readonly seed?: number;
  readonly dialect?: ControlOptions["dialect"];
  readonly delayMs?: number;
  /** Path of the pseudo-terminal to make. */
  readonly serial?: string;
  /** What the script's pulled cable looks like. Default `hang`; `by hand`: the script's is passed over. */
  readonly cable?: "cut" | "hang" | "by hand";
}

export async function simulateHaas({ clock, network, seed = 1, dialect = "ngc", delayMs = 0, serial: path, cable: how = "hang", ...where }: HaasSimulationOptions): Promise<HaasSimulation> {
  const control = new Control({ dialect, clock });
  const port = await startHaasPort(control, { ...where, clock: network });
  const serial = path === undefined ? null : await startHaasSerial(control, { path, clock: network });
  port.lines.troubles.delayMs = delayMs;
  if (serial !== null) serial.lines.troubles.delayMs = delayMs;
  const shift = scriptedShift(seed);
  const pacing = pace(shift.steps, clock, ({ signals, alarm, cable }) => {
    if (alarm !== undefined) control.alarm(alarm.active);
    control.set(signals);
    // Listening again on a port we held a moment ago; should another process have taken it, the server's error ends the simulation.
    if (how === "by hand") return;
    if (cable === "pull") void port.pullCable(how);
    if (cable === "plug") void port.plugCable();
    if (serial !== null && cable !== undefined) serial.lines.troubles.hangs = cable === "pull";
  });
  return {
    control, shift, pacing, port, serial,
    async close() {
      pacing.stop();
      await port.close();
      await serial?.close();
    },
  };
}
