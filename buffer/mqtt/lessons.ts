/**
 * What one link of a destination teaches the next: which broker to begin with, how much may be in flight and how fast,
 * whether another client has our id, and which message a broker drops us for. Lives as long as the destination.
 */
import type { LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import { Brokers } from "./brokers.ts";
import { Contest } from "./contest.ts";
import { Subscriptions } from "./downlinks.ts";
import type { Loss } from "./link-errors.ts";
import { Pace } from "./pace.ts";
import { isAboutTheMessage } from "./reason-codes.ts";
import { Suspects, type Key } from "./suspects.ts";

export interface LinkFacts {
  readonly heldMs: number;
  /** Oldest first. */
  readonly inFlight: readonly { readonly key: Key; readonly topic: string }[];
  /** Messages that the broker has answered. */
  readonly answered: number;
}

/** A link shorter than this says little of how fast it went. */
const LEAST_MEASURED_MS = 1_000;

export class Lessons {
  readonly brokers: Brokers;
  readonly pace: Pace;
  readonly suspects: Suspects;
  readonly subscriptions = new Subscriptions();
  readonly #contest: Contest;
  #window: number;
  readonly #configuredWindow: number;

  constructor({ urls, window, rateLimit, clientId }: { readonly urls: readonly string[]; readonly window: number; readonly rateLimit: number | null; readonly clientId: string }, ports: Ports) {
    this.brokers = new Brokers(urls);
    this.pace = new Pace(ports.network, rateLimit);
    this.suspects = new Suspects(ports.network);
    this.#contest = new Contest(ports, clientId);
    this.#window = window;
    this.#configuredWindow = window;
  }

  /** Messages in flight at most, the broker's receive maximum not counted. */
  get window(): number {
    return this.suspects.isCareful ? 1 : this.#window;
  }

  notConnected(): void {
    this.#contest.notConnected();
  }

  /** A link has ended: learns from it, and gives the error as a person should read it. */
  ended({ error, how, code, next }: Loss, { heldMs, inFlight, answered }: LinkFacts): LinkError {
    this.brokers.ended(heldMs);
    if (next === "window") this.#window = Math.max(1, this.#window >> 1);
    if (next === "slower") this.pace.complain(answered * 1_000 / Math.max(heldMs, LEAST_MEASURED_MS));
    const isAlone = inFlight.length === 1 && code !== null && isAboutTheMessage(code);
    // An answer that MQTT does not have also belongs to one message, and would end every link alike.
    const isOfMessage = how === "closed" || how === "reset" || next === "message" || error.fault === "protocol";
    this.suspects.lost(inFlight, !isOfMessage ? "none" : isAlone ? "surely" : "perhaps", error.message);
    if (next === "taken") return this.#contest.takenOver(error);
    return how === "closed" && inFlight.length === 0 ? this.#contest.closed(error, { heldMs, answered }) : error;
  }

  warnings(): readonly string[] {
    const found: string[] = [];
    if (this.brokers.warning !== null) found.push(this.brokers.warning);
    if (this.#window < this.#configuredWindow) found.push(`The broker said that more was in flight than it takes: the window is ${this.#window} instead of ${this.#configuredWindow}.`);
    const slow = this.pace.throttledTo();
    if (slow !== null) found.push(`The broker said that we send too much: at most ${Math.round(slow * 10) / 10} messages a second for now. A rate_limit would keep us under its quota.`);
    const silenced = this.suspects.silenced();
    if (silenced.length > 0) found.push(`Not published any more, because the broker breaks the connection off for it: ${silenced.slice(0, 3).join(", ")}${silenced.length > 3 ? ` and ${silenced.length - 3} more` : ""}.`);
    return found;
  }
}
