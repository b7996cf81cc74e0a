/**
 * Records that the broker refuses with a code that may pass (reason-codes.ts `retry`): which are tried again, and which go
 * to the dead letters. A record is given up after `MAXIMUM_TRIES`, counted at least LEAST_APART_MS apart: access rules that
 * are being edited, or a broker that has just started, cost nothing, however often the link is made anew meanwhile.
 *
 * Once "not authorised" has cost a topic a record, its further ones are given up at their first refusal, for as long as
 * the broker takes what is of other topics: a backlog of one denied type must not hold up all others. One that is taken
 * there ends it. Lives as long as the destination. Bounded by what is under way, and TOPICS.
 *
 * Meanwhile a person is told: each topic with how many wait, among the link's warnings; one line an hour in the log.
 */
import type { Ports } from "../../agent/contract/ports.ts";
import { MAXIMUM_TRIES, NOT_AUTHORISED, verdict } from "./reason-codes.ts";

const LEAST_APART_MS = 20_000;
/** So long ago, what was taken of other topics says nothing any more. */
const RECENT_MS = 60_000;
const TOPICS = 1_000;
/** In the log a topic is named again after so long at the earliest, with how many refusals there were. */
const LOG_EVERY_MS = 3_600_000;
/** More topics are not named. */
const NAMED = 3;

interface Tried {
  readonly count: number;
  readonly atMs: number;
  readonly topic: string;
  readonly code: number;
}

export class Refusals {
  readonly #ports: Pick<Ports, "network" | "log">;
  readonly #tries = new Map<number, Tried>();
  /** When a topic was last in the log, and how often it was refused since. */
  readonly #told = new Map<string, { atMs: number; count: number }>();
  readonly #denied = new Set<string>();
  #takenMs = Number.NEGATIVE_INFINITY;

  constructor(ports: Pick<Ports, "network" | "log">) {
    this.#ports = ports;
  }

  /** Called for each record of a backlog: cheap while nothing was refused. */
  taken(seq: number, topic: string): void {
    if (this.#tries.size === 0 && this.#denied.size === 0) return;
    this.#tries.delete(seq);
    this.#denied.delete(topic);
    this.#takenMs = this.#ports.network.now().monoMs;
  }

  /** True: this record is given up. */
  refused(seq: number, topic: string, code: number): boolean {
    const nowMs = this.#ports.network.now().monoMs;
    this.#tell(topic, code, nowMs);
    const isKnown = code === NOT_AUTHORISED && this.#denied.has(topic) && nowMs - this.#takenMs < RECENT_MS;
    const before = this.#tries.get(seq);
    if (!isKnown && before && nowMs - before.atMs < LEAST_APART_MS) return false;
    const count = (before?.count ?? 0) + 1;
    if (!isKnown && count < MAXIMUM_TRIES) {
      this.#tries.set(seq, { count, atMs: nowMs, topic, code });
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

  warnings(): readonly string[] {
    const topics = new Map<string, { waiting: number; readonly code: number }>();
    for (const { topic, code } of this.#tries.values()) {
      const known = topics.get(topic);
      if (known) known.waiting++;
      else topics.set(topic, { waiting: 1, code });
    }
    const told = [...topics].slice(0, NAMED).map(([topic, { waiting, code }]) =>
      `The broker refuses records to ${topic}: ${verdict(code).words}. ${waiting === 1 ? "One waits and is" : `${waiting} wait and are`} tried again.`);
    return topics.size > NAMED ? [...told, `The broker refuses records to ${topics.size - NAMED} more topics.`] : told;
  }

  #tell(topic: string, code: number, nowMs: number): void {
    const told = this.#told.get(topic);
    if (told && nowMs - told.atMs < LOG_EVERY_MS) return void told.count++;
    if (!told && this.#told.size >= TOPICS) return;
    this.#told.set(topic, { atMs: nowMs, count: 0 });
    this.#ports.log.warn({ topic, reason: verdict(code).words, ...(told && { refusedSince: told.count + 1 }) }, "The broker refuses a record for now: it is tried again, and then kept among the dead letters");
  }
}
