/**
 * How soon things leave: an allowance of so many a second, the longest wait of a record, and live values sent together.
 * All of it on the network clock's time since boot, so that a step of the wall clock neither holds back nor hurries.
 */
import type { Pacing, Retained } from "../../contract/destination.ts";
import type { LedgerRow } from "../../contract/outbox.ts";
import type { Ports } from "../../contract/ports.ts";
import { RECORD_TYPES, type RecordType } from "../../contract/record.ts";
import type { Clock } from "../../contract/time.ts";

/** Of a destination that says nothing of it: everything at once. */
export const AT_ONCE: Pacing = {
  latencyMs: Object.fromEntries(RECORD_TYPES.map((type) => [type, 0])) as Record<RecordType, number>,
  liveMs: 0,
  drainPerSecond: null,
};

/** So many a second on average, and at most `burst` at once after a pause. Begins full. */
export class Allowance {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #network: Clock;
  #left: number;
  #atMono: number;

  constructor({ perSecond, burst }: { readonly perSecond: number; readonly burst: number }, network: Clock) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#network = network;
    this.#left = burst;
    this.#atMono = network.now().monoMs;
  }

  /** How many are free now, at most `wanted`: they count as taken. */
  take(wanted: number): number {
    const now = this.#network.now().monoMs;
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#atMono) * this.#perSecond) / 1_000);
    this.#atMono = now;
    const taken = Math.min(wanted, Math.floor(this.#left));
    this.#left -= taken;
    return taken;
  }
  /** Of what was taken and not used. */
  giveBack(count: number): void {
    this.#left = Math.min(this.#burst, this.#left + count);
  }
  /** Until one is free. */
  waitMs(): number {
    return Math.ceil(Math.max(0, ((1 - this.#left) * 1_000) / this.#perSecond));
  }
}

/** When, in time since boot, the first of these rows must have left. Age counts from when it was learned, as far as the wall clock can tell. */
export function dueMono(rows: readonly LedgerRow[], { latencyMs }: Pacing, { clock, network }: Pick<Ports, "clock" | "network">): number {
  const now = network.now().monoMs;
  const wall = clock.now().unixMs;
  return rows.reduce((due, { type, observedAt }) => {
    const longest = latencyMs[type];
    return Math.min(due, now + Math.min(longest, Math.max(0, longest - (wall - observedAt))));
  }, Number.POSITIVE_INFINITY);
}

const topicOf = (value: Retained): string => (value.scope === "live" ? `${value.machine}/${value.name}` : value.scope === "health" ? value.machine : "");

/**
 * Live values that come within `liveMs` of the last sending wait for its end, the newest of each topic; the first after a
 * pause, and all that is no live value, leaves at once.
 */
export class LivePace {
  readonly #liveMs: number;
  readonly #network: Clock;
  readonly #send: (values: readonly Retained[]) => void;
  readonly #held = new Map<string, Retained>();
  #cancel: (() => void) | null = null;

  constructor(liveMs: number, network: Clock, send: (values: readonly Retained[]) => void) {
    this.#liveMs = liveMs;
    this.#network = network;
    this.#send = send;
  }

  put(values: readonly Retained[]): void {
    if (this.#liveMs === 0) return this.#send(values);
    const now = values.filter(({ scope }) => scope !== "live");
    for (const value of values) if (value.scope === "live") this.#held.set(topicOf(value), value);
    if (now.length > 0) this.#send(now);
    if (this.#cancel === null) this.#release();
  }
  /** Sends what waits and stops the timer. */
  end(): void {
    this.#cancel?.();
    this.#cancel = null;
    if (this.#held.size > 0) this.#send([...this.#held.values()]);
    this.#held.clear();
  }

  #release(): void {
    this.end();
    this.#cancel = this.#network.after(this.#liveMs, () => {
      this.#cancel = null;
      if (this.#held.size > 0) this.#release();
    });
  }
}
