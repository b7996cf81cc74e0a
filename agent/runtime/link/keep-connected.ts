/**
 * The one loop that keeps a link, to a source or a destination: connecting ─► up ─► lost ─► closed by its session ─► wait
 * ─► again, for ever, unless the other side says "never". The series of waits starts over only once a link has proved
 * itself: worked and held STEADY_MS, or held six times that. What is thrown beside LinkError is our bug and waits longest.
 * A buffer that takes nothing for now is waited for; one that only a restart can mend ends the loop.
 */
import { LinkError, StoreError, type StoreFault } from "../../contract/errors.ts";
import type { Ports } from "../../contract/ports.ts";
import type { Link } from "../../contract/source.ts";
import type { Described } from "../../contract/survey.ts";
import { retryDelays } from "./retry.ts";

/** What a session tells while it lasts. */
export interface Holding {
  up(peer: string, describe?: () => Described): void;
  /** Something came through. */
  worked(): void;
}
export interface Kept {
  /** For the log: "mtconnect driver". */
  readonly what: string;
  readonly firstMs: number;
  readonly maximumMs: number;
  readonly ports: Pick<Ports, "network" | "random" | "log">;
  onLink(link: Link): void;
  /** One link from connecting to closed; returns or throws why it ended. */
  session(holding: Holding, signal: AbortSignal): Promise<LinkError>;
}

const STEADY_MS = 10_000;
/** Our own bug will not mend itself quickly. */
const INTERNAL_DELAY_MS = 60_000;
const STORE_DELAY_MS = 5_000;

const PASSING: ReadonlySet<StoreFault> = new Set<StoreFault>(["full", "io", "read-only"]);
/** The buffer may take it again without a restart (`StoreCondition` says when). */
export const mayPass = (cause: unknown): cause is StoreError => cause instanceof StoreError && PASSING.has(cause.fault);

/** Resolves when the signal aborts, or when trying again is useless; rejects only with a StoreError that nobody may go on with. */
export async function keepConnected(kept: Kept, signal: AbortSignal): Promise<void> {
  const { network, random } = kept.ports;
  const series = () => retryDelays({ firstMs: kept.firstMs, maximumMs: kept.maximumMs, random });
  let delays = series();
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    kept.onLink({ state: "connecting", attempt });
    const { error, proved } = await hold(kept, signal);
    if (signal.aborted) break;
    if (proved) {
      delays = series();
      attempt = 0;
    }
    if (error.retry === "never") return kept.onLink({ state: "stopped", fault: error.fault, message: error.message });
    const retryInMs = Math.max(delays.next().value, typeof error.retry === "object" ? error.retry.afterMs : 0);
    kept.onLink({ state: "down", fault: error.fault, message: error.message, retryInMs });
    // An abort ends the wait; the loop's condition sees it.
    await network.sleep(retryInMs, signal).catch(() => undefined);
  }
  kept.onLink({ state: "stopped" });
}

async function hold(kept: Kept, signal: AbortSignal): Promise<{ readonly error: LinkError; readonly proved: boolean }> {
  const { network } = kept.ports;
  let worked = false;
  let upMono: number | null = null;
  const holding: Holding = {
    up(peer, describe) {
      upMono = network.now().monoMs;
      kept.onLink({ state: "up", peer, ...(describe && { describe }) });
    },
    worked() { worked = true; },
  };
  const error = await kept.session(holding, signal).catch((cause: unknown) => asLinkError(cause, kept, signal));
  const heldMs = upMono === null ? 0 : network.now().monoMs - upMono;
  return { error, proved: heldMs >= (worked ? STEADY_MS : 6 * STEADY_MS) };
}

function asLinkError(cause: unknown, { what, ports }: Kept, signal: AbortSignal): LinkError {
  if (cause instanceof LinkError) return cause;
  if (mayPass(cause)) {
    ports.log.error({ fault: cause.fault, reason: cause.message }, "the buffer takes nothing for now: what it could not store is read again when it does");
    return new LinkError("internal", { afterMs: STORE_DELAY_MS }, cause.message, { cause });
  }
  if (cause instanceof StoreError) throw cause;
  const [message, stack] = cause instanceof Error ? [cause.message, cause.stack ?? cause.message] : [String(cause), String(cause)];
  if (!signal.aborted) ports.log.error({ fault: "internal", part: what, stack }, "a link failed in a way it should not: please report this");
  return new LinkError("internal", { afterMs: INTERNAL_DELAY_MS }, `internal error in the ${what}: ${message}`, { cause });
}
