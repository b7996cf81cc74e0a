/** The buffer on disk, as the rest of the agent sees it. One writer, one connection, one transaction per group. */
import type { StoreError, StoreFault } from "./errors.ts";
import type { Body, RecordType, NewRecord } from "./record.ts";
import type { UnixMs } from "./time.ts";

/** Detector state and source position of one machine, opaque to the buffer: saved with the records they produced. */
export interface Checkpoint {
  readonly key: string;
  /** Null: forget the checkpoint of this key. */
  readonly json: string | null;
}
/** What the dating of records rested on, where that is not a clock to be trusted as it is (design.md §3). */
export type ClockDoubt = "shifted" | "unsynchronised";

/** What a machine hands over at once. `context` is the JSON of its RecordContext, stored once per distinct text. */
export interface Commit {
  readonly machine: string | null;
  readonly context: string;
  readonly records: readonly NewRecord[];
  readonly checkpoint: Checkpoint | null;
  /** More of them, in the same transaction: the state kept at the start of a hole. */
  readonly alsoCheckpoints?: readonly Checkpoint[];
  /** Gateway time at which the newest of it was learned. */
  readonly observedAt: UnixMs;
  /** True when these records tell of a time that `completeThrough` had already passed. */
  readonly late?: boolean;
  readonly clock?: ClockDoubt;
  /** How long it may wait for another commit to share its transaction and its sync: spares the card. Default 0: not at all. */
  readonly patienceMs?: number;
}

/** A row of the ledger, whoever it is due to. */
export interface LedgerRow {
  /** Number in this buffer file, +1 per record. */
  readonly seq: number;
  readonly machine: string | null;
  readonly type: RecordType;
  readonly id: string;
  readonly rev: number;
  readonly start: UnixMs;
  readonly observedAt: UnixMs;
  readonly late: boolean;
  readonly clock: ClockDoubt | null;
  /** JSON texts: `data` = head + context + body, in this order (`buffer/mqtt/cloud-events.ts` joins them). */
  readonly context: string;
  readonly body: string;
}
export interface StoredRecord extends LedgerRow {
  /** The row before it that was due to this destination; 0 for the first. */
  readonly prev: number;
}

/** What a destination did with the records given to it. What is in neither list stays; order per machine is kept. */
export interface Outcome {
  readonly accepted: readonly number[];
  readonly rejected: readonly { readonly seq: number; readonly reason: string }[];
}

/** What became of a request: how many rows it concerns, or why nothing was done, in words for its sender. */
export type Answer = { readonly ok: true; readonly rows: number } | {
  readonly ok: false;
  readonly reason: string;
  /** Set: it confirms a row that never left. A mistake, or this buffer is an older copy of itself. */
  readonly neverSent?: number;
};

/** One opening of a buffer file, as others know it: by it a file that has come back older than it was is known (docs/decisions/024-older-copies.md). */
export interface Marking {
  readonly epoch: string;
  /** Random id of this opening. */
  readonly life: string;
  /** The file was made by this opening: nobody can know more of it. */
  readonly isNew: boolean;
  /** Rows through this number may become known; returns the highest of this life, over all destinations. */
  reach(through: number): number;
}
/** What is kept outside this device: in that life rows through `through` were stored, and may be known. */
export interface Mark extends Pick<Marking, "epoch" | "life"> {
  readonly through: number;
}
export interface Heard {
  /** Believed: this buffer is at its end. */
  readonly isOlder: boolean;
  /** What a person should know of a mark that says so and is not believed. */
  readonly doubt: string | null;
}

/** Rows that a destination refused for good, or that could not be read: one contiguous range. */
export interface DeadLetter {
  readonly destination: string;
  readonly fromSeq: number;
  /** Inclusive. */
  readonly toSeq: number;
  readonly reason: string;
  readonly at: UnixMs;
}

/** Rows given up or refused, of those learned on one day of the site. */
export interface DroppedCount {
  readonly destination: string;
  /** Null: of rows that are gone nobody can tell whose they were. */
  readonly machine: string | null;
  readonly cause: Body<"loss">["reason"];
  readonly count: number;
}

export interface DestinationBacklog {
  readonly name: string;
  /** Number of the last row due to it; 0 for none. */
  readonly lastDue: number;
  /** Due and neither acknowledged nor refused nor given up. */
  readonly waiting: number;
  readonly acknowledged: number;
  readonly rejected: number;
  /** Of those, what still lies among the dead letters: neither sent again nor forgotten by hand. */
  readonly dead: number;
  /** Given up unsent or unconfirmed for want of room; loss records name them. */
  readonly lost: number;
  /** The bridge holds everything due through this number; null while it has never said so in this epoch. */
  readonly confirmedThrough: number | null;
  /** From now on a row given up unconfirmed is a loss. */
  readonly isConfirming: boolean;
  /** Rows asked for again and not yet sent again. */
  readonly replaying: number;
  /** When the oldest waiting row was learned; null when none waits. */
  readonly oldestWaitingAt: UnixMs | null;
}

/** Whether the disk takes what it is given. Only `ok` is good; `message` says what to do. */
export type StoreCondition =
  | { readonly state: "ok" }
  | { readonly state: "degraded"; readonly fault: StoreFault; readonly since: UnixMs; readonly message: string; readonly heldRecords: number; readonly heldBytes: number };

