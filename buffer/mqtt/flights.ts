/**
 * Messages sent and not yet answered on one connection, oldest first. The table is ours because mqtt.js may never call
 * back for what was in flight when a link goes (facts/mqtt.md §1). Bounded by the caller's window. One timer watches the
 * oldest, not one for each.
 */
import type { Clock } from "../../agent/contract/time.ts";
import type { Key } from "./suspects.ts";

/** A broker that leaves a message unacknowledged this long is taken to be gone. */
export const STALLED_MS = 10_000;

interface Flight {
  readonly key: Key;
  readonly topic: string;
  readonly sentMs: number;
}

export class Flights {
  readonly #network: Clock;
  readonly #onStalled: () => void;
  readonly #open = new Map<number, Flight>();
  #tokens = 0;
  #stopWatch: (() => void) | null = null;

  constructor(network: Clock, onStalled: () => void) {
    this.#network = network;
    this.#onStalled = onStalled;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Oldest first. */
  all(): readonly Flight[] {
    return [...this.#open.values()];
  }

  /** Returns what takes it out again. */
  add(key: Key, topic: string): () => void {
    const token = this.#tokens++;
    this.#open.set(token, { key, topic, sentMs: this.#network.now().monoMs });
    if (!this.#stopWatch) this.#watch(STALLED_MS);
    return () => void this.#open.delete(token);
  }

  clear(): void {
    this.#stopWatch?.();
    this.#open.clear();
  }

  #watch(inMs: number): void {
    this.#stopWatch = this.#network.after(inMs, () => {
      this.#stopWatch = null;
      const oldest = this.#open.values().next().value;
      if (!oldest) return;
      const leftMs = STALLED_MS - (this.#network.now().monoMs - oldest.sentMs);
      if (leftMs > 0) this.#watch(leftMs);
      else this.#onStalled();
    });
  }
}
