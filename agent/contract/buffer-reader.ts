/**
 * The buffer seen from outside the agent: read-only, beside a running agent or without one. Every call is one short
 * read transaction, so that the running agent can carry its log and delete behind whoever reads.
 */
import type { DeadLetter, LedgerRow, OutboxStatus, StoredRecord } from "./outbox.ts";

/** A row whose checksum is wrong, or that is missing between two that are there. */
export interface DamagedRow {
  readonly seq: number;
  readonly damaged: true;
}
export interface DueRow {
  readonly row: StoredRecord | DamagedRow;
  /** Neither acknowledged nor refused nor given up, as far as the file says: what the agent knows may be a moment ahead. */
  readonly waits: boolean;
}
export type DamagePlace = "file" | "rows" | "chain" | "cursors" | "checkpoints";
export interface Damage {
  readonly place: DamagePlace;
  /** The row it concerns; null where it is no row. */
  readonly seq: number | null;
  /** False when nobody needs the damaged thing any more: a record that every destination has had. */
  readonly matters: boolean;
  readonly words: string;
}
/** What could not be looked at, and why. */
export interface Unchecked {
  readonly unchecked: string;
}
export interface VerifyStep {
  /** What is being looked at, in words. */
  readonly part: string;
  readonly done: number;
  readonly of: number;
}

/** Enough of the ledger to find a row by time and to work out a rate. `Outbox` has it too. */
export interface ReadLedger {
  history(after: number, limit: number): readonly LedgerRow[];
}

export interface BufferReader extends ReadLedger {
  /** Of the database file. */
  readonly path: string;
  readonly epoch: string;
  readonly lastSeq: number;
  /** Destinations the file has a cursor for, configured or not. */
  readonly destinations: readonly string[];
  status(budgetBytes: number): OutboxStatus;
  /** Rows after `after`, oldest first, unreadable ones among them. */
  rows(after: number, limit: number): readonly (LedgerRow | DamagedRow)[];
  /** Rows due to one destination that are still kept. */
  due(destination: string, after: number, limit: number): readonly DueRow[];
  deadLetters(limit: number): readonly DeadLetter[];
  /** Everything that can be checked, in slices; yields the damage as it is found, the progress between. */
  verify(signal: AbortSignal): AsyncGenerator<Damage | VerifyStep | Unchecked, void, void>;
  close(): void;
}

/** What `cellgate buffer repair` did. */
export interface Repaired {
  /** Where the damaged file lies now; null when there was nothing left of it. */
  readonly folder: string | null;
  readonly lostEpoch: string | null;
  readonly savedRows: number;
  readonly savedCheckpoints: number;
  /** Numbers of the old file that were not saved, as far as known; `to` null: whatever came after. */
  readonly lost: readonly { readonly from: number | null; readonly to: number | null; readonly count: number | null }[];
}
