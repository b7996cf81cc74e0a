/**
 * One machine's side of the buffer: its checkpoint and its hole are read at start, and written with the records that
 * belong to them in one transaction. Knows how far first revisions have been promised to be complete (design.md §5.3).
 * At most COMMITS_IN_FLIGHT commits wait for a disk that works; then the source is made to wait. One that takes nothing:
 * as many as the buffer holds.
 */
import { StoreError } from "../../contract/errors.ts";
import type { Outbox, OutboxStatus } from "../../contract/outbox.ts";
import type { Ports } from "../../contract/ports.ts";
import type { NewRecord } from "../../contract/record.ts";
import type { UnixMs } from "../../contract/time.ts";
import { decodeCheckpoint, decodeHole, encodeCheckpoint, encodeHole, tallyIn, type Saved } from "./checkpoint.ts";
import type { DayBook, Place } from "../account/day-book.ts";
import { clockDoubt } from "../time/dating.ts";
import { areLate, isNone, later, NO_HOLE, type Hole } from "./hole.ts";

/** What a machine needs of the outbox. */
export interface Ledger extends Pick<Outbox, "epoch" | "checkpoint" | "commit" | "condition"> {
  status(): Pick<OutboxStatus, "lastSeq">;
}

export interface StoreParts {
  readonly machine: string;
  /** JSON of the machine's RecordContext. */
  readonly context: string;
  readonly detectorVersion: number;
  readonly outbox: Ledger;
  readonly ports: Ports;
  readonly book: DayBook;
  /** Records that are on the disk now. */
  onStored(records: readonly NewRecord[]): void;
}
export interface Stored<State> {
  /** Null: there is none, or none that can be used. */
  readonly saved: Saved<State> | null;
  readonly hole: Hole<State>;
}
/** What a commit is told beside what it stores. */
export interface Circumstances {
  /** These records came while the hole was being served, though it may end with them. */
  readonly served: boolean;
  /** It may wait for others to be written with: nothing but a position that was reached. */
  readonly isPatient: boolean;
  /** How far first revisions had been promised to be complete before, by this run or the one before it. */
  readonly promised: UnixMs | null;
}
export interface Entry<State> extends Stored<State>, Circumstances {
  readonly saved: Saved<State>;
  readonly records: readonly NewRecord[];
  /** `completeThrough` once they are stored. */
  readonly through: UnixMs | null;
}

const COMMITS_IN_FLIGHT = 16;
/** A position alone is not worth a write of its own: a kill before it repeats that much reading. */
const PATIENCE_MS = 10_000;

export class MachineStore<State> {
  readonly #parts: StoreParts;
  readonly #key: string;
  readonly #inFlight = new Set<Promise<void>>();
  /** As it is in the buffer, or on its way there. */
  #hole: Hole<State> = NO_HOLE;
  #lastSeq: number;
  #lastCommitMono: number;
  #failure: unknown = null;
  /** A checkpoint of this machine is in the buffer, or on its way there. */
  exists = false;
  /**
   * Through which event time, and which row, this machine's first revisions are complete: never beyond the checkpoint on
   * the disk, since a start after a kill knows no more than that.
   */
  complete: { readonly time: UnixMs; readonly seq: number } | null = null;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#key = `machine/${parts.machine}`;
    this.#lastCommitMono = parts.ports.network.now().monoMs;
    // What an earlier run stored may not have reached a bridge yet: whoever holds less than that is promised nothing.
    this.#lastSeq = parts.outbox.status().lastSeq;
  }

  get hasFailed(): boolean { return this.#failure !== null; }
  get sinceCommitMs(): number { return this.#parts.ports.network.now().monoMs - this.#lastCommitMono; }

  load(): Stored<State> {
    const { outbox, detectorVersion, book, ports: { log } } = this.#parts;
    const json = outbox.checkpoint(this.#key);
    const found = decodeCheckpoint<State>(json, detectorVersion);
    book.load({ tally: tallyIn(json), book: outbox.checkpoint(book.key), late: found.found === "usable" ? found.state.stamp.late : 0 }, this.#place);
    const kept = decodeHole<State>(outbox.checkpoint(this.#holeKey), detectorVersion);
    this.exists = found.found !== "none";
    this.#hole = kept.found === "usable" ? kept.hole : NO_HOLE;
    this.#failure = null;
    if (found.found === "unusable") log.error({ reason: found.reason }, "the saved position cannot be used: reading starts anew, and the span between is unknown");
    else if (kept.found === "unusable") log.error({ reason: kept.reason }, "what was kept of a hole cannot be used: it stays a gap");
    return found.found === "usable" ? { saved: found, hole: this.#hole } : { saved: null, hole: NO_HOLE };
  }

  /** `load` again, or null while the disk gives nothing. */
  reload(): Stored<State> | null {
    try {
      return this.load();
    } catch (cause) {
      if (cause instanceof StoreError) return null;
      throw cause;
    }
  }

  commit({ saved, hole, records, through, served, promised, isPatient }: Entry<State>): void {
    const { machine, context, detectorVersion, outbox, ports, book } = this.#parts;
    const observedAt = ports.clock.now().unixMs;
    const { tally, also } = book.count({ at: observedAt, records, late: saved.state.stamp.late, ...this.#place });
    const clock = clockDoubt(saved.state.stamp, records);
    const holes = hole === this.#hole ? [] : [{ key: this.#holeKey, json: isNone(hole) ? null : encodeHole(hole, detectorVersion) }];
    this.exists = true;
    this.#hole = hole;
    this.#lastCommitMono = ports.network.now().monoMs;
    const done: Promise<void> = outbox.commit({
      machine, context, records, observedAt, late: areLate(records, later(this.complete?.time ?? null, promised), served),
      checkpoint: { key: this.#key, json: encodeCheckpoint(saved, tally, detectorVersion) },
      alsoCheckpoints: [...also, ...holes],
      ...(isPatient && { patienceMs: PATIENCE_MS }),
      ...(clock !== null && { clock }),
    }).then((seq) => {
      if (records.length > 0) {
        this.#lastSeq = seq;
        book.stored(tally.day, seq, records.length);
      }
      this.#announce(through);
      this.#parts.onStored(records);
    }, (cause: unknown) => {
      this.#failure ??= cause;
    }).finally(() => {
      this.#inFlight.delete(done);
    });
    this.#inFlight.add(done);
  }

  #announce(through: UnixMs | null): void {
    if (through !== null && (this.complete === null || through >= this.complete.time)) this.complete = { time: through, seq: this.#lastSeq };
  }

  /** Waits until another commit may be made; `alone`: until none is on its way. While the disk takes nothing the buffer holds them and sets the bound. */
  async room(alone: boolean): Promise<void> {
    while ((this.#inFlight.size >= COMMITS_IN_FLIGHT && !this.#isHeld) || (alone && this.#inFlight.size > 0)) await Promise.race(this.#inFlight);
  }

  async settle(): Promise<void> {
    await Promise.allSettled(this.#inFlight);
  }

  /** Null when all is well; else why a commit failed, once nothing is on its way any more. Stands until `load`. */
  async failure(): Promise<Error | null> {
    if (this.#failure === null) return null;
    await this.settle();
    return this.#failure instanceof Error ? this.#failure : new Error("the buffer failed", { cause: this.#failure });
  }

  get #isHeld(): boolean { return this.#parts.outbox.condition().state === "degraded"; }
  /** From where on what is committed now will lie. */
  get #place(): Place { return { epoch: this.#parts.outbox.epoch, lastSeq: this.#lastSeq }; }
  get #holeKey(): string { return `${this.#key}/hole`; }
}

