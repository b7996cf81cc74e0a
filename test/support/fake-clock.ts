/** A clock that moves only when told: `advance` runs every timer that falls due, in order, letting promises settle between. */
import { monoMs, unixMs, type Clock } from "../../agent/contract/time.ts";

interface Timer {
  readonly dueMs: number;
  readonly run: () => void;
}

export interface FakeClock extends Clock {
  advance(ms: number): Promise<void>;
  /** Steps the wall clock without passing time. */
  stepWall(ms: number): void;
  readonly waiting: number;
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function fakeClock(startUnixMs = Date.UTC(2026, 0, 5, 6)): FakeClock {
  let mono = 0;
  let wallOffset = startUnixMs;
  const timers = new Set<Timer>();
  const add = (ms: number, run: () => void): (() => void) => {
    const timer = { dueMs: mono + Math.max(0, ms), run };
    timers.add(timer);
    return () => void timers.delete(timer);
  };
  const reason = (signal: AbortSignal): Error => (signal.reason instanceof Error ? signal.reason : new Error("aborted"));
  return {
    now: () => ({ unixMs: unixMs(wallOffset + mono), monoMs: monoMs(mono), boot: "fake-boot" }),
    sleep: (ms, signal) => new Promise((resolve, reject) => {
      if (signal.aborted) return reject(reason(signal));
      const onAbort = (): void => {
        cancel();
        reject(reason(signal));
      };
      const cancel = add(ms, () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
      signal.addEventListener("abort", onAbort, { once: true });
    }),
    deadline(ms, parent) {
      const controller = new AbortController();
      const onAbort = (): void => controller.abort(parent.reason);
      const cancel = add(ms, () => controller.abort(new Error(`no answer within ${ms} ms`)));
      parent.addEventListener("abort", onAbort, { once: true });
      if (parent.aborted) onAbort();
      return { signal: controller.signal, clear: () => { cancel(); parent.removeEventListener("abort", onAbort); } };
    },
    after: (ms, task) => add(ms, task),
    async advance(ms) {
      const end = mono + ms;
      for (;;) {
        await settle();
        const next = [...timers].filter((timer) => timer.dueMs <= end).sort((a, b) => a.dueMs - b.dueMs)[0];
        if (!next) break;
        timers.delete(next);
        mono = Math.max(mono, next.dueMs);
        next.run();
      }
      mono = end;
      await settle();
    },
    stepWall: (ms) => void (wallOffset += ms),
    get waiting() { return timers.size; },
  };
}
