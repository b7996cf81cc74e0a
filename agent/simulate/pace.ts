/** Plays timed steps by a clock: each when it is due, or earlier when `pump` is called after its time. */
import type { Clock } from "../contract/time.ts";

export interface Pacing {
  /** Performs what is due. */
  pump(): void;
  readonly done: boolean;
  stop(): void;
}

/** A timer never waits longer, so that a clock set forward by hand is noticed. */
const LONGEST_WAIT_MS = 60_000;

/** `steps` in order of time. The first are performed at once. */
export function pace<Step extends { readonly atMs: number }>(steps: readonly Step[], clock: Clock, perform: (step: Step) => void): Pacing {
  const began = clock.now().monoMs;
  let next = 0;
  let pumping = false;
  let cancel = (): void => undefined;
  const pump = (): void => {
    // What a step does may ask for the present again.
    if (pumping) return;
    pumping = true;
    const limit = clock.now().monoMs - began;
    for (let step = steps[next]; step !== undefined && step.atMs <= limit; step = steps[next]) {
      next++;
      perform(step);
    }
    pumping = false;
  };
  const arm = (): void => {
    const step = steps[next];
    if (step === undefined) return;
    cancel = clock.after(Math.min(LONGEST_WAIT_MS, Math.max(0, step.atMs - (clock.now().monoMs - began))), () => {
      pump();
      arm();
    });
  };
  pump();
  arm();
  return {
    pump,
    get done() { return next === steps.length; },
    stop() { cancel(); },
  };
}
