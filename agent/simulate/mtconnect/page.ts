/** Cuts one document out of the ring: which observations, and where the next one begins. */
import type { Model } from "./model.ts";
import { StreamsBody, type Sequences } from "./documents.ts";
import type { Ring } from "./ring.ts";

export interface Page {
  readonly body: string;
  readonly hits: number;
  readonly sequences: Sequences;
}
export interface Slice {
  readonly from: number;
  readonly to: number | null;
  readonly count: number;
  readonly filter: Uint8Array | null;
}

/** Up to `count` matching observations from `from` on; `next` is the first number not looked at (mtconnect.md §3). */
export function samplePage(ring: Ring, model: Model, slice: Slice): Page {
  const body = new StreamsBody(model);
  const backwards = slice.count < 0;
  const wanted = Math.abs(slice.count);
  const end = slice.to ?? ring.last;
  let hits = 0;
  let at = slice.from;
  while (hits < wanted && (backwards ? at >= ring.first : at <= end)) {
    const entry = ring.get(at);
    if (entry !== undefined && at < ring.next && (slice.filter === null || slice.filter[entry.item.index] === 1)) {
      body.add(entry);
      hits++;
    }
    at += backwards ? -1 : 1;
  }
  // The 2.7 agent reports `from` as firstSequence when `to` is given.
  return { body: body.write(), hits, sequences: { first: slice.to === null ? ring.first : slice.from, last: ring.last, next: at } };
}

export function currentPage(ring: Ring, model: Model, filter: Uint8Array | null, at: number | null): Page {
  const body = new StreamsBody(model);
  let hits = 0;
  for (const entry of ring.state(at ?? undefined)) {
    if (filter !== null && filter[entry.item.index] !== 1) continue;
    body.add(entry);
    hits++;
  }
  return { body: body.write(), hits, sequences: { first: ring.first, last: ring.last, next: ring.next } };
}
