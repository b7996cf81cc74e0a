/**
 * Which message makes a broker break the connection off. Some do that instead of refusing (aedes and VerneMQ on a denied
 * publish over 3.1.1, any broker with a DISCONNECT about a message), and the same message would end every link for ever.
 *
 *   lost twice at the same oldest message ─► one at a time ─► lost with it alone in flight, LOSSES times ─► given up
 *
 * It is given up only when the broker has taken others in between: one that takes nothing at all costs no record.
 * Where the last answer before the break was "not authorised", that message did it, and none of those in flight: Mosquitto
 * 2.0 with `max_queued_messages 0` refuses and then breaks off. A current value is given up at once; a record has its own
 * tries (refusals.ts).
 * A message is named by its record's number, or by its topic where it is a current value.
 */
import type { Clock } from "../../agent/contract/time.ts";
import { NOT_AUTHORISED } from "./reason-codes.ts";

export type Key = number | string;
/** "perhaps": a bare close. "surely": the broker named a reason that only the one message in flight can have. */
export type Blame = "none" | "perhaps" | "surely";

const LOSSES = 5;
/** For a record whose topic has cost one already. */
const LOSSES_KNOWN_TOPIC = 2;
/** A link on which as many more were taken as had been in flight has shown that it was none of these. */
const MORE_TAKEN = 100;
/** Then a topic is tried again: the broker's rules may have been put right. */
const FORGOTTEN_MS = 3_600_000;
const MAXIMUM_KNOWN = 1_000;

export class Suspects {
  readonly #clock: Clock;
  readonly #givenUp = new Map<Key, string>();
  /** Topics that have cost a message, and when. */
  readonly #topics = new Map<string, number>();
  #oldest: Key | null = null;
  #losses = 0;
  #alone: Key | null = null;
  #lossesAlone = 0;
  #othersTaken = false;
  /** Taken still, until one at a time is over; 0: it is not on. */
  #carefully = 0;
  /** What the broker denied with its last answer. */
  #denied: { readonly key: Key; readonly topic: string } | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** One message at a time, until it is known which one it is. */
  get isCareful(): boolean {
    return this.#carefully > 0;
  }

  /** Goes last among the current values, so that others show whether the broker takes anything at all. */
  isDeferred(topic: string): boolean {
    return this.isCareful && this.#alone === topic;
  }

  /** Why a message is not to be sent again, in words; null: it is to be sent. A record is asked for once. */
  givenUp(key: Key, topic: string): string | null {
    const reason = this.#givenUp.get(key);
    if (reason === undefined) return null;
    if (typeof key === "number") this.#givenUp.delete(key);
    else if (this.#clock.now().monoMs - (this.#topics.get(topic) ?? 0) > FORGOTTEN_MS) {
      this.#givenUp.delete(key);
      return null;
    }
    return reason;
  }

  /** Topics of current values that are no longer sent. */
  silenced(): readonly string[] {
    return [...this.#givenUp.keys()].filter((key) => typeof key === "string");
  }

  answered(key: Key, topic: string, code: number): void {
    this.#denied = code === NOT_AUTHORISED ? { key, topic } : null;
    if (this.#oldest === null) return;
    if (this.#carefully > 0) this.#carefully--;
    if (key === this.#alone) {
      this.#alone = null;
      this.#lossesAlone = 0;
    } else this.#othersTaken = true;
    if (key === this.#oldest) this.#losses = 0;
  }

  /** `inFlight`: oldest first, with its topic. */
  lost(inFlight: readonly { readonly key: Key; readonly topic: string }[], blame: Blame, words: string): void {
    const [[oldest], denied] = [inFlight, this.#denied];
    this.#denied = null;
    if (denied !== null && blame === "perhaps") {
      if (typeof denied.key === "string") this.#giveUp(denied.key, denied.topic, "the broker denied it and broke the connection off; it may not be published there");
      return;
    }
    if (!oldest || blame === "none") return;
    this.#losses = oldest.key === this.#oldest ? this.#losses + 1 : 1;
    this.#oldest = oldest.key;
    const wasAlone = inFlight.length === 1 && (this.isCareful || blame === "surely");
    if (wasAlone) this.#judge(oldest.key, oldest.topic, blame, words);
    if (this.#losses > 1 || this.isCareful || blame === "surely") this.#carefully = inFlight.length + MORE_TAKEN;
  }

  #judge(key: Key, topic: string, blame: Blame, words: string): void {
    if (key !== this.#alone) {
      this.#alone = key;
      this.#lossesAlone = 0;
      this.#othersTaken = false;
    }
    this.#lossesAlone++;
    const enough = this.#topics.has(topic) ? LOSSES_KNOWN_TOPIC : LOSSES;
    if (blame !== "surely" && (this.#lossesAlone < enough || !this.#othersTaken)) return;
    this.#giveUp(key, topic, blame === "surely" ? words : `the broker broke the connection off ${this.#lossesAlone} times while only this message was unanswered; most often it may not be published there`);
    this.#alone = null;
    this.#lossesAlone = 0;
  }

  #giveUp(key: Key, topic: string, words: string): void {
    if (this.#topics.size >= MAXIMUM_KNOWN) this.#topics.clear();
    this.#topics.set(topic, this.#clock.now().monoMs);
    this.#givenUp.set(key, words);
  }
}
