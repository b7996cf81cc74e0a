/**
 * What loss records a destination holds, and which rows they cover: the last revision of each, unless it is void; a row
 * is covered when its number lies in fromSeq to toSeq (null: without an end) and its type stands in byType. A loss that
 * names no type at all does not know the types of what is gone, and covers every one.
 */
import type { ReceivedEvent } from "./logs.ts";

export interface Loss {
  readonly id: string;
  readonly rev: number;
  /** Where the record itself stands: another destination's loss is told to everybody and covers nothing here. */
  readonly destination: string | null;
  readonly epoch: string;
  readonly from: number;
  readonly to: number;
  readonly count: number | null;
  readonly byType: ReadonlyMap<string, number>;
  readonly reason: string;
}

/** Of one destination; `events` are all it received. */
export function lossesOf(destination: string, events: readonly ReceivedEvent[]): readonly Loss[] {
  const last = new Map<string, ReceivedEvent>();
  for (const event of events) if (event.type === "loss" && (last.get(event.id)?.rev ?? 0) < event.rev) last.set(event.id, event);
  return [...last.values()].filter(({ body }) => body["status"] !== "void").map(lossOf).filter((loss) => loss.destination === null || loss.destination === destination);
}

export function covers({ epoch, from, to, byType }: Loss, row: { readonly epoch: string; readonly seq: number; readonly type: string | null }): boolean {
  if (row.epoch !== epoch || row.seq < from || row.seq > to) return false;
  return row.type === null || byType.has(row.type) || byType.size === 0;
}

function lossOf({ id, rev, body }: ReceivedEvent): Loss {
  const bound = (key: string, otherwise: number): number => {
    const value = body[key];
    if (value === null) return otherwise;
    if (typeof value !== "number") throw new Error(`${key} of the loss ${id} is ${JSON.stringify(value)}`);
    return value;
  };
  const { destination, lostEpoch, count, byType, reason } = body;
  if (typeof lostEpoch !== "string" || typeof reason !== "string" || typeof byType !== "object" || byType === null) throw new Error(`the loss ${id} lacks lostEpoch, reason or byType`);
  return {
    id, rev, epoch: lostEpoch, reason, from: bound("fromSeq", 0), to: bound("toSeq", Infinity),
    destination: typeof destination === "string" ? destination : null,
    count: typeof count === "number" ? count : null,
    byType: new Map(Object.entries(byType as Readonly<Record<string, number>>)),
  };
}
