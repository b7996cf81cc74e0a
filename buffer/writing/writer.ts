/**
 * When things are written, synced and reported, and what happens while the disk takes nothing.
 *
 *   commit ─► queue ─ transaction ─► written ─ sync ─► reported          any failure of the disk ─► trouble
 *
 * In trouble nothing more is written: all that is not reported goes back into the queue, in order, and waits in memory
 * within a bound (buffer/writing/held.ts) while the disk is tried again. Each try: write the log over itself and sync it, close,
 * open, verify the newest rows, take what survived as written, write the rest from memory, sync. Nothing is reported
 * before that sync has returned. A damaged or displaced file is replaced instead (buffer/damage/quarantine.ts).
 */
import { InvariantError, StoreError } from "../../agent/contract/errors.ts";
import type { StoreCondition } from "../../agent/contract/outbox.ts";
import { bytesOf, checkpointsOf, CommitQueue, HOLD_BYTES, HOLD_ROWS, newestCheckpoint, placesOf, rowsOf, type Queued } from "./held.ts";
import type { StoreOptions } from "../options.ts";
import type { Store } from "../store.ts";
import { faultOf, faulty, isOfTheDisk } from "../store-error.ts";
import { Trouble } from "./trouble.ts";
import { describe, WriteTimer } from "./write-timer.ts";

/** A group is written before its time when it holds this many: bounds memory and the length of one transaction. */
const GROUP_ROWS = 500;
const GROUP_BYTES = 1024 * 1024;
/** Patient commits wait until there are this many of one machine: half of what it may have under way, so that none is held up by it. */
const PATIENT_COMMITS = 8;
/** Under load there is always a next sync: after so many the log is looked after all the same. */
const TIDY_LATEST_SYNCS = 20;

export interface WriterEvents {
  /** Rows up to the store's `syncedSeq` may be read. */
  synced(): void;
  /** A sync has returned. */
  reachedMedium(): void;
  /** The disk fails. */
  failed(): void;
  /** The store works again: what could not be read before can be. */
  recovered(): void;
  /** A new file stands in the place of the old one. */
  replaced(error: StoreError): void;
}

export class Writer {
  readonly #store: Store;
  readonly #options: StoreOptions;
  readonly #timer: WriteTimer;
  readonly #events: WriterEvents;
  readonly #queue = new CommitQueue();
  /** Written to the log, not yet covered by a sync. */
  #written: readonly Queued[] = [];
  /** Under the sync in flight. */
  #covered: readonly Queued[] = [];
  #trouble: Trouble | null = null;
  #isSyncing = false;
  /** Syncs that followed each other without a pause. */
  #busySyncs = 0;
  #isRecovering = false;
  #isClosing = false;
  readonly #idle: (() => void)[] = [];
  /** Keys of checkpoints whose last commit was refused; bounded by the machines. */
  readonly #refused = new Set<string>();

  constructor(store: Store, options: StoreOptions, groupMs: number, events: WriterEvents) {
    this.#store = store;
    this.#options = options;
    this.#timer = new WriteTimer(options, groupMs, () => this.#write());
    this.#events = events;
  }