/** What is written to the medium, measured, and what that leaves of the card (`buffer.card`). */
export interface Wear {
  readonly bytesPerDay: number;
  readonly syncsPerDay: number;
  /** Over which span it was measured: a day at most, since the start at most. */
  readonly overMs: number;
  /** `process`: as the system counts all that this process writes; `buffer`: pages of the buffer, where it does not. */
  readonly by: "process" | "buffer";
  /** How long the card lasts at this rate; null without `buffer.card`, or when nothing is written. */
  readonly cardYears: number | null;
  /** Most that may be written a day for the card to last as long as it should; null without `buffer.card`. */
  readonly allowedBytesPerDay: number | null;
  /** How long records of low value wait at present to be written together, to stay inside it. */
  readonly patienceMs: number;
  /** In words, when a day's average is more than the card allows; else null. */
  readonly alarm: string | null;
}

export interface OutboxStatus {
  readonly epoch: string;
  readonly lastSeq: number;
  readonly syncedSeq: number;
  /** Database and log on the disk. */
  readonly bytes: number;
  /** Most the database may take. */
  readonly budgetBytes: number;
  /** Free on that file system; null when the system does not say. */
  readonly freeBytes: number | null;
  readonly destinations: readonly DestinationBacklog[];
  /** Damage found and not yet dealt with, in words; null when there is none. */
  readonly fault: string | null;
  readonly condition: StoreCondition;
  /** Absent: not measured yet, or read from outside the agent. */
  readonly wear?: Wear;
}

export interface Outbox {
  /** Random id of this buffer file: (epoch, seq) names a row for ever. */
  readonly epoch: string;
  /**
   * Resolves when the file had to be set aside while running and a new one, with its own epoch, stands in its place: this
   * outbox then refuses everything (`StoreError`, fault `replaced`) and is to be closed and opened again.
   */
  readonly replaced: Promise<StoreError>;
  /** Null: there is no file that could come back older. */
  readonly marking: Marking | null;
  /**
   * A mark was found. One of another life that is beyond what the file held when it was opened says that it is an older
   * copy: then nothing more is given out, and it is replaced as for damage (`replaced`). What it says is a stranger's
   * word: believed three times a day.
   */
  heard(mark: Mark): Heard;
  checkpoint(key: string): string | null;
  /**
   * Resolves with the number of its last row (or of the last before it, when it had none) once synced to disk; never
   * earlier. While the disk takes nothing it waits in memory, within a bound, and rejects beyond it (`StoreError`).
   */
  commit(commit: Commit): Promise<number>;
  /** What waits: oldest first, synced rows only, after `after` (0: from the destination's cursor on). For who looks. */
  pending(destination: string, after: number, limit: number): readonly StoredRecord[];
  /**
   * What of it may leave now: that it may have been sent is on the disk already. The rest may within a sync or two, and
   * `arrival` then wakes who waits; while the disk takes nothing all may.
   */
  sendable(destination: string, after: number, limit: number): readonly StoredRecord[];
  /** A sendable row leaves now. True when it may have been sent before, by this process or an earlier one: then it says so. Never throws. */
  sending(destination: string, seq: number): boolean;
  /** Rows asked for again, and loss records it refused and that are offered: oldest first, after `after`. They are settled like others, and then no longer come. */
  replaying(destination: string, after: number, limit: number): readonly StoredRecord[];
  /**
   * A loss record that was refused names what the destination will never know of otherwise: it is never dead, and waits.
   * From now on `replaying` hands those out, each until it is taken or refused once more. Survives a restart.
   */
  offerRefused(destination: string): void;
  settle(destination: string, outcome: Outcome): void;
  /** The bridge has stored everything due to it through `through`. Idempotent; never moves back. */
  confirm(destination: string, epoch: string, through: number): Answer;
  /** Rows `from` to `to` (inclusive), as far as they are still kept and due to it, are to be sent again. Survives a restart. */
  replay(destination: string, epoch: string, from: number, to: number): Answer;
  /** At most `limit` of them, oldest first. */
  deadLetters(limit: number): readonly DeadLetter[];
  /** Sends a range of dead letters again; the loss record that named it is voided. */
  release(destination: string, fromSeq: number): Answer;
  /** Forgets a range of dead letters for good; its loss record stands. */
  purge(destination: string, fromSeq: number): Answer;
  /**
   * Resolves when there is something synced after `after`, or at the moment rows are asked for again, or more may leave (a
   * wake-up: those may be others', or under way already, so it does not resolve for them a second time); rejects when the
   * signal aborts.
   */
  arrival(after: number, signal: AbortSignal): Promise<void>;
  /** What was dropped of the records learned on `day` (YYYY-MM-DD in the site's zone), loss records and receipts left out. Kept for 30 days. */
  dropped(day: string): readonly DroppedCount[];
  /** The ledger itself, after `after`, oldest first; what is gone or unreadable is left out. */
  history(after: number, limit: number): readonly LedgerRow[];
  status(): OutboxStatus;
  /** Of `status`, without what that costs: asked before every wait. */
  condition(): StoreCondition;
  /** Likewise: asked several times a second. Never throws. */
  fault(): string | null;
  /** `syncedSeq` of `status`, likewise: asked at every arrival. Never throws. */
  synced(): number;
  /** Commits and syncs what is in hand, then closes. Idempotent. */
  close(): Promise<void>;
}
