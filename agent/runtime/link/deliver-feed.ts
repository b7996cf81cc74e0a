/**
 * What is under way on one live link. Everything that happens rings; `run` looks at what there is to do.
 *
 *   outbox ─ read ─► held (within its window) ─ due, or a backlog ─► handed over ─► settled
 *      └──── asked for again ─ when nothing else waits, or every fourth batch ─┘        └ not taken ─ pause ─► again
 *
 * - Order is that of the outbox. A window is a longest wait: when one held row is due, all are handed over. While there
 *   is a backlog nothing waits, but it leaves no faster than `drainPerSecond`.
 * - Several batches are under way at once, so that the destination's window never runs dry between two of them. What a
 *   destination neither accepts nor rejects is handed over again after a pause, while the others go on.
 * - A buffer that fails for now is asked again: the link stays, and so do current values. Nothing new is handed over
 *   before what came back is settled.
 *
 * Bounds: BATCH rows held, BATCHES × BATCH under way, MAXIMUM_LEFT put back, one batch of repeats.
 */
import type { Delivery, Pacing } from "../../contract/destination.ts";
import { LinkError, StoreError } from "../../contract/errors.ts";
import type { Outbox, Outcome, StoredRecord } from "../../contract/outbox.ts";
import type { Ports } from "../../contract/ports.ts";
import { mayPass } from "./keep-connected.ts";
import { Allowance, dueMono } from "./pacing.ts";
import { retryDelays } from "./retry.ts";
import { tellRefused } from "./tell-refused.ts";

export interface FeedParts {
  readonly delivery: Delivery;
  /** Its name in the outbox. */
  readonly destination: string;
  readonly outbox: Outbox;
  readonly pacing: Pacing;
  readonly ports: Ports;
  /** Something was accepted. */
  readonly worked: () => void;
}

/** Records of one hand-over: large enough that a settlement is rare, small enough that reading them is not felt. So many waiting are a backlog. */
const BATCH = 256;
/** Together with `BATCH` more than the largest window, so that it never runs dry. */
const BATCHES = 5;
/** Batches handed over in one go: reading blocks the event loop, so it gets a turn between. */
const READS = 2;
const MAXIMUM_LEFT = 1_000;
/** First transmissions between two batches of repeats, while there are both. */
const BATCHES_PER_REPLAY = 3;
/** A limited backlog leaves in portions of this time: small enough to be even, large enough for a link with a long way. */
const PORTION_MS = 250;
const FIRST_RETRY_MS = 1_000;
const MAXIMUM_RETRY_MS = 60_000;
const STORE_RETRY_MS = 1_000;
/** Refused loss records are offered with each new link, and while it lasts at these distances: a broker's access rules or limits may be put right meanwhile. */
const FIRST_OFFER_MS = 10_000;
const MAXIMUM_OFFER_MS = 5 * 60_000;
/** How long what waited within its window may take to leave when the agent stops. */
const FLUSH_MS = 1_000;

type Timer = "retry" | "window" | "drain" | "replay" | "store" | "refused";

export class Feed {
  readonly #parts: FeedParts;
  readonly #signal: AbortSignal;
  /** Ends the waits of this link alone. */
  readonly #link = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  readonly #retries: Generator<number, never, void>;
  readonly #offers: Generator<number, never, void>;
  readonly #drain: Allowance | null;
  /** Read and within their window, or beyond what a backlog may take now; `#due` is when the first must leave. */
  #held: StoredRecord[] = [];
  #due = Number.POSITIVE_INFINITY;
  #isDraining = true;
  readonly #left: StoredRecord[] = [];
  #leftDue = false;
  #after = 0;
  #arrivalAfter = 0;
  #awaitingArrival = false;
  #sinceReplay = 0;
  /** A batch of repeats is under way, or not all of it was taken and it pauses. */
  #isReplaying = false;
  /** What came back while the buffer failed. */
  readonly #unsettled: Outcome[] = [];
  #isStalled = false;
  readonly #timers = new Map<Timer, () => void>();
  #lost: LinkError | null = null;
  #failure: { readonly error: unknown } | null = null;
  #ring: () => void = () => undefined;

  constructor(parts: FeedParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
    const { network, random } = parts.ports;
    const { drainPerSecond } = parts.pacing;
    this.#drain = drainPerSecond === null ? null : new Allowance({ perSecond: drainPerSecond, burst: Math.max(1, drainPerSecond) }, network);
    this.#retries = retryDelays({ firstMs: FIRST_RETRY_MS, maximumMs: MAXIMUM_RETRY_MS, random });
    this.#offers = retryDelays({ firstMs: FIRST_OFFER_MS, maximumMs: MAXIMUM_OFFER_MS, random });
    void parts.delivery.lost.then((error) => {
      this.#lost = error;
      this.#ring();
    });
  }

