/** `cellgate simulate shdr`: an adapter that tells the shift in its own names for things. */
import { shiftCommand } from "./simulate-shift.ts";

export const simulateShdrCommand = shiftCommand({
  kind: "shdr",
  summary: "serve a simulated SHDR adapter that plays a shift",
  port: 7878,
  async start({ clock, host, port, seed }) {
    const { simulateShdr } = await import("../simulate/shdr/start.ts");
    const { SHIFT_MAP } = await import("../simulate/shdr/shift.ts");
    const simulation = await simulateShdr({ clock, host, port, seed });
    const { adapter } = simulation;
    return { at: `${host}:${adapter.port}`, source: JSON.stringify({ type: "shdr", host, port: adapter.port, map: SHIFT_MAP }), close: () => simulation.close() };
  },
});
