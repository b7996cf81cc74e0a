/**
 * What is in flight on one connection: at most `window` messages, records in the order they were handed over, retained
 * values between them. A retained value overtakes every waiting record, but takes at most every second free place, so
 * that it cannot starve them; of one topic only the newest waits, and only one is in flight.
 * Bounds: the caller's batches, and one retained value per topic.
 */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Delivery, Retained } from "../../agent/contract/destination.ts";
import type { Outcome, StoredRecord } from "../../agent/contract/outbox.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import { expiryWarnings } from "./certificate.ts";
import { CONTENT_TYPE } from "./cloud-events.ts";
import type { Connection, Message } from "./connection.ts";
import type { DownlinkState } from "./downlinks.ts";
import { Flights, STALLED_MS } from "./flights.ts";
import { openJob, type Job } from "./jobs.ts";
import type { Lessons } from "./lessons.ts";
import type { Loss } from "./link-errors.ts";
import type { LinkMark } from "./marks.ts";
import { NO_SUBSCRIBERS, QUOTA_EXCEEDED, verdict } from "./reason-codes.ts";
import type { Refusals } from "./refusals.ts";
import type { Key } from "./suspects.ts";
import type { Topics } from "./topic.ts";
import { Unheard } from "./unheard.ts";

const GOODBYE_MS = 1_000;
/** A current value that may be what breaks the link off waits this long for others to go first. */
const HELD_BACK_MS = 2_000;

export interface DeliveryParts {
  readonly connection: Connection;
  readonly peer: string;
  readonly window: number;
  readonly topics: Topics;
  /** The record's payload. */
  readonly write: (record: StoredRecord, replay: boolean) => string;
  readonly refusals: Refusals;
  readonly lessons: Lessons;
  readonly downlinks: DownlinkState;
  readonly mark: LinkMark;
  readonly goodbye: () => string;
  readonly ports: Ports;
}

export function delivery(parts: DeliveryParts): Delivery {
  return new WindowedDelivery(parts);
}

class WindowedDelivery implements Delivery {
  readonly peer: string;
  readonly lost: Promise<LinkError>;
  readonly found: NonNullable<Delivery["found"]>;
  readonly #parts: DeliveryParts;
  readonly #jobs: Job[] = [];
  readonly #open = new Set<Job>();
  readonly #flights: Flights;
  readonly #waiting = new Map<string, string>();
  readonly #publishing = new Set<string>();
  #isPumpDue = false;
  #retainedWasLast = false;
  #ended: LinkError | null = null;
  #stopPause: (() => void) | null = null;
  #answered = 0;
  readonly #upMs: number;
  /** Set: nothing else is sent any more. It too waits for a place in the window. */
  #goodbye: (() => void) | null = null;
  readonly #unheard: Unheard;
  #warnedRefused = false;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
    this.peer = parts.peer;
    this.found = parts.mark.found;
    this.#upMs = parts.ports.network.now().monoMs;
    this.#flights = new Flights(parts.ports.network, () => parts.connection.fail(new LinkError("timeout", "backoff", `The broker has not acknowledged a message for ${STALLED_MS / 1000} s.`)));
    this.#unheard = new Unheard(parts.ports.log);
    this.lost = parts.connection.lost.then((loss) => this.#end(loss));
  }

