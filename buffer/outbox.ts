/**
 * The outbox: records and the checkpoint that produced them in one SQLite transaction, numbered without holes, kept
 * until every destination is done with them. `commit` resolves when its rows are synced to the medium, never earlier,
 * and no sync for it runs in the event loop (buffer/log-sync.ts).
 * A lone commit is written at once; under load all machines share one transaction per `groupMs`. A power cut takes what
 * was not yet reported stored, at most `groupMs` and one sync; a kill the same. The caller bounds what is in flight by
 * waiting for its commits.
 * A failed transaction or sync rejects the commits in it and leaves the outbox usable: trying the same commits again is
 * safe, because a record's id and revision name the fact, not the row. Later commits of the same checkpoint are refused
 * until it has been read again: they would otherwise move the position past records that were not stored.
 */
import { InvariantError } from "../agent/contract/errors.ts";
import type { Commit, Outbox } from "../agent/contract/outbox.ts";
import type { LogFields } from "../agent/contract/ports.ts";
import { isUuid } from "./checksum.ts";
import type { PreparedRow } from "./ledger.ts";
import type { StoreOptions } from "./options.ts";
import { openStore } from "./open-store.ts";
import type { Store } from "./store.ts";
import { Waiting } from "./waiting.ts";
import { faultOf, faulty } from "./store-error.ts";

export interface OutboxOptions extends StoreOptions {
  /** Longest time commits are held to share a transaction under load; 0: never held. */
  readonly groupMs?: number;
}

const GROUP_MS = 20;
/** A group is written before its time when it holds this many: bounds memory and the length of one transaction. */
const GROUP_ROWS = 500;
const GROUP_BYTES = 1024 * 1024;
/** How long an acknowledgement may wait for a commit to ride with before the cursors are written alone. */
const CURSOR_MS = 250;

export interface Queued {
  readonly rows: readonly PreparedRow[];
  readonly checkpoint: Commit["checkpoint"];
  /** Number of its last row, once written. */
  last: number;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Opens, and makes it if need be, the buffer in `dataDir`. Blocks for the few milliseconds it takes, whatever the
 * backlog. `options.clock` must be real time (`ports.network`), not a demo's. Throws StoreError: locked, newer-version,
 * read-only, full, io. A damaged file is set aside instead (buffer/quarantine.ts).
 */
export function openOutbox(options: OutboxOptions): Outbox {
  return new SqliteOutbox(options);
}

class SqliteOutbox implements Outbox {
  readonly #store: Store;
  readonly #options: OutboxOptions;
  readonly #groupMs: number;
  readonly #waiting = new Waiting();
  #queue: Queued[] = [];
  #queuedRows = 0;
  #queuedBytes = 0;
  /** Written to the log, not yet covered by a sync. */
  #written: Queued[] = [];
  #isSyncing = false;
  #cancelWrite: (() => void) | null = null;
  #isWriteDue = false;
  #cancelCursors: (() => void) | null = null;
  #lastWriteMs = -Infinity;
  #closing: Promise<void> | null = null;
  readonly #idle: (() => void)[] = [];
  /** Keys of checkpoints whose last commit failed; bounded by the machines. */
  readonly #failed = new Set<string>();

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#groupMs = options.groupMs ?? GROUP_MS;
    this.#store = openStore(options);
  }

