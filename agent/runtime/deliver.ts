/**
 * The one loop of a destination: connect, hand over what the outbox holds, settle what came back, and begin again when
 * the link is lost, for ever. Each destination has its own, so a dead one delays no other.
 *
 *   connecting ─► up ─► lost ─► close ─► wait (1 s … 60 s) ─► connecting        abort ─► settle ─► close ─► stopped
 *
 * Several batches are under way at once, so that the destination's window never runs dry between two of them; order is
 * that of handing over. What a destination neither accepts nor rejects is handed over again after a pause, while the
 * others go on. Bounds: `BATCHES` × `BATCH` records under way, `MAXIMUM_LEFT` put back.
 */
import type { Board, Delivery, Destination, Latest, Retained } from "../contract/destination.ts";
import { LinkError, StoreError } from "../contract/errors.ts";
import type { Outbox, StoredRecord } from "../contract/outbox.ts";
import type { Ports } from "../contract/ports.ts";
import type { Link } from "../contract/source.ts";
import { retryDelays } from "./retry.ts";

export interface DeliverOptions {
  readonly destination: Destination;
  readonly outbox: Outbox;
  readonly board: Board;
  readonly ports: Ports;
  readonly onLink: (link: Link) => void;
}

/** Records of one hand-over: large enough that a settlement is rare, small enough that reading them is not felt. */
const BATCH = 256;
/** Together with `BATCH` more than the largest window, so that it never runs dry. */
const BATCHES = 5;
/** Batches read in one go: reading blocks the event loop, so it gets a turn between. */
const READS = 2;
const MAXIMUM_LEFT = 1_000;
const FIRST_RETRY_MS = 1_000;
const MAXIMUM_RETRY_MS = 60_000;
/** Up this long and something delivered, or up six times as long: the link has proved itself. */
const STEADY_MS = 10_000;
const OUR_FAULT_RETRY_MS = 60_000;

/** Runs until the signal aborts; rejects only when the outbox fails (`StoreError`). */
export async function deliver(options: DeliverOptions, signal: AbortSignal): Promise<void> {
  const { destination, ports, onLink } = options;
  const series = () => retryDelays({ firstMs: FIRST_RETRY_MS, maximumMs: MAXIMUM_RETRY_MS, random: ports.random });
  let delays = series();
  for (let attempt = 1; !signal.aborted; attempt++) {
    onLink({ state: "connecting", attempt });
    let lost: LinkError;
    try {
      const delivery = await destination.connect(signal);
      onLink({ state: "up", peer: delivery.peer });
      const link = await useLink(delivery, options, signal);
      if (signal.aborted) break;
      if (link.proved) {
        delays = series();
        attempt = 0;
      }
      lost = link.lost;
    } catch (error) {
      if (signal.aborted) break;
      lost = asLinkError(error, options);
    }
    if (lost.retry === "never") {
      onLink({ state: "stopped", fault: lost.fault, message: lost.message });
      return;
    }
    const retryInMs = Math.max(delays.next().value, typeof lost.retry === "object" ? lost.retry.afterMs : 0);
    onLink({ state: "down", fault: lost.fault, message: lost.message, retryInMs });
    // An abort ends the wait; the loop's condition sees it.
    await ports.network.sleep(retryInMs, signal).catch(() => undefined);
  }
  onLink({ state: "stopped" });
}

function asLinkError(error: unknown, { destination, ports }: DeliverOptions): LinkError {
  if (error instanceof LinkError) return error;
  if (error instanceof StoreError) throw error;
  ports.log.error({ destination: destination.name, error }, "A destination failed in a way it should not; it is tried again later");
  return new LinkError("internal", { afterMs: OUR_FAULT_RETRY_MS }, error instanceof Error ? error.message : String(error), { cause: error });
}

interface LinkEnd {
  readonly lost: LinkError;
  readonly proved: boolean;
}

const retained = (values: readonly (Retained | Latest)[]): readonly Retained[] => values.filter((value) => value.scope !== "record");

/** Feeds one live link until it is lost or the signal aborts, then closes it. */
async function useLink(delivery: Delivery, options: DeliverOptions, signal: AbortSignal): Promise<LinkEnd> {
  const upMs = options.ports.network.now().monoMs;
  const feed = new Feed(delivery, options, signal);
  const stopListening = options.board.onChange((changed) => delivery.retain(retained(changed)));
  try {
    delivery.retain(retained(options.board.all()));
    const lost = await feed.run();
    const heldMs = options.ports.network.now().monoMs - upMs;
    return { lost, proved: (feed.accepted > 0 && heldMs >= STEADY_MS) || heldMs >= 6 * STEADY_MS };
  } finally {
    stopListening();
    try {
      await feed.stop();
    } finally {
      await delivery.close();
    }
  }
}

