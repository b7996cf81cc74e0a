/**
 * Commits that are not yet reported stored, in the order they were made: those waiting for their transaction, and, while
 * the disk takes nothing, all that were ever written without a sync to cover them. Within a bound: beyond it the agent
 * reads no further, and what the source still has is read later.
 */
import type { Checkpoint } from "../../agent/contract/outbox.ts";
import type { PreparedRow } from "../ledger/ledger.ts";

/** A cell's quarter of an hour at 10 records a second: a disk that is back by then has cost nothing. */
export const HOLD_ROWS = 10_000;
/** What memory may go to it: an eighth of the 64 MB the agent is held to. */
export const HOLD_BYTES = 8 * 1024 * 1024;
/** One transaction: long enough to be cheap, short enough that none waits long for it. */
const SLICE_ROWS = 2_000;
const SLICE_BYTES = 4 * 1024 * 1024;

export interface Queued {
  readonly rows: readonly PreparedRow[];
  checkpoint: Checkpoint | null;
  alsoCheckpoints: readonly Checkpoint[];
  bytes: number;
  /** Until when it may wait for others to share its transaction; of the clock since boot. */
  readonly dueMs: number;
  /** Number of its last row, once written. */
  last: number;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: Error) => void;
}
export const checkpointsOf = ({ checkpoint, alsoCheckpoints }: Pick<Queued, "checkpoint" | "alsoCheckpoints">): readonly Checkpoint[] =>
  (checkpoint === null ? alsoCheckpoints : [checkpoint, ...alsoCheckpoints]);

export const rowsOf = (commits: readonly Pick<Queued, "rows">[]): number => commits.reduce((sum, { rows }) => sum + rows.length, 0);
/** A commit without rows takes a place too. */
export const placesOf = (commits: readonly Pick<Queued, "rows">[]): number => commits.reduce((sum, { rows }) => sum + Math.max(1, rows.length), 0);
export const bytesOf = (commits: readonly Queued[]): number => commits.reduce((sum, { bytes }) => sum + bytes, 0);

/** The newest checkpoint of `key` among commits, oldest first; undefined when none of them carries one. */
export function newestCheckpoint(commits: readonly Queued[], key: string): string | null | undefined {
  for (const queued of commits.toReversed()) {
    const found = checkpointsOf(queued).findLast((checkpoint) => checkpoint.key === key);
    if (found) return found.json;
  }
  return undefined;
}

export class CommitQueue {
  #list: Queued[] = [];
  rows = 0;
  bytes = 0;
  /** When the first of them must be written; Infinity while there is none. */
  dueMs = Infinity;

  /** How many of them are of one machine, at most. */
  mostOfOne = 0;
  readonly #ofOne = new Map<string, number>();

  get isEmpty(): boolean { return this.#list.length === 0; }
  get all(): readonly Queued[] { return this.#list; }

  add(queued: Queued): void {
    this.#list.push(queued);
    this.rows += queued.rows.length;
    this.bytes += queued.bytes;
    this.dueMs = Math.min(this.dueMs, queued.dueMs);
    this.#countOne(queued);
  }
  /** Of commits without rows only the newest position matters: what an idle machine says while the disk is away takes no memory. */
  supersede(keys: ReadonlySet<string>): void {
    for (const queued of this.#list) {
      if (queued.rows.length > 0 || !checkpointsOf(queued).every(({ key }) => keys.has(key))) continue;
      this.bytes -= queued.bytes;
      Object.assign(queued, { checkpoint: null, alsoCheckpoints: [], bytes: 0 });
    }
  }
  /** Before all others: they were taken from there. */
  putBack(taken: readonly Queued[]): void {
    this.#keep([...taken, ...this.#list]);
  }
  /** The next transaction's commits: at least one, if there is one. */
  take(): readonly Queued[] {
    let [count, rows, bytes] = [0, 0, 0];
    for (const queued of this.#list) {
      if (count > 0 && (rows + queued.rows.length > SLICE_ROWS || bytes + queued.bytes > SLICE_BYTES)) break;
      count++;
      rows += queued.rows.length;
      bytes += queued.bytes;
    }
    return this.#takeFirst(count);
  }
  /**
   * Commits that are in the file although their sync failed. `unsynced` are the rows found there beyond the last sync, in
   * order. Transactions survive whole and in order, so what comes before a commit whose rows are there is there too.
   */
  takeSurvivors(unsynced: readonly Pick<PreparedRow, "id" | "rev">[]): readonly Queued[] {
    const found = new Set(unsynced.map(({ id, rev }) => `${id}:${rev}`));
    const last = this.#list.findLastIndex(({ rows }) => rows.length > 0 && rows.every(({ id, rev }) => found.has(`${id}:${rev}`)));
    return this.#takeFirst(last + 1);
  }
  /** Those that stand on a failed checkpoint. */
  takeOf(keys: ReadonlySet<string>): readonly Queued[] {
    const standsOn = (queued: Queued): boolean => checkpointsOf(queued).some(({ key }) => keys.has(key));
    const taken = this.#list.filter(standsOn);
    if (taken.length > 0) this.#keep(this.#list.filter((queued) => !standsOn(queued)));
    return taken;
  }
  takeAll(): readonly Queued[] {
    return this.#takeFirst(this.#list.length);
  }

  #takeFirst(count: number): readonly Queued[] {
    const taken = this.#list.slice(0, count);
    this.#keep(this.#list.slice(count));
    return taken;
  }
  #keep(list: Queued[]): void {
    this.#list = list;
    this.rows = rowsOf(list);
    this.bytes = bytesOf(list);
    this.dueMs = list.reduce((due, { dueMs }) => Math.min(due, dueMs), Infinity);
    this.mostOfOne = 0;
    this.#ofOne.clear();
    for (const queued of list) this.#countOne(queued);
  }
  #countOne({ checkpoint }: Queued): void {
    const key = checkpoint?.key ?? "";
    const count = (this.#ofOne.get(key) ?? 0) + 1;
    this.#ofOne.set(key, count);
    this.mostOfOne = Math.max(this.mostOfOne, count);
  }
}
