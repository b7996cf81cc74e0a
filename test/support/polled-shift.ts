/**
 * The scripted shift lived by a simulated control that is polled, through the whole agent, in the shift's own time: that
 * goes on by one poll when a poll is done, so every boundary is known: the first poll after the script's.
 */
import { systemClock } from "../../agent/runtime/time/clock.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { SHIFT_MS, type Shift } from "../../agent/simulate/shift.ts";
import { fakeClock } from "./fake-clock.ts";
import { startAgent, type RunningAgent } from "./running-agent.ts";
import { trueStates } from "./shift-truth.ts";

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
  readonly shift: Shift;
  /** What the script did outside of the cut cable's time: [start, end, outcome, program] at polls. */
  readonly wanted: readonly (readonly [number, number, string, string])[];
  readonly cycles: readonly (readonly [number, number, unknown, unknown])[];
  readonly wantedStates: readonly (readonly [string, number])[];
  readonly states: readonly (readonly [unknown, number])[];
  /** Parts of all count records but the rejected ones. */
  readonly counted: number;
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
    check(compared(running, shift, ms));
  } finally {
    await running.stop();
    await simulated.close();
  }
}

const atPoll = (at: number): number => Math.ceil(at / POLL_MS) * POLL_MS;

function compared(running: RunningAgent, shift: Shift, ms: (text: unknown) => number): PolledShift {
  const [cable = { fromMs: 0, toMs: 0 }] = shift.truth.cable;
  // The cycle that the cable cut ends where it was last seen; what is seen after it begins where the cable is back.
  const clear = (fromMs: number, toMs: number): boolean => toMs < cable.fromMs - POLL_MS || fromMs > cable.toMs + POLL_MS;
  const truth = trueStates(shift);
  return {
    running, shift, ms,
    wanted: shift.truth.cycles.filter((one) => clear(one.startMs, one.endMs)).map((one) => [atPoll(one.startMs), atPoll(one.endMs), one.completed ? "completed" : "aborted", one.program]),
    cycles: running.last("cycle").filter(({ start, end, outcome }) => clear(ms(start), ms(end)) && outcome !== "unknown")
      .map(({ start, end, outcome, program }) => [ms(start), ms(end), outcome, (program as { readonly main: unknown }).main]),
    wantedStates: truth.filter(({ startMs: from }, place) => clear(from, truth[place + 1]?.startMs ?? from)).map((one) => [one.state, atPoll(one.startMs)]),
    states: running.last("state").filter((one) => one["state"] !== "UNKNOWN" && clear(ms(one["start"]), one["end"] === null ? ms(one["start"]) : ms(one["end"]))).map((one) => [one["state"], ms(one["start"])]),
    counted: running.last("count").filter(({ plausibility }) => plausibility !== "rejected").reduce((sum, { delta }) => sum + Number(delta), 0),
  };
}
