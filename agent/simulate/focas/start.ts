/** The one call most callers want: a control that plays the shift. */
import { FocasServer, type SimulatedControlOptions } from "./server.ts";
import { playShift, type FocasPlayback, type ShiftOptions } from "./shift.ts";

export interface FocasSimulation {
  readonly server: FocasServer;
  readonly playback: FocasPlayback;
  close(): Promise<void>;
}

export async function simulateFocas(options: SimulatedControlOptions & ShiftOptions): Promise<FocasSimulation> {
  const server = await FocasServer.start(options);
  const playback = playShift(server, options);
  // Nobody asks between two steps without seeing the first.
  server.beforeAnswer = () => { playback.pump(); };
  return {
    server, playback,
    async close() {
      playback.stop();
      await server.close();
    },
  };
}
