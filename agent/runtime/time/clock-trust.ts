/**
 * Whether this machine's clock may be believed. A Raspberry Pi has no battery clock: after power-on it shows the time of
 * its last shutdown, or 1970, until the network has set it. Records dated by such a clock would be wrong for good, and
 * a source's right stamps would be shifted to it. So after a start the sources' data waits, unread, until the clock is
 * set, at most `waitMs`; then we go on, and every record says that the clock was not synchronised.
 *
 *   waiting ─► synchronised | assumed (nobody says, and the time is plausible)          waiting ─ waitMs ─► unsynchronised ─► synchronised
 */
import type { Ports } from "../../contract/ports.ts";
import { rfc3339, type UnixMs } from "../../contract/time.ts";

/** What the system knows of its clock: set by the network, not yet set, or it does not say. */
export type ClockProbe = (signal: AbortSignal) => Promise<"set" | "not set" | "unknown">;

export type ClockTrustState = "waiting" | "synchronised" | "assumed" | "unsynchronised";

export interface ClockTrust {
  state(): ClockTrustState;
  /** Resolves once data may be dated; rejects when the signal aborts. */
  settled(signal: AbortSignal): Promise<void>;
  /** Looks again and again; resolves when the signal aborts. */
  watch(signal: AbortSignal): Promise<void>;
}

/** True when dates may rest on the clock. */
export const isSet = (state: ClockTrustState): boolean => state === "synchronised" || state === "assumed";

export interface ClockTrustSettings {
  readonly waitMs: number;
  /** No clock that is right shows less: this release's date. */
  readonly notBefore: UnixMs;
  readonly probe: ClockProbe;
}

const LOOK_MS = 1_000;
/** Once all is well, a lost synchronisation is no emergency: the quartz goes on. */
const CALM_LOOK_MS = 60_000;

export function createClockTrust({ waitMs, notBefore, probe }: ClockTrustSettings, { network, log }: Pick<Ports, "network" | "log">): ClockTrust {
  const began = network.now().monoMs;
  let state: ClockTrustState = "waiting";
  const waiting = new Set<() => void>();

  const become = (next: ClockTrustState): void => {
    if (next === state) return;
    const shows = rfc3339(network.now().unixMs);
    if (next === "unsynchronised") log.warn({ shows, waitedMs: waitMs }, "this machine's clock is not set: records go on and say so; check the network's time server (NTP) or the clock's battery");
    else if (state === "unsynchronised") log.info({ shows }, "this machine's clock is set now");
    state = next;
    if (next === "waiting") return;
    for (const go of waiting) go();
    waiting.clear();
  };

  const look = async (signal: AbortSignal): Promise<void> => {
    const found = await probe(signal);
    const isPlausible = network.now().unixMs >= notBefore;
    if (found === "set" && isPlausible) return become("synchronised");
    if (found === "unknown" && isPlausible) return become("assumed");
    if (state === "waiting" && network.now().monoMs - began < waitMs) return;
    become("unsynchronised");
  };

  return {
    state: () => state,
    settled(signal) {
      if (state !== "waiting") return Promise.resolve();
      return new Promise((resolve, reject) => {
        const finish = (then: () => void): void => {
          waiting.delete(go);
          signal.removeEventListener("abort", onAbort);
          then();
        };
        const go = (): void => finish(resolve);
        const onAbort = (): void => finish(() => reject(signal.reason instanceof Error ? signal.reason : new Error("aborted", { cause: signal.reason })));
        if (signal.aborted) return onAbort();
        waiting.add(go);
        signal.addEventListener("abort", onAbort, { once: true });
      });
    },
    async watch(signal) {
      await look(signal);
      if (state === "waiting") log.warn({ shows: rfc3339(network.now().unixMs), waitMs }, "this machine's clock is not set yet: the sources' data waits for it");
      while (!signal.aborted) {
        await network.sleep(state === "waiting" || state === "unsynchronised" ? LOOK_MS : CALM_LOOK_MS, signal).catch(() => undefined);
        if (!signal.aborted) await look(signal);
      }
    },
  };
}
