/**
 * The outbox: records and the checkpoint that produced them in one SQLite transaction, numbered without holes, kept
 * until every destination is done with them. `commit` resolves when its rows are synced to the medium, never earlier,
 * and no sync for it runs in the event loop (buffer/ledger/log-sync.ts). When things are written: buffer/writing/writer.ts.
 * A lone commit is written at once; under load all machines share one transaction per `groupMs`. A power cut takes what
 * was not yet reported stored, at most `groupMs` and one sync; a kill the same. The caller bounds what is in flight by
 * waiting for its commits.
 * While the disk takes nothing commits wait in memory, and what can be read is still given out; deliveries never fail
 * for it. Beyond the bound of that a commit rejects, and later ones of the same checkpoint are refused until it has been
 * read again: they would otherwise move the position past records that were not taken.
 */
import { join } from "node:path";
import { InvariantError, StoreError } from "../agent/contract/errors.ts";
import type { Answer, Commit, Heard, Mark, Marking, Outbox, Outcome } from "../agent/contract/outbox.ts";
import { isUuid } from "./ledger/checksum.ts";
import { DATABASE_NAME } from "./ledger/connection.ts";
import type { PreparedRow } from "./ledger/ledger.ts";
import { mayBelieve, type Opening } from "./damage/older.ts";
import type { StoreOptions } from "./options.ts";
import { openStore } from "./open-store.ts";
import type { QuickCheck } from "./damage/quick-check.ts";
import type { Store } from "./store.ts";
import { Waiting } from "./writing/waiting.ts";
import { faulty } from "./store-error.ts";
import { WearGauge } from "./writing/wear.ts";
import { Writer } from "./writing/writer.ts";

export interface OutboxOptions extends StoreOptions {
  /** Longest time commits are held to share a transaction under load; 0: never held. */
  readonly groupMs?: number;
}

const GROUP_MS = 20;
/** Acknowledgements that wait for the store to be readable again; more than deliveries can have under way. Beyond it they are forgotten: sent again. */
const KEPT_OUTCOMES = 1_000;

/**
 * Opens, and makes it if need be, the buffer in `dataDir`. Blocks for the few milliseconds it takes, whatever the
 * backlog. `options.clock` must be real time (`ports.network`), not a demo's. Throws StoreError: locked, newer-version,
 * read-only, full, io. A damaged file is set aside instead (buffer/damage/quarantine.ts).
 */
export function openOutbox(options: OutboxOptions): Outbox {
  return new SqliteOutbox(options);
}

