/** The one call most callers want: a feed, and an agent that plays it. */
import { startMTConnectAgent, type SimulatedAgent, type SimulatedAgentOptions } from "./agent.ts";
import type { Feed } from "./feeds/feed.ts";
import { play, type Playback, type PlaybackOptions } from "./playback.ts";

export type SimulationOptions = Omit<SimulatedAgentOptions, "model"> & Omit<PlaybackOptions, "clock">;

export interface Simulation {
  readonly agent: SimulatedAgent;
  readonly playback: Playback;
  close(): Promise<void>;
}

/** Schema and instance are the recording's (or the model's) unless given. */
export async function simulate(feed: Feed, options: SimulationOptions): Promise<Simulation> {
  const instanceId = options.instanceId ?? feed.instanceId;
  const schema = options.schema ?? feed.schema ?? feed.model.schema;
  const agent = await startMTConnectAgent({ ...options, model: feed.model, ...(instanceId === undefined ? {} : { instanceId }), ...(schema === null ? {} : { schema }) });
  const playback = play(agent, feed, options);
  return {
    agent, playback,
    async close() {
      playback.stop();
      await agent.close();
    },
  };
}
