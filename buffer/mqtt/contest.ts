/**
 * Two clients with one client id put each other out in turn, for ever. Three times within a minute is that and no
 * accident: then we say so and stay away for minutes, so that at least one of them works. MQTT 5 names it (0x8E); over
 * 3.1.1 it shows as a close without a word (and without a reset, which is the network) soon after CONNACK, with nothing of
 * ours in flight.
 */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";

const TIMES = 3;
const WITHIN_MS = 60_000;
/** A link shorter than this was put out, and did not just end. */
const SHORT_MS = 20_000;
const AWAY_MS = 120_000;
/** Once it is known, a single time says that it goes on. */
const REMEMBERED_MS = 900_000;

export class Contest {
  readonly #ports: Pick<Ports, "network" | "random">;
  readonly #clientId: string;
  #timesMs: readonly number[] = [];
  #knownMs: number | null = null;

  constructor(ports: Pick<Ports, "network" | "random">, clientId: string) {
    this.#ports = ports;
    this.#clientId = clientId;
  }

  /** The broker said that another client came with our id. */
  takenOver(error: LinkError): LinkError {
    return this.#count() ? this.#away(`Another client uses our client id ${this.#clientId}: it and we put each other out at the broker.`, error) : error;
  }

  /** The broker closed without a word and nothing was in flight. */
  closed(error: LinkError, heldMs: number): LinkError {
    if (heldMs > SHORT_MS || !this.#count()) return error;
    return this.#away(`The broker closed the connection ${TIMES} times within a minute, each time soon after it had accepted us: most often another client uses our client id ${this.#clientId}.`, error);
  }

  /** True when it is no accident any more. */
  #count(): boolean {
    const nowMs = this.#ports.network.now().monoMs;
    this.#timesMs = [...this.#timesMs.filter((ms) => nowMs - ms < WITHIN_MS), nowMs].slice(-TIMES);
    if (this.#timesMs.length >= TIMES || (this.#knownMs !== null && nowMs - this.#knownMs < REMEMBERED_MS)) this.#knownMs = nowMs;
    return this.#knownMs === nowMs;
  }

  /** Between two and four minutes: two agents that stay away alike would meet again. */
  #away(what: string, cause: LinkError): LinkError {
    const afterMs = Math.round(AWAY_MS * (1 + this.#ports.random()));
    return new LinkError("refused", { afterMs }, `${what} We stay away for ${Math.round(afterMs / 60_000)} minutes. Give each agent its own client_id.`, { cause });
  }
}
