/**
 * How far this buffer's rows may be known, kept outside this device: retained at the broker, on `…/_agent/{id}/mark`. A
 * device that loses what it had synced, and a copy put back, give a file that is whole and only older; nothing on the
 * device shows that, and it would give numbers twice (docs/decisions/024-older-copies.md).
 *
 *   connected ─ subscribe ─► found, or nothing within a bound ─ unsubscribe ─► records, each with a mark before it
 *
 * It is looked for once at each broker in a life, before anything of this life replaces it there, and only where the file
 * is older than this life. A broker that keeps nothing, refuses or does not answer costs at most the bound. What is found
 * is anybody's word: shape and bounds are checked here, what it means is the buffer's to judge.
 *
 * A mark is a message of its own, because the last will replaces the heartbeat whenever a power cut ends a link. It leaves
 * at QoS 1 before the first record with a number beyond it, on the same connection, so no broker has the record without it.
 */
import type { Mark, Marking } from "../../agent/contract/outbox.ts";
import { isRecord } from "../../agent/contract/shape.ts";
import type { Clock } from "../../agent/contract/time.ts";
import type { Connection, Incoming, Message } from "./connection.ts";
import { subscriptionRefusal } from "./reason-codes.ts";

/** Retained messages follow the answer to the subscription; some brokers send them a little later. */
const RETAINED_MS = 2_000;
const ANSWER_MS = 4_000;
/** Links that ended with the subscription unanswered: then it is not asked for any more in this life. */
const UNANSWERED_LINKS = 2;
/** A broker that refused it is asked again after this: its quota or its rules may be others by then, and a link may last for weeks. */
const AGAIN_MS = 600_000;
const LARGEST_BYTES = 1_024;
const LONGEST_ID = 64;

export const MARK_SCHEMA = {
  type: "object",
  required: ["schema", "epoch", "life", "through"],
  properties: {
    schema: { const: "mark/1" },
    epoch: { type: "string", description: "id of the buffer file" },
    life: { type: "string", description: "id of one opening of it by the agent" },
    through: { type: "integer", minimum: 1, description: "rows through this number were stored, and may have been sent" },
  },
} as const;

export const markTopic = (base: string): string => `${base}/mark`;

/** Of one destination, over all its links. */
export class Marks {
  readonly topic: string;
  readonly #network: Clock;
  /** Brokers where what lies there is this life's own, or will be. */
  readonly #asked = new Set<string>();
  #unanswered = 0;

  /** `base`: `…/_agent/{id}`. */
  constructor(base: string, network: Clock) {
    this.topic = markTopic(base);
    this.#network = network;
  }

  /** `marking` undefined: no mark is kept. */
  begin(connection: Connection, url: string, marking: Marking | undefined): LinkMark {
    const isLookedFor = marking !== undefined && !marking.isNew && connection.mayRetain && !this.#asked.has(url) && this.#unanswered < UNANSWERED_LINKS;
    return new LinkMark({ connection, topic: this.topic, marking, network: this.#network }, isLookedFor, (how) => {
      if (how === "lost") this.#unanswered++;
      else this.#asked.add(url);
    });
  }
}

interface LinkParts {
  readonly connection: Connection;
  readonly topic: string;
  readonly marking: Marking | undefined;
  readonly network: Clock;
}

/** On one connection. */
export class LinkMark {
  readonly found: Promise<Mark | null>;
  readonly topic: string;
  readonly #parts: LinkParts;
  #wanted = 0;
  #told = 0;
  #problem: string | null = null;
  /** Until then none is wanted; by time since boot. */
  #restsToMono = 0;

  /** `looked` is told whether an answer came, or the link went first. */
  constructor(parts: LinkParts, isLookedFor: boolean, looked: (how: "done" | "lost") => void) {
    this.#parts = parts;
    this.topic = parts.topic;
    this.found = isLookedFor ? this.#look(looked) : Promise.resolve(null);
  }

  /** Rows through here may become known. */
  want(through: number): void {
    const { marking, connection, network } = this.#parts;
    if (marking !== undefined && connection.mayRetain && through > this.#told && network.now().monoMs >= this.#restsToMono) this.#wanted = marking.reach(through);
  }
  /** One must leave before anything else. */
  get isWaiting(): boolean { return this.#wanted > this.#told; }
  take(): Message {
    const { marking } = this.#parts;
    this.#told = this.#wanted;
    return { topic: this.topic, payload: JSON.stringify({ schema: "mark/1", epoch: marking?.epoch, life: marking?.life, through: this.#told }), retain: true, contentType: "application/json" };
  }
  /** The broker does not take it: nothing waits for it for a while. */
  refused(words: string): void {
    this.#problem = `The broker does not take our mark on ${this.topic} (${words}): should the buffer come back older than it was, it would not be noticed. Let this client publish there, retained.`;
    [this.#wanted, this.#told] = [0, 0];
    this.#restsToMono = this.#parts.network.now().monoMs + AGAIN_MS;
  }
  taken(): void {
    this.#problem = null;
  }
  warnings(): readonly string[] { return this.#problem === null ? [] : [this.#problem]; }

  async #look(looked: (how: "done" | "lost") => void): Promise<Mark | null> {
    const { connection, topic, network } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<{ readonly how: "done" | "lost"; readonly payload: Uint8Array | null }>();
    const nothing = (how: "done" | "lost"): void => resolve({ how, payload: null });
    let cancel = network.after(ANSWER_MS, () => nothing("done"));
    connection.subscribe([topic], (message: Incoming) => {
      if (message.topic === topic) resolve({ how: "done", payload: message.payload });
    }, ([code = 0x80]) => {
      cancel();
      const refusal = subscriptionRefusal(code);
      if (refusal === null) cancel = network.after(RETAINED_MS, () => nothing("done"));
      else {
        this.#restsToMono = Infinity; // Nobody would read it.
        this.#problem = `The broker refused our subscription to ${topic}: ${refusal}. Should the buffer come back older than it was, it would not be noticed. Let this client read that topic.`;
        nothing("done");
      }
    }, true);
    void connection.lost.then(() => { nothing("lost"); });
    const { how, payload } = await promise;
    cancel();
    looked(how);
    if (how === "lost") return null;
    connection.unsubscribe([topic]);
    return payload === null ? null : decode(payload);
  }
}

/** Null for what no agent of ours has left there. */
function decode(payload: Uint8Array): Mark | null {
  if (payload.length > LARGEST_BYTES) return null;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return null; // A stranger's: it will be replaced by ours.
  }
  if (!isRecord(value) || value["schema"] !== "mark/1") return null;
  const { epoch, life, through } = value;
  const isId = (id: unknown): id is string => typeof id === "string" && id.length > 0 && id.length <= LONGEST_ID;
  return isId(epoch) && isId(life) && typeof through === "number" && Number.isSafeInteger(through) && through > 0 ? { epoch, life, through } : null;
}
