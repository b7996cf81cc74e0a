/** Reads one session of a driver with a bound: what it gave, and how it ended. */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Batch, Cursor, Gap, Reading } from "../../agent/contract/observation.ts";
import type { Driver, Session } from "../../agent/contract/source.ts";

export interface SessionRun {
  readonly batches: readonly Batch[];
  readonly readings: readonly Reading[];
  readonly gaps: readonly Gap[];
  readonly cursor: Cursor | null;
  readonly peer: string;
  /** How the session ended: by us, or with what it threw. */
  readonly error: LinkError | null;
}
/** Ends the run when true; asked after each batch. */
export type Until = (batch: Batch, all: readonly Batch[]) => boolean;

/** Connects and reads until `until` says so or the session ends; a LinkError is told, anything else thrown. */
export async function runSession(driver: Driver, until: Until, from: Cursor | null = null): Promise<SessionRun> {
  const stop = new AbortController();
  const batches: Batch[] = [];
  let cursor = from;
  let error: LinkError | null = null;
  let session: Session | null = null;
  try {
    session = await driver.connect(stop.signal);
    for await (const batch of session.read(from, stop.signal)) {
      batches.push(batch);
      cursor = batch.cursor ?? cursor;
      if (until(batch, batches)) break;
    }
  } catch (cause) {
    if (!(cause instanceof LinkError)) throw cause;
    error = cause;
  } finally {
    stop.abort();
    await session?.close();
  }
  const items = batches.flatMap((batch) => batch.items);
  return {
    batches, cursor, error, peer: session?.peer ?? "",
    readings: items.filter((item) => item.kind === "reading"),
    gaps: items.filter((item) => item.kind === "gap"),
  };
}
