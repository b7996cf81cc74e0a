/**
 * The only file that reads time or sets a timer. `systemClock(1)` is real time; a larger speed plays a shift faster:
 * wall and monotonic time both run `speed` times as fast from the moment it was made, and waits shrink alike.
 */
import { readFileSync } from "node:fs";
import { monoMs, unixMs, type Clock, type Deadline, type UnixMs } from "../../contract/time.ts";

/** Identity of this boot: two `monoMs` are comparable only within one. Not on Linux: of this process. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch (cause) {
    // Only development machines without /proc come here; there a restart counts as a reboot, which is the safe side.
    return `process-${process.pid}-${Math.trunc(performance.timeOrigin)}-${cause instanceof Error ? cause.name : "unknown"}`;
  }
}

/** CLOCK_MONOTONIC: goes on over a restart of the agent, which `performance.now()` does not, and over every setting of the wall clock. */
const sinceBoot = (): number => Number(process.hrtime.bigint()) / 1e6;

class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}

const MAXIMUM_TIMER_MS = 2_147_483_647;

/** `startUnixMs` lets a demo begin at a chosen wall time; default: now. */
export function systemClock(speed = 1, startUnixMs?: number): Clock {
  const boot = bootId();
  const anchorMono = sinceBoot();
  const anchorWall = startUnixMs ?? Date.now();
  const real = (ms: number): number => Math.min(MAXIMUM_TIMER_MS, Math.max(0, ms / speed));
  const scaled = speed !== 1 || startUnixMs !== undefined;

  return {
    now() {
      const mono = sinceBoot();
      return {
        unixMs: unixMs(scaled ? Math.trunc(anchorWall + (mono - anchorMono) * speed) : Date.now()),
        monoMs: monoMs(mono * speed),
        boot,
      };
    },
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(reason(signal));
        const onAbort = (): void => {
          clearTimeout(timer);
          reject(reason(signal));
        };
        const timer = setTimeout(() => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        }, real(ms));
        signal.addEventListener("abort", onAbort, { once: true });
      });
    },
    deadline(ms, parent): Deadline {
      const controller = new AbortController();
      const onAbort = (): void => {
        controller.abort(parent.reason);
      };
      const timer = setTimeout(() => {
        controller.abort(new TimeoutError(`no answer within ${ms} ms`));
      }, real(ms));
      const clear = (): void => {
        clearTimeout(timer);
        parent.removeEventListener("abort", onAbort);
      };
      if (parent.aborted) {
        clear();
        onAbort();
      } else parent.addEventListener("abort", onAbort, { once: true });
      return { signal: controller.signal, clear };
    },
    after(ms, task) {
      const timer = setTimeout(task, real(ms));
      timer.unref();
      return () => {
        clearTimeout(timer);
      };
    },
  };
}

const reason = (signal: AbortSignal): Error => (signal.reason instanceof Error ? signal.reason : new Error("aborted", { cause: signal.reason }));

/**
 * As `clock`, but while that shows less than `floor` (a computer without a battery clock begins in 1970, until the network
 * sets it) it counts on from there: what has to be dated meanwhile is not dated decades back.
 */
export function noEarlierThan(floor: UnixMs, clock: Clock): Clock {
  const began = clock.now().monoMs;
  return {
    ...clock,
    now() {
      const now = clock.now();
      return now.unixMs >= floor ? now : { ...now, unixMs: unixMs(Math.trunc(floor + now.monoMs - began)) };
    },
  };
}
