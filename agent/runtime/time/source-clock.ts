/**
 * What a source's documents tell of its clocks: the newest stamps of a batch, and what the clock that stamps shows when
 * the document's shows something else. Pure, and without state.
 */
import type { Batch, Gap, Reading } from "../../contract/observation.ts";
import { unixMs, type UnixMs } from "../../contract/time.ts";

/** Document times are often whole seconds: stamps up to this far ahead of them are ahead of nothing. */
const CREDIBLE_LEAD_MS = 5_000;

/**
 * What the clock that stamps shows when a document's clock shows `documentTime`: they may be hours apart (adapters that
 * write local time as UTC). Whole seconds in documents make a small lead of the stamps worth nothing.
 */
export function stampClock({ lagMs }: { readonly lagMs: number | null }, documentTime: UnixMs): UnixMs {
  const lag = lagMs ?? 0;
  return unixMs(documentTime - (lag < -CREDIBLE_LEAD_MS ? lag : Math.max(0, lag)));
}

/** Newest stamp up to `limit` of the readings that count; null when there is none. */
export function newestStamp(batch: Batch, limit: number, counts: (reading: Reading) => boolean): number | null {
  let newest: number | null = null;
  for (const item of batch.items)
    if (item.kind === "reading" && item.sourceTime !== undefined && item.sourceTime <= limit && (newest === null || item.sourceTime > newest) && counts(item)) newest = item.sourceTime;
  return newest;
}

/** Stamp of the oldest event: what is told as an initial value may be older than any. */
export function oldestStamp({ items }: Batch): UnixMs | null {
  let oldest: UnixMs | null = null;
  for (const item of items)
    if (item.kind === "reading" && item.initial !== true && item.sourceTime !== undefined && (oldest === null || item.sourceTime < oldest)) oldest = item.sourceTime;
  return oldest;
}

export const isInitial = (item: Reading | Gap): boolean => item.kind === "reading" && item.initial === true;

/** An agent stamps what it never had with its own clock, beside a recording's values: it counts only where nothing else is there. */
export function newestInitial(batch: Batch, counts: (reading: Reading) => boolean): number | null {
  return newestStamp(batch, Infinity, (reading) => reading.initial === true && reading.quality !== "UNAVAILABLE" && counts(reading))
    ?? newestStamp(batch, Infinity, (reading) => reading.initial === true && counts(reading));
}