  /** Resolves when the link is lost (with why) or the signal aborts. */
  async run(): Promise<LinkError> {
    const onAbort = (): void => this.#ring();
    this.#signal.addEventListener("abort", onAbort, { once: true });
    try {
      this.#offerRefused();
      for (;;) {
        const rung = new Promise<void>((resolve) => (this.#ring = resolve));
        if (this.#failure) throw this.#failure.error;
        if (this.#lost) return this.#lost;
        if (this.#signal.aborted) return new LinkError("lost", "never", "stopped");
        this.#guarded(() => this.#fill());
        await rung;
      }
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
    }
  }

  /** What waited within its window leaves; then waits for the batches under way (the delivery bounds that) and settles them. */
  async stop(): Promise<void> {
    if (this.#signal.aborted && this.#lost === null && this.#failure === null) await this.#flush();
    this.#link.abort(new Error("the link is no longer used"));
    for (const cancel of this.#timers.values()) cancel();
    await Promise.all(this.#underWay);
    this.#guarded(() => this.#settle());
    if (this.#failure?.error instanceof StoreError) throw this.#failure.error;
  }

  async #flush(): Promise<void> {
    if (this.#isDraining || this.#isStalled) return; // A backlog stays for the next start.
    this.#guarded(() => this.#read());
    if (this.#held.length === 0) return;
    this.#hand(this.#held.splice(0));
    const patience = this.#parts.ports.network.deadline(FLUSH_MS, this.#link.signal);
    const late = new Promise<void>((resolve) => patience.signal.addEventListener("abort", () => { resolve(); }, { once: true }));
    await Promise.race([Promise.all(this.#underWay), late]);
    patience.clear();
  }

  #fill(): void {
    if (this.#isStalled) return;
    this.#settle();
    if (this.#leftDue && this.#hasRoom()) {
      this.#leftDue = false;
      this.#hand(this.#left.splice(0));
    }
    for (let handed = 0; this.#hasRoom() && this.#left.length < MAXIMUM_LEFT; handed++) {
      if (handed === READS) return void this.#parts.ports.network.after(0, () => this.#ring());
      if (this.#sinceReplay >= BATCHES_PER_REPLAY && this.#replay()) continue;
      this.#read();
      const records = this.#leaving();
      if (records.length > 0) this.#hand(records);
      else if (!this.#replay()) return this.#held.length < BATCH ? this.#awaitArrival() : undefined;
    }
  }
  #hasRoom(): boolean {
    return this.#underWay.size < BATCHES;
  }

  #read(): void {
    const { destination, outbox, pacing, ports } = this.#parts;
    const wanted = BATCH - this.#held.length;
    const records = wanted > 0 ? outbox.sendable(destination, this.#after, wanted) : [];
    this.#after = records.at(-1)?.seq ?? this.#after;
    this.#due = Math.min(this.#due, dueMono(records, pacing, ports));
    this.#held = this.#held.length === 0 ? [...records] : [...this.#held, ...records];
    if (this.#held.length === BATCH) this.#isDraining = true;
    else if (this.#held.length === 0) this.#isDraining = false;
  }
  /** What of the held rows may leave now; where none may, a timer rings when one does. */
  #leaving(): readonly StoredRecord[] {
    if (this.#held.length === 0) return [];
    const { network } = this.#parts.ports;
    if (!this.#isDraining) {
      const waitMs = this.#due - network.now().monoMs;
      if (waitMs > 0) this.#later("window", waitMs);
      return waitMs > 0 ? [] : this.#held.splice(0);
    }
    return this.#held.splice(0, this.#allowed(this.#held.length));
  }
  /** Of a backlog. */
  #allowed(wanted: number): number {
    if (this.#drain === null) return wanted;
    const allowed = this.#drain.take(wanted);
    if (allowed === 0) this.#later("drain", Math.max(PORTION_MS, this.#drain.waitMs()));
    return allowed;
  }

  /** Hands over a batch of what was asked for again. One at a time: each begins with the oldest that is not yet settled. */
  #replay(): boolean {
    if (this.#isReplaying) return false;
    const { destination, outbox } = this.#parts;
    const records = outbox.replaying(destination, 0, BATCH);
    const allowed = records.length === 0 ? 0 : this.#allowed(records.length);
    this.#sinceReplay = 0;
    if (allowed === 0) return false;
    this.#isReplaying = true;
    this.#deliver(records.slice(0, allowed), () => true, (outcome) => {
      const isWhole = outcome !== null && outcome.accepted.length + outcome.rejected.length === allowed;
      if (isWhole) this.#isReplaying = false;
      else this.#later("replay", FIRST_RETRY_MS, () => { this.#isReplaying = false; });
    });
    return true;
  }

  #offerRefused(): void {
    this.#guarded(() => { this.#parts.outbox.offerRefused(this.#parts.destination); });
  }
  #offerAgain(): void {
    if (!this.#timers.has("refused")) this.#later("refused", this.#offers.next().value, () => { this.#offerRefused(); });
  }

  #hand(records: readonly StoredRecord[]): void {
    if (records.length === 0) return;
    if (this.#held.length === 0) this.#due = Number.POSITIVE_INFINITY;
    this.#sinceReplay += 1;
    const { destination, outbox } = this.#parts;
    this.#deliver(records, ({ seq }) => outbox.sending(destination, seq), (outcome) => {
      if (outcome !== null && outcome.accepted.length + outcome.rejected.length < records.length) this.#putBack(records, outcome);
    });
  }
  /** `done` is told null when the link went first. */
  #deliver(records: readonly StoredRecord[], isRepeat: (record: StoredRecord) => boolean, done: (outcome: Outcome | null) => void): void {
    const task = this.#parts.delivery.deliver(records, this.#link.signal, isRepeat).then((outcome) => {
      if (outcome.accepted.length > 0) this.#parts.worked();
      if (outcome.accepted.length + outcome.rejected.length > 0) this.#unsettled.push(outcome);
      if (tellRefused(outcome, records, this.#parts.ports.log)) this.#offerAgain();
      if (!this.#isStalled) this.#guarded(() => this.#settle());
      done(outcome);
    }).catch((error: unknown) => {
      // A lost link is told by `lost`, with its reason; what was handed over is still in the outbox.
      if (!(error instanceof LinkError)) this.#failure ??= { error };
      done(null);
    }).finally(() => {
      this.#underWay.delete(task);
      this.#ring();
    });
    this.#underWay.add(task);
  }

  #settle(): void {
    for (let outcome = this.#unsettled[0]; outcome; outcome = this.#unsettled[0]) {
      this.#parts.outbox.settle(this.#parts.destination, outcome);
      this.#unsettled.shift();
    }
  }

  /** A buffer that fails for now is asked again later; what else it throws ends the link. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!mayPass(error)) {
        this.#failure ??= { error };
        return this.#ring();
      }
      this.#parts.ports.log.warn({ fault: error.fault, reason: error.message }, "the buffer fails for now: delivery waits for it, and the link stays");
      this.#isStalled = true;
      this.#later("store", STORE_RETRY_MS, () => { this.#isStalled = false; });
    }
  }

  /** Rings after a time, and does this before; once, however often it is asked for meanwhile. */
  #later(what: Timer, ms: number, before: () => void = () => undefined): void {
    if (this.#link.signal.aborted) return;
    if (what === "window") this.#timers.get(what)?.(); // The first due may have become an earlier one.
    else if (this.#timers.has(what)) return;
    this.#timers.set(what, this.#parts.ports.network.after(ms, () => {
      this.#timers.delete(what);
      before();
      this.#ring();
    }));
  }

  #putBack(records: readonly StoredRecord[], { accepted, rejected }: Outcome): void {
    const done = new Set([...accepted, ...rejected.map(({ seq }) => seq)]);
    this.#left.push(...records.filter(({ seq }) => !done.has(seq)));
    this.#left.sort((a, b) => a.seq - b.seq);
    if (!this.#timers.has("retry")) this.#later("retry", this.#retries.next().value, () => { this.#leftDue = true; });
  }

  #awaitArrival(): void {
    if (this.#awaitingArrival) return;
    this.#awaitingArrival = true;
    const { destination, outbox } = this.#parts;
    const mark = Math.max(this.#after, this.#arrivalAfter);
    outbox.arrival(mark, this.#link.signal).then(() => {
      // What arrived may be for others only: then it must not wake us again.
      if (outbox.sendable(destination, this.#after, 1).length === 0) this.#arrivalAfter = outbox.synced();
    }).catch((error: unknown) => {
      if (!this.#link.signal.aborted) this.#guarded(() => { throw error; });
    }).finally(() => {
      this.#awaitingArrival = false;
      this.#ring();
    });
  }
}
