/**
 * Plays a feed into an agent: at a speed, or all at once. Before each document everything due has been handed over, so
 * that creationTime never lies after an observation still to come. A recording's clock goes with its stamps and ends
 * with the last of them; pauses longer than `maxPauseMs` of a recording are skipped when it is paced.
 */
import type { Clock } from "../../contract/time.ts";
import type { SimulatedAgent } from "./agent.ts";
import type { Feed, Step } from "./feeds/feed.ts";
import { stampOf } from "./observation.ts";

export interface PlaybackOptions {
  readonly clock: Clock;
  /** Times `clock`'s own pace; "all": everything is in the buffer at once. */
  readonly speed: number | "all";
  /** Default 10 min; only recordings. */
  readonly maxPauseMs?: number;
  /** What a pulled cable looks like; default `hang`. */
  readonly cable?: "hang" | "refuse" | "cut";
}

export interface Playback {
  /** Resolves when the last step is in the ring; when stopped, too. */
  readonly finished: Promise<void>;
  readonly done: boolean;
  /** Hands over what is due. */
  pump(): void;
  stop(): void;
}

/** A timer never waits longer, so that a clock set forward by hand is noticed. */
const LONGEST_WAIT_MS = 60_000;

export function play(agent: SimulatedAgent, feed: Feed, options: PlaybackOptions): Playback {
  const { promise: finished, resolve } = Promise.withResolvers<void>();
  const { clock, speed } = options;
  const due = schedule(feed, options);
  const began = clock.now();
  let next = 0;
  let pumping = false;
  let cancel = (): void => undefined;
  const elapsed = (): number => (speed === "all" ? Number.POSITIVE_INFINITY : (clock.now().monoMs - began.monoMs) * speed);

  const pump = (): void => {
    // A push wakes streams, which ask again before their document.
    if (pumping) return;
    pumping = true;
    const limit = elapsed();
    while (next < due.length && (due[next] ?? 0) <= limit) {
      const step = feed.steps[next];
      next++;
      if (step !== undefined) perform(agent, step, options);
    }
    pumping = false;
    if (next === due.length) resolve();
  };
  const arm = (): void => {
    const at = due[next];
    if (at === undefined || speed === "all") return;
    cancel = clock.after(Math.min(LONGEST_WAIT_MS, Math.max(0, (at - elapsed()) / speed)), () => {
      pump();
      arm();
    });
  };
  if (feed.recorded) {
    agent.core.recorded = true;
    agent.core.now = () => Math.trunc(recordedNow(feed, due, next, elapsed()));
    agent.core.modelChanged = stampOf(feed.startMs);
  }
  agent.core.beforeDocument = pump;
  pump();
  arm();
  return {
    finished, pump,
    get done() {
      return next === due.length;
    },
    stop() {
      cancel();
      agent.core.beforeDocument = () => undefined;
      resolve();
    },
  };
}

function perform(agent: SimulatedAgent, step: Step, options: PlaybackOptions): void {
  if (step.observations.length > 0) agent.push(step.observations);
  if (step.cable === "pull") agent.pullCable(options.cable ?? "hang");
  // Listening again on a port we held a moment ago; should another process have taken it, the server's error ends the simulation.
  if (step.cable === "plug") void agent.plugCable();
}

/** When each step is due on the feed's own axis, long pauses of recordings shortened. */
function schedule(feed: Feed, options: PlaybackOptions): Float64Array {
  const longest = feed.recorded ? options.maxPauseMs ?? 600_000 : Number.POSITIVE_INFINITY;
  const due = new Float64Array(feed.steps.length);
  let at = 0;
  let before = 0;
  for (const [index, step] of feed.steps.entries()) {
    at += Math.min(longest, step.atMs - before);
    before = step.atMs;
    due[index] = at;
  }
  return due;
}

/** Stamp of the newest step handed over, going on until just before the next one; the last stamp at the end. */
function recordedNow(feed: Feed, due: Float64Array, next: number, elapsed: number): number {
  const last = feed.steps[next - 1];
  if (last === undefined) return feed.startMs;
  const coming = feed.steps[next];
  if (coming === undefined) return feed.startMs + last.atMs;
  return feed.startMs + Math.min(coming.atMs, last.atMs + Math.max(0, elapsed - (due[next - 1] ?? 0)));
}
