/**
 * What is in flight on one connection: at most `window` messages, records in the order they were handed over, retained
 * values between them. A retained value overtakes every waiting record, but takes at most every second free place, so
 * that it cannot starve them; of one topic only the newest waits, and only one is in flight.
 * The table is ours because mqtt.js may never call back for what was in flight when a link goes (facts/mqtt.md §1).
 * Bounds: the caller's batches, and one retained value per topic.
 */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Delivery, Retained } from "../../agent/contract/destination.ts";
import type { Outcome, StoredRecord } from "../../agent/contract/outbox.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import { MAXIMUM_TRIES, NO_SUBSCRIBERS, verdict } from "./acknowledgement.ts";
import { CONTENT_TYPE } from "./cloud-events.ts";
import type { Connection, Message } from "./connection.ts";
import type { Topics } from "./topic.ts";

/** A broker that leaves a message unacknowledged this long is taken to be gone. */
const STALLED_MS = 10_000;
/** After an abort: how long what is in flight is waited for. */
const GRACE_MS = 2_000;
const GOODBYE_MS = 1_000;

export interface DeliveryParts {
  readonly connection: Connection;
  readonly peer: string;
  readonly window: number;
  readonly topics: Topics;
  /** The record's payload; also remembers that it was sent, so that a repeat says so. */
  readonly write: (record: StoredRecord) => string;
  /** Refused tries by record number; outlives the connection. */
  readonly tries: Map<number, number>;
  readonly goodbye: () => string;
  readonly ports: Ports;
}

interface Job {
  readonly records: readonly StoredRecord[];
  next: number;
  outstanding: number;
  readonly accepted: number[];
  readonly rejected: { readonly seq: number; readonly reason: string }[];
  readonly finish: (error: LinkError | null) => void;
}
interface Flight {
  readonly sentMs: number;
  readonly acknowledged: (code: number) => void;
}

export function delivery(parts: DeliveryParts): Delivery {
  return new WindowedDelivery(parts);
}

class WindowedDelivery implements Delivery {
  readonly peer: string;
  readonly lost: Promise<LinkError>;
  readonly #parts: DeliveryParts;
  readonly #jobs: Job[] = [];
  readonly #open = new Set<Job>();
  readonly #flights = new Map<number, Flight>();
  readonly #waiting = new Map<string, string>();
  readonly #publishing = new Set<string>();
  #tokens = 0;
  #isPumpDue = false;
  #retainedWasLast = false;
  #ended: LinkError | null = null;
  #stopWatch: (() => void) | null = null;
  #warnedUnheard = false;
  #warnedRefused = false;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
    this.peer = parts.peer;
    this.lost = parts.connection.lost;
    void this.lost.then((error) => this.#end(error));
  }