/** The batches under way on one link. Everything that happens rings; `run` looks at what there is to do. */
class Feed {
  accepted = 0;
  readonly #delivery: Delivery;
  readonly #options: DeliverOptions;
  readonly #signal: AbortSignal;
  /** Ends the waits of this link alone. */
  readonly #link = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  readonly #retries: Generator<number, never, void>;
  readonly #left: StoredRecord[] = [];
  #leftDue = false;
  #cancelRetry: (() => void) | null = null;
  #after = 0;
  #arrivalAfter = 0;
  #awaitingArrival = false;
  #lost: LinkError | null = null;
  #failure: { readonly error: unknown } | null = null;
  #ring: () => void = () => undefined;

  constructor(delivery: Delivery, options: DeliverOptions, signal: AbortSignal) {
    this.#delivery = delivery;
    this.#options = options;
    this.#signal = signal;
    this.#retries = retryDelays({ firstMs: FIRST_RETRY_MS, maximumMs: MAXIMUM_RETRY_MS, random: options.ports.random });
    void delivery.lost.then((error) => {
      this.#lost = error;
      this.#ring();
    });
  }

  /** Resolves when the link is lost (with why) or the signal aborts. */
  async run(): Promise<LinkError> {
    const onAbort = (): void => this.#ring();
    this.#signal.addEventListener("abort", onAbort, { once: true });
    try {
      for (;;) {
        const rung = new Promise<void>((resolve) => (this.#ring = resolve));
        if (this.#failure) throw this.#failure.error;
        if (this.#lost) return this.#lost;
        if (this.#signal.aborted) return new LinkError("lost", "never", "stopped");
        this.#fill();
        await rung;
      }
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
    }
  }

  /** Waits for the batches under way (the delivery bounds that) and settles them. */
  async stop(): Promise<void> {
    this.#link.abort(new Error("the link is no longer used"));
    this.#cancelRetry?.();
    await Promise.all(this.#underWay);
    if (this.#failure?.error instanceof StoreError) throw this.#failure.error;
  }

  #fill(): void {
    if (this.#leftDue && this.#underWay.size < BATCHES) {
      this.#leftDue = false;
      this.#hand(this.#left.splice(0));
    }
    for (let read = 0; this.#underWay.size < BATCHES && this.#left.length < MAXIMUM_LEFT; read++) {
      if (read === READS) return void this.#options.ports.network.after(0, () => this.#ring());
      const records = this.#options.outbox.pending(this.#options.destination.name, this.#after, BATCH);
      const last = records.at(-1);
      if (!last) return this.#awaitArrival();
      this.#after = last.seq;
      this.#hand(records);
    }
  }

  #hand(records: readonly StoredRecord[]): void {
    const task = this.#delivery.deliver(records, this.#link.signal).then((outcome) => {
      this.accepted += outcome.accepted.length;
      if (outcome.accepted.length + outcome.rejected.length > 0) this.#options.outbox.settle(this.#options.destination.name, outcome);
      if (outcome.rejected.length > 0) this.#reportRejected(outcome.rejected);
      if (outcome.accepted.length + outcome.rejected.length < records.length) this.#putBack(records, outcome);
    }).catch((error: unknown) => {
      // A lost link is told by `lost`, with its reason; what was handed over is still in the outbox.
      if (!(error instanceof LinkError)) this.#failure ??= { error };
    }).finally(() => {
      this.#underWay.delete(task);
      this.#ring();
    });
    this.#underWay.add(task);
  }

  #putBack(records: readonly StoredRecord[], { accepted, rejected }: { readonly accepted: readonly number[]; readonly rejected: readonly { readonly seq: number }[] }): void {
    const done = new Set([...accepted, ...rejected.map(({ seq }) => seq)]);
    this.#left.push(...records.filter(({ seq }) => !done.has(seq)));
    this.#left.sort((a, b) => a.seq - b.seq);
    this.#cancelRetry ??= this.#options.ports.network.after(this.#retries.next().value, () => {
      this.#cancelRetry = null;
      this.#leftDue = true;
      this.#ring();
    });
  }

  #reportRejected(rejected: readonly { readonly seq: number; readonly reason: string }[]): void {
    this.#options.ports.log.error(
      { destination: this.#options.destination.name, count: rejected.length, first: rejected[0] },
      "The destination refused records for good; they are kept among the dead letters",
    );
  }

  #awaitArrival(): void {
    if (this.#awaitingArrival) return;
    this.#awaitingArrival = true;
    const mark = Math.max(this.#after, this.#arrivalAfter);
    this.#options.outbox.arrival(mark, this.#link.signal).then(() => {
      // What arrived may be for others only: then it must not wake us again.
      if (this.#options.outbox.pending(this.#options.destination.name, this.#after, 1).length === 0) this.#arrivalAfter = this.#options.outbox.status().syncedSeq;
    }).catch((error: unknown) => {
      if (!this.#link.signal.aborted) this.#failure ??= { error };
    }).finally(() => {
      this.#awaitingArrival = false;
      this.#ring();
    });
  }
}
