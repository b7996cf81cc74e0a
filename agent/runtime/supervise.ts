/**
 * The one loop that keeps a source connected: connecting → up → batches → lost → close the session, then wait → again.
 * It retries for ever unless the driver says "never"; what a driver throws beside LinkError is our bug and waits longest.
 * The delay series starts over only after the link was up for a steady time and had delivered something.
 */
import type { Batch, Cursor } from "../contract/observation.ts";
import { LinkError, StoreError } from "../contract/errors.ts";
import type { Ports } from "../contract/ports.ts";
import type { Driver, Link } from "../contract/source.ts";
import { retryDelays } from "./retry.ts";

export interface Supervised {
  readonly driver: Driver;
  /** Where to resume; asked anew for each session. */
  cursor(): Cursor | null;
  /** Takes one batch; rejecting ends the session, and the next one starts at `cursor()`. */
  take(batch: Batch): Promise<void>;
  onLink(link: Link): void;
  readonly ports: Ports;
}

const FIRST_DELAY_MS = 500;
const MAXIMUM_DELAY_MS = 30_000;
/** Our own bug will not mend itself quickly. */
const INTERNAL_DELAY_MS = 60_000;
const STORE_DELAY_MS = 5_000;
const STEADY_MS = 10_000;

/** Resolves when the signal aborts, or when the driver says that trying again is useless. */
export async function supervise(source: Supervised, signal: AbortSignal): Promise<void> {
  const { network, random, log } = source.ports;
  const series = () => retryDelays({ firstMs: FIRST_DELAY_MS, maximumMs: MAXIMUM_DELAY_MS, random });
  let delays = series();
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    source.onLink({ state: "connecting", attempt });
    const began = network.now().monoMs;
    const { error, delivered } = await session(source, signal);
    if (signal.aborted) break;
    if (delivered && network.now().monoMs - began > STEADY_MS) {
      delays = series();
      attempt = 0;
    }
    if (error.retry === "never") {
      log.error({ fault: error.fault, reason: error.message }, "source stopped: trying again would not help");
      return source.onLink({ state: "stopped", fault: error.fault, message: error.message });
    }
    const backoffMs = delays.next().value;
    const retryInMs = Math.round(typeof error.retry === "object" ? error.retry.afterMs : backoffMs);
    source.onLink({ state: "down", fault: error.fault, message: error.message, retryInMs });
    await network.sleep(retryInMs, signal).catch(() => undefined);
  }
  source.onLink({ state: "stopped" });
}

async function session(source: Supervised, signal: AbortSignal): Promise<{ readonly error: LinkError; readonly delivered: boolean }> {
  let delivered = false;
  try {
    const link = await source.driver.connect(signal);
    try {
      for await (const batch of link.read(source.cursor(), signal)) {
        if (!delivered) source.onLink({ state: "up", peer: link.peer });
        delivered = true;
        await source.take(batch);
      }
    } finally {
      await link.close();
    }
    return { error: new LinkError("lost", "backoff", "the source ended the session"), delivered };
  } catch (cause) {
    return { error: asLinkError(cause, source, signal), delivered };
  }
}

function asLinkError(cause: unknown, source: Supervised, signal: AbortSignal): LinkError {
  if (cause instanceof LinkError) return cause;
  if (cause instanceof StoreError) {
    source.ports.log.error({ fault: cause.fault, reason: cause.message }, "the buffer could not store: the source is read again from the last stored position");
    return new LinkError("internal", { afterMs: STORE_DELAY_MS }, cause.message, { cause });
  }
  const stack = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  if (!signal.aborted) source.ports.log.error({ fault: "internal", stack }, "the driver failed in a way it should not: please report this");
  return new LinkError("internal", { afterMs: INTERNAL_DELAY_MS }, `internal error in the ${source.driver.kind} driver: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