class SqliteOutbox implements Outbox {
  readonly epoch: string;
  readonly marking: Marking;
  readonly replaced: Promise<StoreError>;
  readonly #store: Store;
  readonly #opening: Opening;
  readonly #options: OutboxOptions;
  readonly #writer: Writer;
  readonly #waiting = new Waiting();
  readonly #wear: WearGauge;
  readonly #outcomes: { readonly destination: string; readonly outcome: Outcome }[] = [];
  #lastStatus: ReturnType<Store["status"]>;
  readonly #stopCheck = new AbortController();
  #isHeldBack = false;
  #ended: StoreError | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#wear = new WearGauge(options.clock, options.card ?? null);
    const { store, wasLeftOpen, opening } = openStore(options);
    this.#store = store;
    this.epoch = this.#store.epoch;
    this.#opening = opening;
    this.marking = this.#opening.marking;
    this.#lastStatus = this.#store.status();
    const { promise, resolve } = Promise.withResolvers<StoreError>();
    this.replaced = promise;
    this.#writer = new Writer(this.#store, options, options.groupMs ?? GROUP_MS, {
      synced: () => {
        this.#waiting.reached(this.#store.syncedSeq);
        this.#lookAgain();
      },
      failed: () => this.#lookAgain(),
      reachedMedium: () => this.#wear.synced(this.#store.log),
      recovered: () => {
        this.#settleKept();
        this.#lookAgain();
        this.#waiting.recovered();
      },
      replaced: (error) => {
        this.#ended = error;
        this.#waiting.end(error);
        resolve(error);
      },
    });
    if (wasLeftOpen && options.quickCheck) this.#lookThrough(options.quickCheck);
  }

  checkpoint(key: string): string | null {
    this.#assertOpen();
    const held = this.#writer.heldCheckpoint(key);
    if (held !== undefined) return held;
    try {
      return this.#store.checkpoint(key);
    } catch (cause) {
      this.#writer.notice(cause, "cannot read the buffer");
      throw cause;
    }
  }

  commit(commit: Commit): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#assertOpen();
      const rows = commit.records.map((record): PreparedRow => prepare(commit, record));
      const alsoCheckpoints = commit.alsoCheckpoints ?? [];
      const bytes = [commit.checkpoint, ...alsoCheckpoints].reduce((sum, checkpoint) => sum + (checkpoint?.json?.length ?? 0), 0)
        + rows.reduce((sum, { body }) => sum + body.length, 0);
      this.#writer.add({ rows, checkpoint: commit.checkpoint, alsoCheckpoints, bytes, dueMs: this.#dueMs(commit), last: 0, resolve, reject });
    });
  }

  pending(destination: string, after: number, limit: number): ReturnType<Outbox["pending"]> {
    return this.#read([], () => this.#store.desk.pending(destination, after, limit));
  }

  sendable(destination: string, after: number, limit: number): ReturnType<Outbox["sendable"]> {
    // While the disk takes no mark of it they leave all the same: arriving comes before saying that it may be a repeat.
    if (this.#writer.isInTrouble) return this.pending(destination, after, limit);
    const { rows, isHeldBack } = this.#read({ rows: [], isHeldBack: false }, () => this.#store.desk.sendable(destination, after, limit));
    if (isHeldBack && !this.#isHeldBack) this.#writer.schedule();
    this.#isHeldBack ||= isHeldBack;
    return rows;
  }
  /** Called from within a destination's link: also after the end it answers. */
  sending(destination: string, seq: number): boolean {
    this.#opening.leaving(destination, seq);
    return this.#end() !== null || this.#store.desk.sending(destination, seq);
  }

  replaying(destination: string, after: number, limit: number): ReturnType<Outbox["replaying"]> {
    return this.#read([], () => this.#store.desk.replaying(destination, after, limit));
  }
  offerRefused(destination: string): void {
    this.#assertOpen();
    this.#store.desk.offerRefused(destination);
  }
  confirm(destination: string, epoch: string, through: number): Answer {
    return this.#change(() => this.#store.desk.confirm(destination, epoch, through));
  }
  replay(destination: string, epoch: string, from: number, to: number): Answer {
    const answer = this.#change(() => this.#store.desk.replay(destination, epoch, from, to));
    if (answer.ok) this.#waiting.wake();
    return answer;
  }
  deadLetters(limit: number): ReturnType<Outbox["deadLetters"]> {
    return this.#read([], () => this.#store.desk.deadLetters(limit));
  }
  release(destination: string, fromSeq: number): Answer {
    const answer = this.#change(() => this.#store.desk.release(destination, fromSeq));
    if (answer.ok) this.#waiting.wake();
    return answer;
  }
  purge(destination: string, fromSeq: number): Answer {
    return this.#change(() => this.#store.desk.purge(destination, fromSeq));
  }
  dropped(day: string): ReturnType<Outbox["dropped"]> {
    return this.#read([], () => this.#store.desk.dropped(day));
  }
  history(after: number, limit: number): ReturnType<Outbox["history"]> {
    return this.#read([], () => this.#store.desk.history(after, limit));
  }

  settle(destination: string, outcome: Outcome): void {
    this.#assertOpen();
    if (!this.#store.isReadable) {
      if (this.#outcomes.length < KEPT_OUTCOMES) this.#outcomes.push({ destination, outcome });
      return;
    }
    this.#read(undefined, () => this.#store.desk.settle(destination, outcome));
    this.#writer.scheduleCursors(outcome.accepted.length + outcome.rejected.length);
  }

  arrival(after: number, signal: AbortSignal): Promise<void> {
    const end = this.#end();
    if (end !== null) return Promise.reject(end);
    return this.#store.isReadable ? this.#waiting.until(after, this.#store.syncedSeq, signal) : this.#waiting.untilRecovered(signal);
  }

  status(): ReturnType<Outbox["status"]> {
    this.#assertOpen();
    this.#lastStatus = this.#read(this.#lastStatus, () => this.#store.status());
    const wear = this.#wear.status();
    return { ...this.#lastStatus, condition: this.condition(), fault: this.fault(), ...(wear && { wear }) };
  }

  condition(): ReturnType<Outbox["condition"]> {
    this.#assertOpen();
    return this.#writer.condition();
  }
  fault(): ReturnType<Outbox["fault"]> { return this.#store.fault; }
  synced(): number {
    return this.#store.syncedSeq;
  }

  heard(mark: Mark): Heard {
    const heldThrough = this.#end() === null ? this.#opening.olderThrough(mark) : null;
    if (heldThrough === null) return { isOlder: false, doubt: null };
    const { dataDir, clock, log } = this.#options;
    const words = `the buffer in ${dataDir} held rows through ${heldThrough} when it was opened, but rows through ${mark.through} had been announced: an older copy of it was put back, or its medium lost what it had stored`;
    if (!mayBelieve(dataDir, clock.now().unixMs)) {
      log.error({ file: dataDir, ...mark }, "a mark at the broker says that the buffer is an older copy of itself; buffers were set aside several times today already, so it is not believed: find out who writes there, or replace the medium");
      return { isOlder: false, doubt: `A mark says that ${words}. Not believed, since buffers were set aside several times today already: replace the medium, or find out who publishes on the topic of the mark.` };
    }
    log.error({ file: dataDir, ...mark, heldThrough, leftSince: this.#opening.left }, "the buffer is an older copy of itself: it is set aside, and its numbers are not used any more");
    this.#condemn(words, heldThrough);
    return { isOlder: true, doubt: null };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopCheck.abort(new Error("the buffer closes"));
    try {
      if (this.#ended === null) await this.#writer.close();
    } finally {
      this.#waiting.end(this.#closedError());
      this.#store.close();
    }
  }

  /** When it must be written: at once, but for what may wait to spare the card. */
  #dueMs({ records, patienceMs = 0 }: Commit): number {
    const wearMs = records.length === 0 ? 0 : this.#wear.patienceMs(records.map(({ type }) => type));
    return this.#options.clock.now().monoMs + Math.max(patienceMs, wearMs);
  }

  /** What the disk gives, or `otherwise` while it gives nothing: a delivery goes on waiting, it does not fail. */
  #read<T>(otherwise: T, read: () => T): T {
    this.#assertOpen();
    if (!this.#store.isReadable) return otherwise;
    try {
      const found = read();
      if (this.#store.hasRefusals) this.#writer.schedule(); // Unreadable rows were found: say so on disk.
      return found;
    } catch (cause) {
      if (!(cause instanceof StoreError)) throw cause;
      this.#writer.notice(cause, "cannot read the buffer");
      return otherwise;
    }
  }
  /** What was promised for longer than this process goes to the disk at once, the rest with the next write; while the disk takes nothing, nothing is promised. */
  #change(change: () => Answer): Answer {
    const answer = this.#read<Answer>({ ok: false, reason: "the buffer's disk takes nothing at present: ask later" }, change);
    if (this.#store.isUnsynced) this.#writer.schedule();
    else this.#writer.scheduleCursors();
    return answer;
  }
  /** Rows were held back until what was sent is marked on the disk. */
  #lookAgain(): void {
    if (!this.#isHeldBack) return;
    this.#isHeldBack = false;
    this.#waiting.wake();
  }
  #settleKept(): void {
    for (const { destination, outcome } of this.#outcomes.splice(0)) this.settle(destination, outcome);
  }

  #lookThrough(check: QuickCheck): void {
    const { dataDir, log } = this.#options;
    check(join(dataDir, DATABASE_NAME), this.#stopCheck.signal).then((found) => {
      if (found === null || this.#end() !== null) return;
      this.#condemn(`the look through ${dataDir} after an unclean stop found damage: ${found}`);
    }, (cause: unknown) => {
      log.error({ error: String(cause) }, "the buffer could not be looked through after an unclean stop");
    });
  }

  #condemn(words: string, heldThrough: number | null = null): void {
    this.#store.condemn(words, heldThrough);
    this.#writer.notice(faulty("corrupt", words), "the buffer is damaged");
  }

  #end(): StoreError | null {
    return this.#ended ?? (this.#closing === null ? null : this.#closedError());
  }
  #assertOpen(): void {
    const end = this.#end();
    if (end !== null) throw end;
  }
  #closedError(): StoreError {
    return faulty("closed", `the buffer in ${this.#options.dataDir} is closed`);
  }
}

function prepare({ machine, context, observedAt, late, clock }: Commit, record: Commit["records"][number]): PreparedRow {
  const { type, id, rev, start, body } = record;
  if (!isUuid(id)) throw new InvariantError(`a ${type} record of ${machine ?? "the agent"} has an id that is no UUID: ${id}`);
  if (!Number.isSafeInteger(rev) || rev < 1 || !Number.isSafeInteger(start) || !Number.isSafeInteger(observedAt))
    throw new InvariantError(`the ${type} record ${id} has numbers that are not whole: rev ${rev}, start ${start}, observedAt ${observedAt}`);
  return { machine, context, type, id, rev, start, observedAt, late: late ?? false, clock: clock ?? null, body: JSON.stringify(body) };
}