  warnings(): readonly string[] {
    const { connection, downlinks, lessons, mark, ports, refusals } = this.#parts;
    const found = [...expiryWarnings(connection.certificates, ports.network.now().unixMs), ...refusals.warnings(), ...downlinks.warnings(), ...mark.warnings(), ...lessons.warnings(), ...this.#unheard.warnings()];
    if (connection.level === 4) found.push("MQTT 3.1.1 has no negative acknowledgement: a record that the broker's rules deny looks delivered. Only a bridge that confirms shows that it arrived.");
    if (!connection.mayRetain) found.push("The broker keeps no retained messages: current values reach only who is subscribed at that moment.");
    return found;
  }

  deliver(records: readonly StoredRecord[], signal: AbortSignal, isRepeat: Job["isRepeat"] = () => false): Promise<Outcome> {
    if (this.#ended) return Promise.reject(this.#ended);
    const { job, outcome, isDone } = openJob({ records, isRepeat, signal, network: this.#parts.ports.network }, this.#open);
    if (!isDone) {
      this.#jobs.push(job);
      this.mark(Math.max(...records.map(({ seq }) => seq)));
    }
    return outcome;
  }

  mark(through: number): void {
    if (this.#ended) return;
    this.#parts.mark.want(through);
    this.#pump();
  }

  retain(values: readonly Retained[]): void {
    if (this.#ended) return;
    for (const value of values) this.#waiting.set(this.#parts.topics.retained(value), JSON.stringify(value.payload));
    this.#pump();
  }

  async close(): Promise<void> {
    if (!this.#ended) {
      const { topics, goodbye, ports } = this.#parts;
      const deadline = ports.network.deadline(GOODBYE_MS, new AbortController().signal);
      await new Promise<void>((resolve) => {
        deadline.signal.addEventListener("abort", () => resolve(), { once: true });
        void this.lost.then(() => resolve());
        this.#goodbye = () => {
          this.#goodbye = () => undefined; // Once.
          this.#send(topics.heartbeat, { topic: topics.heartbeat, payload: goodbye(), retain: true, contentType: "application/json" }, () => resolve());
        };
        this.#pump();
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
    const { lessons } = this.#parts;
    while (!this.#ended && this.#flights.size < Math.min(this.#parts.window, lessons.window)) {
      if (this.#goodbye) return this.#goodbye();
      const isMark = this.#parts.mark.isWaiting && !this.#isHeldBack(this.#parts.mark.topic);
      const topic = isMark || (this.#retainedWasLast && this.#job()) ? undefined : this.#nextTopic();
      const job = isMark || topic !== undefined ? undefined : this.#job();
      if (!isMark && topic === undefined && !job) return;
      const waitMs = lessons.pace.take();
      if (waitMs > 0) return this.#pause(waitMs);
      if (isMark) this.#sendMark();
      else if (topic !== undefined) this.#sendRetained(topic);
      else if (job) this.#sendRecord(job);
    }
  }

  #pause(ms: number): void {
    this.#stopPause ??= this.#parts.ports.network.after(ms, () => {
      this.#stopPause = null;
      this.#pump();
    });
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
    for (const topic of this.#waiting.keys()) if (!this.#publishing.has(topic) && !this.#isHeldBack(topic)) return topic;
    return undefined;
  }

  #isHeldBack(topic: string): boolean {
    if (!this.#parts.lessons.suspects.isDeferred(topic)) return false;
    const leftMs = HELD_BACK_MS - this.#heldMs();
    if (leftMs > 0) this.#pause(leftMs);
    return leftMs > 0 || this.#job() !== undefined;
  }

  #heldMs(): number {
    return this.#parts.ports.network.now().monoMs - this.#upMs;
  }

  #sendRetained(topic: string): void {
    const payload = this.#waiting.get(topic) ?? "";
    this.#waiting.delete(topic);
    const isSent = this.#sendCurrent({ topic, payload, retain: true, contentType: "application/json" }, (words) => { this.#warnRefused(topic, words); }, () => this.#publishing.delete(topic));
    if (!isSent) return;
    this.#retainedWasLast = true;
    this.#publishing.add(topic);
  }

  #sendMark(): void {
    const { mark } = this.#parts;
    this.#sendCurrent(mark.take(), (words) => { mark.refused(words); }, (code) => { if (verdict(code).verdict === "accepted") mark.taken(); });
  }

  /** False: it must not be sent. */
  #sendCurrent(message: Message, refused: (words: string) => void, answered: (code: number) => void = () => undefined): boolean {
    const { topic } = message;
    const reason = this.#fits(message) ? this.#parts.lessons.suspects.givenUp(topic, topic) : "larger than the broker's maximum packet size";
    if (reason !== null) refused(reason);
    else this.#send(topic, message, (code) => {
      answered(code);
      // A mark is one message more: what it is over must not cost the records their link.
      if (code === QUOTA_EXCEEDED && topic !== this.#parts.mark.topic) return this.#stop(verdict(code).words, code);
      if (verdict(code).verdict !== "accepted") refused(verdict(code).words);
    });
    return reason === null;
  }

  #sendRecord(job: Job): void {
    const record = job.records[job.next++];
    if (!record) return;
    const { topics, write, lessons } = this.#parts;
    const topic = topics.record(record.machine, record.type);
    const message: Message = { topic, payload: write(record, job.isRepeat(record)), retain: false, contentType: CONTENT_TYPE };
    const reason = this.#fits(message) ? lessons.suspects.givenUp(record.seq, topic) : "oversize";
    if (reason !== null) {
      job.rejected.push({ seq: record.seq, reason });
      this.#settleWhenDone(job);
      return;
    }
    this.#retainedWasLast = false;
    job.outstanding++;
    this.#send(record.seq, message, (code) => {
      job.outstanding--;
      this.#record(job, record, code);
      this.#settleWhenDone(job);
    });
  }

