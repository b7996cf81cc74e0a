/**
 * Looks at hosts, politely: so many connections a second over all, one at a time at each host, each closed before the next.
 * What answers is known by its answer, never by its port alone. A host that cannot be reached is not tried again.
 */
import { LinkError, NoConnectionError } from "../../contract/errors.ts";
import type { Ports } from "../../contract/ports.ts";
import type { Clock } from "../../contract/time.ts";
import type { Found, Survey, TcpAddress } from "../../contract/survey.ts";

/** One kind of source that may be at one port of a host. */
export interface Attempt {
  readonly kind: string;
  readonly port: number;
  readonly survey: Pick<Survey<unknown>, "identify">;
}
export interface Host {
  readonly host: string;
  readonly attempts: readonly Attempt[];
}
export interface Endpoint {
  readonly kind: string;
  readonly at: TcpAddress;
  readonly found: Found;
}
/** Something is there, and it is not what was looked for; or it cannot tell. */
export interface Oddity {
  readonly kind: string;
  readonly at: TcpAddress;
  readonly message: string;
}
export interface Scan {
  readonly hosts: Iterable<Host>;
  readonly perSecond: number;
  readonly timeoutMs: number;
  readonly ports: Ports;
  readonly onFound: (endpoint: Endpoint) => void;
  readonly onOddity: (oddity: Oddity) => void;
  /** After each host. */
  readonly onHost: () => void;
}

/** Each waits for most of its time: more than this would only hold sockets. */
const AT_ONCE = 128;
/** An agent for more machines than stand in a hall is none. */
const MOST_AT_ONE_PORT = 100;

/** Resolves when all is looked at; rejects with the signal's reason, with nothing left open. */
export async function scan(options: Scan, signal: AbortSignal): Promise<void> {
  const pacer = new Pacer(options.perSecond, options.ports.network);
  const hosts = options.hosts[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = hosts.next(); next.done !== true; next = hosts.next()) {
      await lookAt(next.value, options, pacer, signal);
      options.onHost();
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
  signal.throwIfAborted();
  for (const one of workers) if (one.status === "rejected") throw one.reason;
}

async function lookAt({ host, attempts }: Host, { timeoutMs, ports, onFound, onOddity }: Scan, pacer: Pacer, signal: AbortSignal): Promise<void> {
  const known = new Set<number>();
  for (const { kind, port, survey } of attempts) {
    if (known.has(port)) continue;
    const at = { host, port };
    await pacer.turn(signal);
    try {
      const found = await survey.identify({ at, timeoutMs }, ports, signal);
      for (const one of found.slice(0, MOST_AT_ONE_PORT)) onFound({ kind, at, found: one });
      if (found.length > 0) known.add(port);
    } catch (cause) {
      signal.throwIfAborted();
      if (!(cause instanceof LinkError)) throw cause;
      if (cause instanceof NoConnectionError) {
        if (cause.fault === "unreachable") return;
        known.add(port);
      } else onOddity({ kind, at, message: cause.message });
    }
  }
}

/** Turns at even distances: a pause is not made up for by a burst. */
class Pacer {
  readonly #everyMs: number;
  readonly #clock: Clock;
  #nextMs = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number, clock: Clock) {
    this.#everyMs = 1_000 / perSecond;
    this.#clock = clock;
  }

  async turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const nowMs = this.#clock.now().monoMs;
    const mine = Math.max(nowMs, this.#nextMs);
    this.#nextMs = mine + this.#everyMs;
    if (mine > nowMs) await this.#clock.sleep(mine - nowMs, signal);
  }
}
