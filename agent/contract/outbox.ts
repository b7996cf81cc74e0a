/** The buffer on disk, as the rest of the agent sees it. One writer, one connection, one transaction per group. */
import type { RecordType, NewRecord } from "./record.ts";
import type { UnixMs } from "./time.ts";

/** Detector state and source position of one machine, opaque to the buffer: saved with the records they produced. */
export interface Checkpoint {
  readonly key: string;
  readonly json: string;
}

/** What a machine hands over at once. `context` is the JSON of its RecordContext, stored once per distinct text. */
export interface Commit {
  readonly machine: string | null;
  readonly context: string;
  readonly records: readonly NewRecord[];
  readonly checkpoint: Checkpoint | null;
  /** Gateway time at which the newest of it was learned. */
  readonly observedAt: UnixMs;
  /** True when these records tell of a time that `completeThrough` had already passed. */
  readonly late?: boolean;
}

export interface StoredRecord {
  /** Number in this buffer file, +1 per record. */
  readonly seq: number;
  /** The row before it that was due to this destination; 0 for the first. */
  readonly prev: number;
  readonly machine: string | null;
  readonly type: RecordType;
  readonly id: string;
  readonly rev: number;
  readonly start: UnixMs;
  readonly observedAt: UnixMs;
  readonly late: boolean;
  /** JSON texts: `data` = head + context + body, in this order (`buffer/mqtt/cloud-events.ts` joins them). */
  readonly context: string;
  readonly body: string;
}

/** What a destination did with the records given to it. What is in neither list stays; order per machine is kept. */
export interface Outcome {
  readonly accepted: readonly number[];
  readonly rejected: readonly { readonly seq: number; readonly reason: string }[];
}

export interface OutboxStatus {
  readonly epoch: string;
  readonly lastSeq: number;
  readonly syncedSeq: number;
  readonly bytes: number;
  readonly destinations: readonly { readonly name: string; readonly waiting: number; readonly acknowledged: number; readonly rejected: number }[];
  readonly fault: string | null;
}

export interface Outbox {
  /** Random id of this buffer file: (epoch, seq) names a row for ever. */
  readonly epoch: string;
  checkpoint(key: string): string | null;
  /** Resolves with the number of its last row (or of the last before it, when it had none) once synced to disk; never earlier. */
  commit(commit: Commit): Promise<number>;
  /** Oldest first, synced ones only, after `after` (0: from the destination's cursor on). */
  pending(destination: string, after: number, limit: number): readonly StoredRecord[];
  settle(destination: string, outcome: Outcome): void;
  /** Resolves when there is something synced after `after`, or the signal aborts (then it rejects). */
  arrival(after: number, signal: AbortSignal): Promise<void>;
  status(): OutboxStatus;
  /** Commits and syncs what is in hand, then closes. Idempotent. */
  close(): Promise<void>;
}