  #settleWhenDone(job: Job): void {
    if (job.outstanding === 0 && job.next >= job.records.length) job.finish(null);
  }

  #record(job: Job, { seq, machine, type }: StoredRecord, code: number): void {
    const { refusals, topics } = this.#parts;
    const { verdict: what, words } = verdict(code);
    const topic = topics.record(machine, type);
    if (what === "accepted") {
      refusals.taken(seq, topic);
      job.accepted.push(seq);
      if (code === NO_SUBSCRIBERS || this.#unheard.size > 0) this.#unheard.note(topic, code !== NO_SUBSCRIBERS);
      return;
    }
    if (what === "stop") return this.#stop(words, code);
    if (what === "retry" && !refusals.refused(seq, topic, code)) return;
    refusals.forget(seq);
    job.rejected.push({ seq, reason: words });
  }

  /** MQTT 5 §3.1.2.11.4: the limit is on the whole packet. The two varying length fields are counted at their longest. */
  #fits({ topic, payload, contentType }: Message): boolean {
    const limit = this.#parts.connection.maximumPacketSize;
    if (limit === Number.POSITIVE_INFINITY) return true;
    return 1 + 4 + 2 + Buffer.byteLength(topic) + 2 + 4 + 3 + contentType.length + Buffer.byteLength(payload) <= limit;
  }

  #stop(words: string, code: number): void {
    this.#parts.connection.fail(new LinkError("refused", "backoff", `The broker takes no more for now: ${words}.`), code === QUOTA_EXCEEDED ? "slower" : "soon");
  }

  #send(key: Key, message: Message, acknowledged: (code: number) => void): void {
    const landed = this.#flights.add(key, message.topic);
    this.#parts.connection.publish(message, (code) => {
      landed();
      this.#answered++;
      this.#parts.lessons.suspects.answered(key, message.topic, code);
      acknowledged(code);
      this.#pumpSoon();
    });
  }

  /** Gives the error as a person should read it. */
  #end(loss: Loss): LinkError {
    const error = this.#parts.lessons.ended(loss, { heldMs: this.#heldMs(), inFlight: this.#flights.all(), answered: this.#answered });
    this.#ended = error;
    this.#stopPause?.();
    this.#flights.clear();
    this.#waiting.clear();
    for (const job of this.#open) job.finish(error);
    return error;
  }

  #warnRefused(topic: string, reason: string): void {
    if (!this.#warnedRefused) this.#parts.ports.log.warn({ topic, reason }, "The broker refused a current value");
    this.#warnedRefused = true;
  }
}