  deliver(records: readonly StoredRecord[], signal: AbortSignal): Promise<Outcome> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      let cancelGrace: (() => void) | null = null;
      const onAbort = (): void => {
        job.next = records.length; // What has not left stays with the caller.
        if (job.outstanding === 0) job.finish(null);
        else cancelGrace = this.#parts.ports.network.after(GRACE_MS, () => job.finish(null));
      };
      const job: Job = {
        records, next: 0, outstanding: 0, accepted: [], rejected: [],
        finish: (error) => {
          if (!this.#open.delete(job)) return;
          signal.removeEventListener("abort", onAbort);
          cancelGrace?.();
          if (error && job.accepted.length === 0 && job.rejected.length === 0) reject(error);
          else resolve({ accepted: job.accepted, rejected: job.rejected });
        },
      };
      this.#open.add(job);
      if (signal.aborted || records.length === 0) return job.finish(null);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#jobs.push(job);
      this.#pump();
    });
  }

  retain(values: readonly Retained[]): void {
    if (this.#ended) return;
    for (const value of values) this.#waiting.set(this.#parts.topics.retained(value), JSON.stringify(value.payload));
    this.#pump();
  }

  async close(): Promise<void> {
    if (!this.#ended) {
      const { network } = this.#parts.ports;
      this.#waiting.clear();
      const deadline = network.deadline(GOODBYE_MS, new AbortController().signal);
      await new Promise<void>((resolve) => {
        deadline.signal.addEventListener("abort", () => resolve(), { once: true });
        void this.lost.then(() => resolve());
        this.#send({ topic: this.#parts.topics.heartbeat, payload: this.#parts.goodbye(), retain: true, contentType: "application/json" }, () => resolve());
      });
      deadline.clear();
    }
    await this.#parts.connection.close();
  }

  /**
   * mqtt.js handles each acknowledgement of a chunk in a tick of its own, and writes what was published in it at once.
   * A microtask comes after all of them: what they make room for then leaves in one write.
   */
  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (!this.#ended && this.#flights.size < this.#parts.window) {
      const topic = this.#retainedWasLast && this.#job() ? undefined : this.#nextTopic();
      if (topic !== undefined) this.#sendRetained(topic);
      else {
        const job = this.#job();
        if (!job) return;
        this.#sendRecord(job);
      }
    }
  }

  /** The oldest batch with something still to send. */
  #job(): Job | undefined {
    for (;;) {
      const job = this.#jobs[0];
      if (!job || job.next < job.records.length) return job;
      this.#jobs.shift();
    }
  }

  #nextTopic(): string | undefined {
    for (const topic of this.#waiting.keys()) if (!this.#publishing.has(topic)) return topic;
    return undefined;
  }

  #sendRetained(topic: string): void {
    const payload = this.#waiting.get(topic) ?? "";
    this.#waiting.delete(topic);
    const message: Message = { topic, payload, retain: true, contentType: "application/json" };
    if (!this.#fits(message)) return this.#warnRefused(topic, "larger than the broker's maximum packet size");
    this.#retainedWasLast = true;
    this.#publishing.add(topic);
    this.#send(message, (code) => {
      this.#publishing.delete(topic);
      if (verdict(code).verdict !== "accepted") this.#warnRefused(topic, verdict(code).words);
    });
  }

  #sendRecord(job: Job): void {
    const record = job.records[job.next++];
    if (!record) return;
    const message: Message = { topic: this.#parts.topics.record(record.machine, record.type), payload: this.#parts.write(record), retain: false, contentType: CONTENT_TYPE };
    if (!this.#fits(message)) {
      job.rejected.push({ seq: record.seq, reason: "oversize" });
      this.#settleWhenDone(job);
      return;
    }
    this.#retainedWasLast = false;
    job.outstanding++;
    this.#send(message, (code) => {
      job.outstanding--;
      this.#record(job, record, code);
      this.#settleWhenDone(job);
    });
  }

  #settleWhenDone(job: Job): void {
    if (job.outstanding === 0 && job.next >= job.records.length) job.finish(null);
  }

  #record(job: Job, { seq, machine, type }: StoredRecord, code: number): void {
    const { tries, topics, connection } = this.#parts;
    const { verdict: what, words } = verdict(code);
    if (what === "accepted") {
      if (tries.size > 0) tries.delete(seq);
      job.accepted.push(seq);
      if (code === NO_SUBSCRIBERS) this.#warnUnheard(topics.record(machine, type));
      return;
    }
    if (what === "stop") return connection.fail(new LinkError("refused", "backoff", `The broker takes no more for now: ${words}.`));
    const tried = (tries.get(seq) ?? 0) + 1;
    if (what === "retry" && tried < MAXIMUM_TRIES) tries.set(seq, tried);
    else {
      tries.delete(seq);
      job.rejected.push({ seq, reason: words });
    }
  }

  /** MQTT 5 §3.1.2.11.4: the limit is on the whole packet. The two varying length fields are counted at their longest. */
  #fits({ topic, payload, contentType }: Message): boolean {
    const limit = this.#parts.connection.maximumPacketSize;
    if (limit === Number.POSITIVE_INFINITY) return true;
    return 1 + 4 + 2 + Buffer.byteLength(topic) + 2 + 4 + 3 + contentType.length + Buffer.byteLength(payload) <= limit;
  }

  #send(message: Message, acknowledged: (code: number) => void): void {
    const token = this.#tokens++;
    this.#flights.set(token, { sentMs: this.#parts.ports.network.now().monoMs, acknowledged });
    if (!this.#stopWatch) this.#watch(STALLED_MS);
    this.#parts.connection.publish(message, (code) => {
      this.#flights.delete(token);
      acknowledged(code);
      this.#pumpSoon();
    });
  }

  /** One timer for the oldest in flight, not one for each. */
  #watch(inMs: number): void {
    this.#stopWatch = this.#parts.ports.network.after(inMs, () => {
      this.#stopWatch = null;
      const oldest = this.#flights.values().next().value;
      if (!oldest || this.#ended) return;
      const leftMs = STALLED_MS - (this.#parts.ports.network.now().monoMs - oldest.sentMs);
      if (leftMs > 0) this.#watch(leftMs);
      else this.#parts.connection.fail(new LinkError("timeout", "backoff", `The broker has not acknowledged a message for ${STALLED_MS / 1000} s.`));
    });
  }

  #end(error: LinkError): void {
    this.#ended = error;
    this.#stopWatch?.();
    this.#flights.clear();
    this.#waiting.clear();
    for (const job of this.#open) job.finish(error);
  }

  #warnUnheard(topic: string): void {
    if (!this.#warnedUnheard) this.#parts.ports.log.warn({ topic }, "Nobody is subscribed to what we publish; the broker keeps nothing of it");
    this.#warnedUnheard = true;
  }

  #warnRefused(topic: string, reason: string): void {
    if (!this.#warnedRefused) this.#parts.ports.log.warn({ topic, reason }, "The broker refused a current value");
    this.#warnedRefused = true;
  }
}
