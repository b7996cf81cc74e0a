/** Topics that nobody is subscribed to, as the broker says it with PUBACK 0x10 (MQTT 5): what goes there is kept by nobody. */
import type { Log } from "../../agent/contract/ports.ts";

/** More are not named. */
const MAXIMUM_TOPICS = 100;

export class Unheard {
  readonly #log: Log;
  readonly #topics = new Set<string>();
  #isLogged = false;

  constructor(log: Log) {
    this.#log = log;
  }

  get size(): number {
    return this.#topics.size;
  }

  /** What the broker said of it last is what counts. */
  note(topic: string, isHeard: boolean): void {
    if (isHeard) return void this.#topics.delete(topic);
    if (this.#topics.size < MAXIMUM_TOPICS) this.#topics.add(topic);
    if (!this.#isLogged) this.#log.warn({ topic }, "Nobody is subscribed to what we publish; the broker keeps nothing of it");
    this.#isLogged = true;
  }

  warnings(): readonly string[] {
    const [first] = this.#topics;
    if (first === undefined) return [];
    return [`Nobody is subscribed to ${first}${this.#topics.size > 1 ? ` and ${this.#topics.size - 1} more topics` : ""}: the broker keeps nothing of what goes there.`];
  }
}
