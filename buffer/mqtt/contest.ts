/**
 * Two clients with one client id put each other out in turn, for ever. Three times within a minute is no accident: then
 * we say so and stay away, so that at least one of them works.
 *
 * MQTT 5 has a word for it (0x8E). Over 3.1.1, and with brokers that do not say it (Mosquitto 2.0), it shows only as a
 * close without a word (and without a reset, which is the network) soon after CONNACK, with nothing of ours in flight: a
 * suspicion, and told as one. Where the broker took something of ours before, other causes are as likely, and we come
 * again within a minute. A connection that could not even be made speaks against it: then it is the broker or the network.
 */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";

const TIMES = 3;
const WITHIN_MS = 60_000;
/** A link shorter than this was put out, and did not just end. */
const SHORT_MS = 20_000;
const AWAY_MS = 120_000;
const AWAY_WHEN_IT_WORKED_MS = 30_000;
/** Once it is known, a single time says that it goes on. */
const REMEMBERED_MS = 900_000;

/** What ended, as far as it speaks for it. */
export interface Ended {
  readonly heldMs: number;
  /** Messages that the broker acknowledged on that link. */
  readonly answered: number;
}

export class Contest {
  readonly #ports: Pick<Ports, "network" | "random">;
  readonly #clientId: string;
  readonly #told = new Series();
  #suspected = new Series();
  #suspectedAtWork = new Series();

  constructor(ports: Pick<Ports, "network" | "random">, clientId: string) {
    this.#ports = ports;
    this.#clientId = clientId;
  }

  /** The broker said that another client came with our id. */
  takenOver(error: LinkError): LinkError {
    if (!this.#told.count(this.#nowMs())) return error;
    return this.#away(AWAY_MS, error, (wait) => `Another client uses our client id ${this.#clientId}: it and we put each other out at the broker. We stay away for ${wait}. Give each agent its own client_id.`);
  }

  /** No broker took us. */
  notConnected(): void {
    this.#suspected = new Series();
    this.#suspectedAtWork = new Series();
  }

  /** The broker closed without a word, and nothing was in flight. */
  closed(error: LinkError, { heldMs, answered }: Ended): LinkError {
    const series = answered === 0 ? this.#suspected : this.#suspectedAtWork;
    if (heldMs > SHORT_MS || !series.count(this.#nowMs())) return error;
    const causes = answered === 0 ? "" : "it restarts, the network fails, or ";
    return this.#away(answered === 0 ? AWAY_MS : AWAY_WHEN_IT_WORKED_MS, error, (wait) =>
      `The broker closed the connection again and again without a word, each time soon after it had accepted us. Perhaps ${causes}another client uses our client id ${this.#clientId}. We stay away for ${wait}. Look into the broker's log; each agent needs its own client_id.`);
  }

  #nowMs(): number {
    return this.#ports.network.now().monoMs;
  }

  /** Once to twice as long: two agents that stay away alike would meet again. */
  #away(leastMs: number, cause: LinkError, words: (wait: string) => string): LinkError {
    const afterMs = Math.round(leastMs * (1 + this.#ports.random()));
    const wait = afterMs < 120_000 ? `${Math.round(afterMs / 1_000)} seconds` : `${Math.round(afterMs / 60_000)} minutes`;
    return new LinkError("refused", { afterMs }, words(wait), { cause });
  }
}

class Series {
  #timesMs: readonly number[] = [];
  #knownMs: number | null = null;

  /** One more time; true when it is no accident any more. */
  count(nowMs: number): boolean {
    this.#timesMs = [...this.#timesMs.filter((ms) => nowMs - ms < WITHIN_MS), nowMs].slice(-TIMES);
    if (this.#timesMs.length >= TIMES || (this.#knownMs !== null && nowMs - this.#knownMs < REMEMBERED_MS)) this.#knownMs = nowMs;
    return this.#knownMs === nowMs;
  }
}