  get epoch(): string { return this.#store.epoch; }

  checkpoint(key: string): string | null {
    this.#assertOpen();
    if (this.#store.needsReopen && !this.#isSyncing) this.#store.reopen(); // What is read must be what is on the medium.
    const checkpoint = this.#store.checkpoint(key);
    this.#failed.delete(key);
    return checkpoint;
  }

  commit(commit: Commit): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#assertOpen();
      if (commit.checkpoint !== null && this.#failed.has(commit.checkpoint.key)) {
        reject(faulty("io", `a commit of ${commit.checkpoint.key} failed before this one: its checkpoint must be read again first`));
        return;
      }
      const rows = commit.records.map((record): PreparedRow => prepare(commit, record));
      this.#queue.push({ rows, checkpoint: commit.checkpoint, last: 0, resolve, reject });
      this.#queuedRows += rows.length;
      this.#queuedBytes += rows.reduce((sum, { body }) => sum + body.length, commit.checkpoint?.json.length ?? 0);
      this.#scheduleWrite();
    });
  }

  pending(destination: string, after: number, limit: number): ReturnType<Outbox["pending"]> {
    this.#assertOpen();
    const rows = this.#store.pending(destination, after, limit);
    if (this.#store.hasRefusals) this.#scheduleWrite(); // Unreadable rows were found: say so on disk.
    return rows;
  }

  settle(destination: string, outcome: Parameters<Outbox["settle"]>[1]): void {
    this.#assertOpen();
    this.#store.settle(destination, outcome);
    if (this.#store.hasRefusals) this.#scheduleWrite();
    else if (this.#cancelCursors === null && this.#store.hasMovedCursors) {
      this.#cancelCursors = this.#options.clock.after(CURSOR_MS, () => {
        this.#cancelCursors = null;
        if (this.#closing === null && this.#store.hasMovedCursors) this.#write();
      });
    }
  }

  arrival(after: number, signal: AbortSignal): Promise<void> {
    if (this.#closing !== null) return Promise.reject(this.#closedError());
    return this.#waiting.until(after, this.#store.syncedSeq, signal);
  }

  status(): ReturnType<Outbox["status"]> {
    this.#assertOpen();
    return this.#store.status();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelWrite?.();
    this.#cancelCursors?.();
    try {
      while (this.#isSyncing) await new Promise<void>((resolve) => this.#idle.push(resolve));
      if (this.#queue.length > 0 || this.#store.hasMovedCursors || this.#store.hasRefusals) this.#write();
      while (this.#isSyncing) await new Promise<void>((resolve) => this.#idle.push(resolve));
    } finally {
      this.#waiting.end(this.#closedError());
      this.#store.close();
    }
  }

  #scheduleWrite(): void {
    if (this.#queuedRows >= GROUP_ROWS || this.#queuedBytes >= GROUP_BYTES) return this.#writeSoon();
    if (this.#isWriteDue || this.#cancelWrite !== null) return;
    const wait = this.#lastWriteMs + this.#groupMs - this.#options.clock.now().monoMs;
    if (wait <= 0) this.#writeSoon();
    else this.#cancelWrite = this.#writeAfter(wait);
  }
  /** A sleep, not a timer of `clock.after`: a commit in hand keeps the process alive. */
  #writeAfter(wait: number): () => void {
    const cancel = new AbortController();
    this.#options.clock.sleep(wait, cancel.signal).then(
      () => {
        this.#cancelWrite = null;
        this.#write();
      },
      () => undefined, // Cancelled: it was written before its time, or the outbox closed.
    ).catch((cause: unknown) => {
      this.#options.log.error(describe(cause), "the buffer failed outside a commit");
    });
    return () => {
      cancel.abort();
    };
  }
  /** After what runs now, so that commits made together are written together. */
  #writeSoon(): void {
    if (this.#isWriteDue) return;
    this.#isWriteDue = true;
    queueMicrotask(() => {
      this.#isWriteDue = false;
      if (this.#closing === null) this.#write();
    });
  }

  #write(): void {
    this.#cancelWrite?.();
    this.#cancelWrite = null;
    if (this.#isSyncing && this.#store.needsReopen) return; // The connection cannot change under a sync: written when that ends.
    this.#cancelCursors?.();
    this.#cancelCursors = null;
    const group = this.#queue;
    this.#queue = [];
    this.#queuedRows = 0;
    this.#queuedBytes = 0;
    this.#lastWriteMs = this.#options.clock.now().monoMs;
    try {
      this.#writeGroup(group);
      for (const queued of group) this.#written.push(queued);
      this.#sync();
    } catch (cause) {
      this.#fail(group, this.#store.fail(cause, "cannot write to the buffer"));
    }
  }

  #writeGroup(group: readonly Queued[]): void {
    try {
      this.#store.write(group);
    } catch (cause) {
      if (faultOf(cause) !== "full" || !this.#store.makeRoom()) throw cause;
      this.#store.write(group); // Once: what is still too much then is the caller's to try again.
    }
  }

  /** One in flight; it covers everything written before it began. */
  #sync(): void {
    if (this.#isSyncing) return;
    const covered = this.#written;
    this.#written = [];
    if (!this.#store.isUnsynced) return this.#report(covered); // Nothing of them is new on the disk.
    this.#isSyncing = true;
    this.#store.sync().then(
      () => {
        this.#report(covered);
      },
      (cause: unknown) => {
        const error = this.#store.fail(cause, "cannot sync the buffer");
        // What was written after the sync began stands on the same log: nothing of it can be trusted either.
        this.#fail([...covered, ...this.#written], error);
        this.#written = [];
      },
    ).finally(() => {
      this.#isSyncing = false;
      if (this.#queue.length > 0 && this.#store.needsReopen && this.#closing === null) this.#write();
      if (!this.#store.needsReopen) this.#sync();
      if (this.#isSyncing) return;
      this.#tidy();
      for (const resume of this.#idle.splice(0)) resume();
    }).catch((cause: unknown) => {
      this.#options.log.error(describe(cause), "the buffer failed outside a commit");
    });
  }
  /** What follows a failed commit of the same checkpoint stands on it: refused too, until the checkpoint has been read again. */
  #fail(group: readonly Queued[], error: Error): void {
    for (const { checkpoint } of group) if (checkpoint !== null) this.#failed.add(checkpoint.key);
    const behind = this.#queue.filter(({ checkpoint }) => checkpoint !== null && this.#failed.has(checkpoint.key));
    this.#queue = this.#queue.filter((queued) => !behind.includes(queued));
    for (const { reject } of [...group, ...behind]) reject(error);
  }
  #report(stored: readonly Queued[]): void {
    for (const { resolve, last } of stored) resolve(last);
    this.#waiting.reached(this.#store.syncedSeq);
  }

  #tidy(): void {
    if (this.#closing !== null) return;
    try {
      this.#store.tidy(this.#queue.length === 0 || (this.#cancelWrite !== null && !this.#isWriteDue));
    } catch (cause) {
      this.#store.fail(cause, "cannot tidy the buffer");
    }
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw this.#closedError();
  }
  #closedError(): Error {
    return faulty("closed", `the buffer in ${this.#options.dataDir} is closed`);
  }
}

function prepare({ machine, context, observedAt, late }: Commit, record: Commit["records"][number]): PreparedRow {
  const { type, id, rev, start, body } = record;
  if (!isUuid(id)) throw new InvariantError(`a ${type} record of ${machine ?? "the agent"} has an id that is no UUID: ${id}`);
  if (!Number.isSafeInteger(rev) || rev < 1 || !Number.isSafeInteger(start) || !Number.isSafeInteger(observedAt))
    throw new InvariantError(`the ${type} record ${id} has numbers that are not whole: rev ${rev}, start ${start}, observedAt ${observedAt}`);
  return { machine, context, type, id, rev, start, observedAt, late: late ?? false, body: JSON.stringify(body) };
}

const describe = (cause: unknown): LogFields => ({ error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) });
