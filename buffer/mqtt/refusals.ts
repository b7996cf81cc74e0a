/**
 * Records that the broker refuses with a code that may pass (reason-codes.ts `retry`): which are tried again, and which go
 * to the dead letters. A record is given up after `MAXIMUM_TRIES`, counted at least LEAST_APART_MS apart: access rules that
 * are being edited, or a broker that has just started, cost nothing, however often the link is made anew meanwhile.
 *
 * Once "not authorised" has cost a topic a record, its further ones are given up at their first refusal, for as long as
 * the broker takes what is of other topics: a backlog of one denied type must not hold up all others. One that is taken
 * there ends it. Lives as long as the destination. Bounded by what is under way, and TOPICS.
 */
import type { Clock } from "../../agent/contract/time.ts";
import { MAXIMUM_TRIES, NOT_AUTHORISED } from "./reason-codes.ts";

const LEAST_APART_MS = 20_000;
/** So long ago, what was taken of other topics says nothing any more. */
const RECENT_MS = 60_000;
const TOPICS = 1_000;

export class Refusals {
  readonly #network: Clock;
  readonly #tries = new Map<number, { readonly count: number; readonly atMs: number }>();
  readonly #denied = new Set<string>();
  #takenMs = Number.NEGATIVE_INFINITY;

  constructor(network: Clock) {
    this.#network = network;
  }

  /** Called for each record of a backlog: cheap while nothing was refused. */
  taken(seq: number, topic: string): void {
    if (this.#tries.size === 0 && this.#denied.size === 0) return;
    this.#tries.delete(seq);
    this.#denied.delete(topic);
    this.#takenMs = this.#network.now().monoMs;
  }

  /** True: this record is given up. */
  refused(seq: number, topic: string, code: number): boolean {
    const nowMs = this.#network.now().monoMs;
    const isKnown = code === NOT_AUTHORISED && this.#denied.has(topic) && nowMs - this.#takenMs < RECENT_MS;
    const before = this.#tries.get(seq);
    if (!isKnown && before && nowMs - before.atMs < LEAST_APART_MS) return false;
    const count = (before?.count ?? 0) + 1;
    if (!isKnown && count < MAXIMUM_TRIES) {
      this.#tries.set(seq, { count, atMs: nowMs });
      return false;
    }
    this.#tries.delete(seq);
    if (code === NOT_AUTHORISED && this.#denied.size < TOPICS) this.#denied.add(topic);
    return true;
  }

  /** Given up for another reason. */
  forget(seq: number): void {
    this.#tries.delete(seq);
  }
}
