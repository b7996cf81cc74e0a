/**
 * Several brokers of one destination, in order of preference. One attempt tries each of them once, the most preferred
 * first, and stays with the first that takes us for as long as it works. After a loss the next attempt begins with the
 * most preferred again if the link had held a minute, else with the one after the lost one, so that a broker that takes
 * us only to drop us does not keep us from the others.
 */
import { LinkError, type Retry } from "../../agent/contract/errors.ts";

const STEADY_MS = 60_000;

export class Brokers {
  readonly #urls: readonly string[];
  #first = 0;
  #used = 0;

  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** In the order in which this attempt tries them. */
  order(): readonly string[] {
    return [...this.#urls.slice(this.#first), ...this.#urls.slice(0, this.#first)];
  }

  use(url: string): void {
    this.#used = Math.max(0, this.#urls.indexOf(url));
  }

  ended(heldMs: number): void {
    this.#first = heldMs >= STEADY_MS ? 0 : (this.#used + 1) % this.#urls.length;
  }

  /** Null for the most preferred one. */
  get warning(): string | null {
    return this.#used === 0 ? null : `The broker in use is number ${this.#used + 1} of ${this.#urls.length}: ${this.#urls[0] ?? ""} could not be used when we connected.`;
  }
}

/** Why none of them could be used, as one error: tried again as soon as any of them is worth it. */
export function noneOf(errors: readonly LinkError[]): LinkError {
  const [first] = errors;
  if (first && errors.length === 1) return first;
  const waits = errors.map(({ retry }) => (typeof retry === "object" ? retry.afterMs : 0));
  const afterMs = Math.min(...waits);
  const retry: Retry = afterMs > 0 ? { afterMs } : "backoff";
  return new LinkError(first?.fault ?? "unreachable", retry, errors.map(({ message }) => message).join(" "), { cause: first });
}
