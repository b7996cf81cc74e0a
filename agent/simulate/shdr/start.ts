/** A simulated adapter that plays the scripted shift by a clock. */
import type { Clock } from "../../contract/time.ts";
import { pace, type Pacing } from "../pace.ts";
import type { Shift } from "../shift.ts";
import { startShdrAdapter, type AdapterOptions, type SimulatedAdapter } from "./adapter.ts";
import { shdrShift } from "./shift.ts";

export interface ShdrSimulation {
  readonly adapter: SimulatedAdapter;
  readonly shift: Shift;
  readonly pacing: Pacing;
  close(): Promise<void>;
}
export interface ShdrSimulationOptions extends AdapterOptions {
  readonly clock: Clock;
  readonly seed?: number;
  /** What a pulled cable looks like. Default `hang`. */
  readonly cable?: "cut" | "hang";
}

export async function simulateShdr({ clock, seed = 1, cable: how = "hang", ...options }: ShdrSimulationOptions): Promise<ShdrSimulation> {
  const adapter = await startShdrAdapter(options);
  const { shift, steps } = shdrShift(seed);
  const startMs = clock.now().unixMs;
  const pacing = pace(steps, clock, ({ atMs, items, conditions, cable }) => {
    const stamp = new Date(startMs + atMs).toISOString();
    adapter.say(stamp, conditions, true);
    adapter.say(stamp, items);
    // Listening again on a port we held a moment ago; should another process have taken it, the server's error ends the simulation.
    if (cable === "pull") void adapter.pullCable(how);
    if (cable === "plug") void adapter.plugCable();
  });
  return {
    adapter, shift, pacing,
    async close() {
      pacing.stop();
      await adapter.close();
    },
  };
}
