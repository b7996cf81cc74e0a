/**
 * What comes back from the broker: the topics `…/_agent/{id}/{confirm,replay,cmd}`. A message is bounded in size and
 * number and handed on as bytes; what it says is the runtime's to judge. A retained one is an old request that somebody
 * left at the broker, and is ignored. Nothing here waits, and nothing is answered.
 *
 * A broker that breaks the connection off instead of refusing the subscription would keep every link from working: after
 * two links in a row that ended with it unanswered, the next ones ask only after ten minutes, until it is answered.
 */
import { DOWNLINK_KINDS, type Downlink, type DownlinkKind } from "../../agent/contract/destination.ts";
import type { Clock } from "../../agent/contract/time.ts";
import type { Connection, Incoming } from "./connection.ts";
import { markTopic } from "./marks.ts";
import { Pace } from "./pace.ts";
import { subscriptionRefusal } from "./reason-codes.ts";

const LARGEST_BYTES = 16_384;
/** A bridge confirms a few times a second at most. */
const MOST_PER_SECOND = 100;
const ANSWER_MS = 15_000;
const UNANSWERED_LINKS = 2;
const ASK_LATER_MS = 600_000;

export interface DownlinkParts {
  /** `…/_agent/{id}`. */
  readonly base: string;
  readonly downlink: Downlink;
  readonly network: Clock;
  /** Asked for when this is over: a broker may break the connection off over another subscription, which must not be held against these. */
  readonly after?: Promise<unknown>;
}

/** Of one destination, over all its links. */
export class Subscriptions {
  #unanswered = 0;

  /** Subscribes on a new connection. `warnings` of what it returns holds for that link. */
  begin(connection: Connection, parts: DownlinkParts): DownlinkState {
    const link = new DownlinkLink(connection, parts, () => (this.#unanswered = 0));
    void connection.lost.then(({ error }) => {
      if (link.phase === "asked" && error.retry !== "never") this.#unanswered++; // Not when we closed it ourselves.
    });
    let isLost = false;
    void connection.lost.then(() => (isLost = true));
    if (this.#unanswered >= UNANSWERED_LINKS) link.askLater();
    else if (parts.after === undefined) link.ask();
    else void parts.after.then(() => { if (!isLost) link.ask(); });
    return link;
  }
}

export interface DownlinkState {
  warnings(): readonly string[];
}

const REASONS = ["larger than 16 kB", "too many at once", "on a topic we did not ask for", "retained, so an old request"] as const;
type Reason = (typeof REASONS)[number];

class DownlinkLink implements DownlinkState {
  phase: "waiting" | "asked" | "answered" = "waiting";
  readonly #connection: Connection;
  readonly #parts: DownlinkParts;
  readonly #onAnswer: () => void;
  readonly #kinds: ReadonlyMap<string, DownlinkKind>;
  readonly #pace: Pace;
  readonly #dropped = new Map<Reason, number>();
  #problems: readonly string[] = [];

  constructor(connection: Connection, parts: DownlinkParts, onAnswer: () => void) {
    this.#connection = connection;
    this.#parts = parts;
    this.#onAnswer = onAnswer;
    this.#kinds = new Map(DOWNLINK_KINDS.map((kind) => [`${parts.base}/${kind}`, kind]));
    this.#pace = new Pace(parts.network, MOST_PER_SECOND, MOST_PER_SECOND);
  }

  askLater(): void {
    const { base, network } = this.#parts;
    this.#problems = [`Not yet subscribed to ${base}/…, because the broker broke the connection off when last asked: confirmations and requests for a replay do not come. Does it let us subscribe there? It is asked again ${ASK_LATER_MS / 60_000} minutes after connecting.`];
    void this.#connection.lost.then(network.after(ASK_LATER_MS, () => { this.ask(); }));
  }

  ask(): void {
    const { base, network } = this.#parts;
    const filters = [...this.#kinds.keys()];
    this.phase = "asked";
    this.#problems = [];
    const cancel = network.after(ANSWER_MS, () => (this.#problems = [`The broker has not answered our subscription to ${base}/…: confirmations and requests for a replay do not come.`]));
    this.#connection.subscribe(filters, (message) => { this.#take(message); }, (codes) => {
      cancel();
      this.phase = "answered";
      this.#problems = refusals(filters, codes);
      this.#onAnswer();
    });
    void this.#connection.lost.then(cancel);
  }

  warnings(): readonly string[] {
    const dropped = REASONS.flatMap((reason) => {
      const count = this.#dropped.get(reason) ?? 0;
      return count === 0 ? [] : [`${count} ${reason}`];
    });
    return [...this.#problems, ...(dropped.length > 0 ? [`Messages from the broker were dropped unread: ${dropped.join(", ")}.`] : [])];
  }

  #take({ topic, payload, retained }: Incoming): void {
    const kind = this.#kinds.get(topic);
    if (topic === markTopic(this.#parts.base)) return; // Asked for by marks.ts.
    if (kind === undefined) this.#drop("on a topic we did not ask for");
    else if (retained) this.#drop("retained, so an old request");
    else if (payload.length > LARGEST_BYTES) this.#drop("larger than 16 kB");
    else if (this.#pace.take() > 0) this.#drop("too many at once");
    else this.#parts.downlink(kind, payload);
  }

  #drop(reason: Reason): void {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1);
  }
}

function refusals(filters: readonly string[], codes: readonly number[]): readonly string[] {
  return filters.flatMap((filter, index) => {
    const reason = subscriptionRefusal(codes[index] ?? 0x80);
    return reason === null ? [] : [`The broker refused our subscription to ${filter}: ${reason}. Let this client read that topic.`];
  });
}