  get isInTrouble(): boolean { return this.#trouble !== null; }
  /** Takes it, or throws why not. */
  add(queued: Queued): void {
    const keys = checkpointsOf(queued).map(({ key }) => key);
    const refused = keys.find((key) => this.#refused.has(key));
    if (refused !== undefined) throw faulty("io", `a commit of ${refused} failed before this one: its checkpoint must be read again first`);
    if (this.#trouble !== null) {
      this.#queue.supersede(new Set(keys));
      this.#assertRoom(queued, this.#trouble.error);
    }
    this.#queue.add(queued);
    this.schedule();
  }
  /** The checkpoint as the next commit will find it; undefined when memory holds none newer than the disk's. */
  heldCheckpoint(key: string): string | null | undefined {
    this.#refused.delete(key);
    return newestCheckpoint(this.#unreported(), key);
  }
  condition(): StoreCondition {
    if (this.#trouble === null) return { state: "ok" };
    const { since, error: { fault, message } } = this.#trouble;
    const held = this.#unreported();
    return { state: "degraded", fault, since, message, heldRecords: rowsOf(held), heldBytes: bytesOf(held) };
  }

  /** Something is to be written. */
  schedule(): void {
    if (this.#trouble !== null) return;
    if (this.#queue.rows >= GROUP_ROWS || this.#queue.bytes >= GROUP_BYTES) return this.#timer.soon();
    // Whoever may not wait takes those that may along.
    const isPatient = !this.#queue.isEmpty && this.#queue.mostOfOne < PATIENT_COMMITS && !this.#store.hasRefusals && !this.#store.isUnsynced;
    this.#timer.by(isPatient ? this.#queue.dueMs : -Infinity);
  }
  /** Cursors may have moved, by some `rows` (default: what should not be lost). */
  scheduleCursors(rows?: number): void {
    if (this.#store.hasMovedCursors) this.#timer.cursors(rows);
  }

  /** The disk failed outside a write of ours: a read, say. */
  notice(cause: unknown, what: string): void {
    this.#fail(cause, what);
  }

  /** Writes and syncs what is in hand; what the disk does not take by now is rejected. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#timer.end();
    this.#trouble?.end();
    await this.#settled();
    if (this.#trouble !== null) await this.#recover();
    else if (!this.#queue.isEmpty || this.#store.hasMovedCursors || this.#store.hasRefusals) this.#write();
    await this.#settled();
    const left = this.#unreported();
    if (left.length === 0) return;
    const error = this.#trouble?.error ?? faulty("closed", "the buffer was closed");
    this.#options.log.error({ records: rowsOf(left), error: error.message }, "the buffer closes with records that the disk did not take: they are read again from the source, as far as it still has them");
    this.#rejectAll(error);
  }

  /** In the order in which they were made. */
  #unreported(): readonly Queued[] {
    return this.#covered.length + this.#written.length === 0 ? this.#queue.all : [...this.#covered, ...this.#written, ...this.#queue.all];
  }
  async #settled(): Promise<void> {
    while (this.#isSyncing || this.#isRecovering) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #assertRoom({ rows, bytes, checkpoint, alsoCheckpoints }: Queued, { fault, message }: StoreError): void {
    const held = this.#unreported();
    if (placesOf(held) + placesOf([{ rows }]) <= HOLD_ROWS && bytesOf(held) + bytes <= HOLD_BYTES) return;
    for (const { key } of checkpointsOf({ checkpoint, alsoCheckpoints })) this.#refused.add(key);
    throw new StoreError(fault, `${rowsOf(held)} records wait in memory and no more are taken: ${message}`);
  }

  #write(): void {
    if (this.#trouble !== null) return;
    try {
      this.#writeAll();
    } catch (cause) {
      return this.#fail(cause, "cannot write to the buffer");
    }
    this.#sync();
  }
  /** Throws what the disk says. A commit that cannot be written for another reason is rejected, and what stands on it. */
  #writeAll(): void {
    this.#timer.began();
    do {
      const group = this.#queue.take();
      try {
        this.#withRoom(() => this.#store.write(group));
      } catch (cause) {
        if (isOfTheDisk(cause)) {
          this.#queue.putBack(group);
          throw cause;
        }
        this.#options.log.error(describe(cause), "records that cannot be written are refused: please report this");
        this.#refuse(group, cause instanceof InvariantError ? cause : new InvariantError(`records could not be written: ${String(cause)}`, { cause }));
        continue;
      }
      this.#written = this.#written.length === 0 ? group : [...this.#written, ...group];
      this.#withRoom(() => this.#store.keepRoom());
    } while (!this.#queue.isEmpty);
  }
  /** What finds the disk full is done once more where room can be made; what is still too much then waits. */
  #withRoom(write: () => void): void {
    try {
      write();
    } catch (cause) {
      if (faultOf(cause) !== "full" || !this.#store.makeRoom()) throw cause;
      write();
    }
  }
  #refuse(group: readonly Queued[], error: Error): void {
    for (const queued of group) for (const { key } of checkpointsOf(queued)) this.#refused.add(key);
    for (const { reject } of [...group, ...this.#queue.takeOf(this.#refused)]) reject(error);
  }

  /** One in flight; it covers everything written before it began. */
  #sync(): void {
    if (this.#isSyncing || this.#trouble !== null) return;
    this.#covered = this.#written;
    this.#written = [];
    if (!this.#store.isUnsynced) return this.#report(); // Nothing of them is new on the disk.
    this.#isSyncing = true;
    this.#store.sync().then(() => {
      this.#events.reachedMedium();
      this.#report();
    }, (cause: unknown) => {
      // What was written after the sync began stands on the same log: nothing of it can be trusted either.
      this.#queue.putBack([...this.#covered, ...this.#written]);
      this.#covered = [];
      this.#written = [];
      this.#fail(cause, "cannot sync the buffer");
    }).finally(() => {
      this.#isSyncing = false;
      this.#sync();
      this.#busySyncs = this.#isSyncing ? this.#busySyncs + 1 : 0;
      if (this.#busySyncs % TIDY_LATEST_SYNCS === 0) this.#tidy();
      if (this.#isSyncing) return;
      this.#retryLater();
      for (const resume of this.#idle.splice(0)) resume();
    }).catch((cause: unknown) => {
      this.#options.log.error(describe(cause), "the buffer failed outside a commit");
    });
  }
  #report(): void {
    const stored = this.#covered;
    this.#covered = [];
    for (const { resolve, last } of stored) resolve(last);
    this.#events.synced();
  }
  #tidy(): void {
    if (this.#isClosing || this.#trouble !== null) return;
    try {
      this.#store.tidy(!this.#isSyncing && (this.#queue.isEmpty || this.#timer.isHeld));
    } catch (cause) {
      this.#fail(cause, "cannot tidy the buffer");
    }
  }

  /** From here on nothing is written but by `#recover`. */
  #fail(cause: unknown, what: string): void {
    const found = this.#store.fail(cause, what);
    const error = found instanceof StoreError ? found : faulty("io", found.message, { cause });
    this.#queue.putBack(this.#written);
    this.#written = [];
    if (this.#trouble === null) this.#trouble = new Trouble(error, this.#options.clock);
    else this.#trouble.error = error;
    this.#events.failed();
    this.#retryLater();
  }
  #retryLater(): void {
    if (this.#isClosing || this.#isSyncing || this.#isRecovering) return;
    this.#trouble?.retryLater(() => this.#recover());
  }

  /** Never rejects: what fails leaves the trouble as it is, to be tried again. */
  async #recover(): Promise<void> {
    this.#isRecovering = true;
    try {
      const damage = this.#store.mustReplace;
      if (damage !== null) return this.#replace(damage);
      await this.#store.recover();
      this.#written = this.#queue.takeSurvivors(this.#store.unsynced());
      this.#writeAll();
      this.#covered = this.#written;
      this.#written = [];
      await this.#store.sync();
      this.#trouble = null;
      this.#options.log.info({ records: rowsOf(this.#covered) }, "the buffer takes records again; what was held in memory is stored");
      this.#report();
      this.#events.recovered();
    } catch (cause) {
      this.#queue.putBack([...this.#covered, ...this.#written]);
      this.#covered = [];
      this.#written = [];
      this.#fail(cause, "cannot recover the buffer");
    } finally {
      this.#isRecovering = false;
      if (this.#trouble !== null) this.#retryLater();
      else if (!this.#isClosing && (!this.#queue.isEmpty || this.#store.hasRefusals)) this.schedule();
      for (const resume of this.#idle.splice(0)) resume();
    }
  }
  /** What is held goes into the new file; its numbers are of another epoch, so nobody is told the old ones. */
  #replace(damage: string): void {
    this.#store.replace(damage, this.#queue.all);
    const error = faulty("replaced", `the buffer was set aside and begun anew (${damage})`);
    this.#trouble = null;
    this.#rejectAll(error);
    this.#events.replaced(error);
  }
  #rejectAll(error: Error): void {
    const left = this.#unreported();
    this.#covered = [];
    this.#written = [];
    this.#queue.takeAll();
    for (const { reject } of left) reject(error);
  }
}
