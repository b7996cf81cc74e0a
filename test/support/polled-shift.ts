/**
 * The scripted shift lived by a simulated control that is polled, through the whole agent, in the shift's own time: that
 * goes on by one poll when a poll is done, so every boundary is known: the first poll after the script's.
 */
import { systemClock } from "../../agent/runtime/time/clock.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { SHIFT_MS, type Shift } from "../../agent/simulate/shift.ts";
import { fakeClock } from "./fake-clock.ts";
import { startAgent, type RunningAgent } from "./running-agent.ts";

/** An odd number, so that no other wait is taken for a poll. */
export const POLL_MS = 4_797;

export interface Polled {
  readonly shift: Shift;
  /** The source's keys as YAML on one line; it polls every POLL_MS. */
  readonly source: string;
  /** Cuts the connection, and refuses new ones. Between two polls, so that the first after it is at a known time. */
  pull(): Promise<void>;
  plug(): Promise<void>;
  close(): Promise<void>;
}
export interface PolledShift {
  readonly running: RunningAgent;
  /** ms after the shift's start. */
  readonly ms: (text: unknown) => number;
}

/** Tells when the driver has done a poll: it waits for the next one. */
function watchedClock(clock: Clock): { readonly watched: Clock; readonly polled: () => Promise<void> } {
  let waiter = Promise.withResolvers<void>();
  return {
    watched: { ...clock, sleep(ms, signal) {
      const slept = clock.sleep(ms, signal);
      if (ms === POLL_MS) {
        waiter.resolve();
        waiter = Promise.withResolvers<void>();
      }
      return slept;
    } },
    polled: () => waiter.promise,
  };
}

/** Plays all of it and a minute more, then gives `check` what came of it. */
export async function playPolledShift(begin: (clock: Clock) => Promise<Polled>, check: (played: PolledShift) => void): Promise<void> {
  const startMs = Date.now();
  const clock = fakeClock(startMs);
  const { watched, polled } = watchedClock(clock);
  const simulated = await begin(clock);
  const { shift } = simulated;
  const first = polled();
  const running = await startAgent(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines:
  - id: VMC-3
    sources: [${simulated.source}]
`, { clock: watched, network: systemClock(20) });
  const ms = (text: unknown): number => Date.parse(String(text)) - startMs;
  try {
    const [cable] = shift.truth.cable;
    if (cable === undefined) throw new Error("the script pulls no cable");
    await first;
    const isOut = (at: number): boolean => at >= cable.fromMs && at < cable.toMs;
    for (let now = 0; now < SHIFT_MS + 60_000; now += POLL_MS) {
      if (isOut(now) && !isOut(now - POLL_MS)) {
        await simulated.pull();
        await running.until(() => running.ports.lines.some(({ sentence }) => sentence === "source lost"), "the control is missed");
      }
      if (!isOut(now) && isOut(now - POLL_MS)) {
        const back = polled();
        await simulated.plug();
        await back;
      }
      const done = polled();
      await clock.advance(POLL_MS);
      if (!isOut(now)) await done;
    }
    await running.until(() => running.last("cycle").length >= shift.truth.cycles.length - 2, "the last cycle is told");
    check({ running, ms });
  } finally {
    await running.stop();
    await simulated.close();
  }
}
