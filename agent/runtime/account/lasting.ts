/**
 * For how long the buffer would last if every destination went away now: what is left of its room, at the rate
 * of the last day that the rows kept tell of. Cheap whatever the backlog: a row is found by time with some twenty reads.
 * Not known while the rows span less than MINIMUM_MS: a rate of a few minutes says nothing about a day.
 */
import { statfsSync } from "node:fs";
import type { ReadLedger } from "../../contract/buffer-reader.ts";
import type { OutboxStatus } from "../../contract/outbox.ts";
import { unixMs, type UnixMs } from "../../contract/time.ts";

export interface Lasting {
  readonly days: number;
  readonly recordsPerDay: number;
  readonly bytesPerRecord: number;
}
export interface Room {
  readonly status: OutboxStatus;
  /** What must stay free on the file system, whatever the budget. */
  readonly reserveBytes: number;
}

const DAY_MS = 86_400_000;
const MINIMUM_MS = 600_000;
const SAMPLED = 200;
/** Of the budget, before the least valuable goes (store-and-forward.md §4). */
const USABLE = 0.9;
/** Of a row beside its body, and what SQLite's pages leave unused: measured 1.12 (decision 020). */
const ROW_BYTES = 40;
const PAGE_SHARE = 1.12;

/** Number of the first row kept that was learned at `at` or later; `lastSeq` + 1 when none was. */
export function firstSince(ledger: ReadLedger, lastSeq: number, at: UnixMs): number {
  let [low, high] = [0, lastSeq];
  // Rows up to `low` are older, rows after `high` are not; what is gone counts with the next row that is there.
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [row] = ledger.history(middle, 1);
    if (row && row.seq <= high && row.observedAt < at) low = row.seq;
    else high = middle;
  }
  const [found] = ledger.history(low, 1);
  return found?.seq ?? lastSeq + 1;
}

/** Null: not known yet. */
export function lasting(ledger: ReadLedger, room: Room): Lasting | null {
  const { lastSeq } = room.status;
  const newest = ledger.history(Math.max(0, lastSeq - SAMPLED), SAMPLED);
  const last = newest.at(-1);
  if (!last) return null;
  const since = firstSince(ledger, lastSeq, unixMs(last.observedAt - DAY_MS));
  const [first] = ledger.history(since - 1, 1);
  const spanMs = last.observedAt - (first?.observedAt ?? last.observedAt);
  if (spanMs < MINIMUM_MS) return null;
  const recordsPerDay = (last.seq - since) * DAY_MS / spanMs;
  const bytesPerRecord = PAGE_SHARE * (ROW_BYTES + newest.reduce((sum, { body }) => sum + body.length, 0) / newest.length);
  if (recordsPerDay <= 0) return null;
  return { days: Math.max(0, roomBytes(room, bytesPerRecord)) / (recordsPerDay * bytesPerRecord), recordsPerDay, bytesPerRecord };
}

/** What records that wait may still take: delivered ones give way to them. */
function roomBytes({ status, reserveBytes }: Room, bytesPerRecord: number): number {
  const waiting = Math.max(0, ...status.destinations.map((destination) => destination.waiting)) * bytesPerRecord;
  const free = status.freeBytes === null ? Infinity : status.freeBytes - reserveBytes;
  return Math.min(USABLE * status.budgetBytes, status.bytes + free) - waiting;
}

/** `keepFree` (0 to 1) of the file system that `folder` lies on, in bytes; 0 where the system does not say. */
export function reserveBytes(folder: string, keepFree: number): number {
  try {
    const { blocks, bsize } = statfsSync(folder);
    return keepFree * blocks * bsize;
  } catch {
    return 0;
  }
}

/** Beyond it a number would be more exact than the rate it rests on. */
const TEN_YEARS = 3_650;
/** "12 days", "3 hours"; what a person is told at the start. */
export const daysWords = (days: number): string =>
  days >= TEN_YEARS ? "more than 10 years" : days >= 2 ? `${Math.floor(days)} days` : days * 24 >= 2 ? `${Math.floor(days * 24)} hours` : `${Math.max(0, Math.floor(days * 1_440))} minutes`;
