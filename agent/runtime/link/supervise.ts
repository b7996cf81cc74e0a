/** A source kept connected: each session resumes at the stored position, and each batch is taken before the next is read. */
import type { Batch, Cursor } from "../../contract/observation.ts";
import { LinkError } from "../../contract/errors.ts";
import type { Ports } from "../../contract/ports.ts";
import type { Driver, Link } from "../../contract/source.ts";
import { keepConnected, type Holding } from "./keep-connected.ts";

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

/** Resolves when the signal aborts, or when the driver says that trying again is useless. */
export const supervise = (source: Supervised, signal: AbortSignal): Promise<void> => keepConnected({
  what: `${source.driver.kind} driver`,
  firstMs: FIRST_DELAY_MS,
  maximumMs: MAXIMUM_DELAY_MS,
  ports: source.ports,
  onLink(link) {
    if (link.state === "stopped" && link.fault !== undefined) source.ports.log.error({ fault: link.fault, reason: link.message }, "source stopped: trying again would not help");
    source.onLink(link);
  },
  session: (holding) => session(source, holding, signal),
}, signal);

async function session(source: Supervised, holding: Holding, signal: AbortSignal): Promise<LinkError> {
  const link = await source.driver.connect(signal);
  try {
    let isUp = false;
    for await (const batch of link.read(source.cursor(), signal)) {
      // A link counts as up with the first thing it yields: many a device takes a connection and then says nothing.
      if (!isUp) holding.up(link.peer, link.describe?.bind(link));
      isUp = true;
      holding.worked();
      await source.take(batch);
    }
    return new LinkError("lost", "backoff", "the source ended the session");
  } finally {
    await link.close();
  }
}
