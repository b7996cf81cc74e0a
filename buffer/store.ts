/**
 * Ledger, chains and log on one connection: what a group writes, what a destination reads, and how the connection is
 * made, checked and made again after an I/O error. Synchronous, but for `sync`; buffer/outbox.ts decides when.
 * A row that cannot be read is never handed out: it is noted as dead, counted, named by a loss record, and skipped.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { InvariantError, type StoreError } from "../agent/contract/errors.ts";
import type { Checkpoint, Outcome, OutboxStatus, StoredRecord } from "../agent/contract/outbox.ts";
import { ALL, placeIn, type Chain } from "./chain.ts";
import { openChains } from "./chains.ts";
import { openChainTables, type ChainTables, type Due } from "./chain-tables.ts";
import { openConnection, DATABASE_NAME } from "./connection.ts";
import { Ledger, type PreparedRow, type ReadRow } from "./ledger.ts";
import { carryLog, logPages, LogSync } from "./log-sync.ts";
import { lossRow } from "./loss.ts";
import type { StoreOptions } from "./options.ts";
import { markDamaged, replaceRunning, type Held } from "./quarantine.ts";
import { refusedRanges, type Refusal } from "./refusals.ts";
import { DEFAULT_BUDGET_BYTES, Retention } from "./retention.ts";
import { PAGE_BYTES } from "./schema.ts";
import { faulty, storeError } from "./store-error.ts";

interface Group {
  readonly rows: readonly PreparedRow[];
  readonly checkpoint: Checkpoint | null;
  last: number;
}

const CARRY_PAGES = 1_000;
/** Under load the log grows to this many times the above before a commit has to wait for it to be carried. */
const CARRY_LATEST = 4;
/** Unreadable rows handled in one call of `pending`. */
const DAMAGED_LIMIT = 1_000;

export class Store {
  readonly #options: StoreOptions;
  readonly #lock: { release(): void };
  readonly #path: string;
  readonly #retention: Retention;
  #ledger: Ledger;
  #tables: ChainTables;
  #sync: LogSync;
  readonly #chains: readonly Chain[];
  readonly #byName: ReadonlyMap<string, Chain>;
  #refusals: Refusal[] = [];
  #syncedSeq: number;
  #isUnsynced = false;
  #isConnected = false;
  #needsReopen = false;
  #isCorrupt = false;
  #fault: string | null = null;
  #damagedRows = 0;

  constructor(options: StoreOptions, lock: { release(): void }) {
    this.#options = options;
    this.#lock = lock;
    this.#path = join(options.dataDir, DATABASE_NAME);
    this.#retention = new Retention(options);
    ({ ledger: this.#ledger, tables: this.#tables, sync: this.#sync } = this.#connect());
    this.#chains = this.#ledger.transaction(() => openChains(this.#ledger, this.#tables, options.destinations));
    this.#sync.syncNow();
    const configured = new Set(options.destinations.map(({ name }) => name));
    this.#byName = new Map(this.#chains.filter(({ name }) => configured.has(name)).map((chain) => [chain.name, chain]));
    this.#syncedSeq = this.#ledger.lastSeq;
  }

  get epoch(): string { return this.#ledger.epoch; }
  get syncedSeq(): number { return this.#syncedSeq; }
  get isUnsynced(): boolean { return this.#isUnsynced; }
  /** False while the disk gives nothing: then nothing may be asked but `mustReplace`, `recover`, `replace`, `close`. */
  get isReadable(): boolean { return this.#isConnected && !this.#isCorrupt; }
  /** Why this file cannot be gone on with, in words; null while it can. */
  get mustReplace(): string | null {
    if (this.#isCorrupt) return this.#fault ?? "it is damaged";
    if (this.#isConnected) return this.#sync.displaced();
    return existsSync(this.#path) ? null : `the database ${this.#path} is gone`;
  }
  get hasRefusals(): boolean { return this.#refusals.length > 0; }
  get hasMovedCursors(): boolean { return this.#chains.some(({ isDirty }) => isDirty); }

  checkpoint(key: string): string | null {
    const found = this.#use(() => this.#ledger.checkpoint(key));
    if (found === null || typeof found === "string") return found;
    this.#fault = `the checkpoint of ${key} does not match its checksum`;
    this.#options.log.error({ key, file: this.#path }, "a checkpoint is damaged and not used: its machine starts from the source's current values");
    return null;
  }

  /** Writes commits, refusals and cursors in one transaction, to the log only. Throws; then nothing of it was written. */
  write(group: readonly Group[]): void {
    const ranges = refusedRanges(this.#refusals, this.epoch, this.#options.clock.now().unixMs);
    const checkpoints = new Map<string, Checkpoint>();
    try {
      this.#ledger.transaction(() => {
        for (const queued of group) {
          for (const row of queued.rows) this.#append(row);
          queued.last = this.#ledger.lastSeq;
          if (queued.checkpoint) checkpoints.set(queued.checkpoint.key, queued.checkpoint);
        }
        for (const checkpoint of checkpoints.values()) this.#ledger.saveCheckpoint(checkpoint);
        for (const { chain, reason, from, to, loss } of ranges) {
          this.#tables.putDead({ destination: chain.id, from, to, reason, at: this.#options.clock.now().unixMs });
          if (loss) this.#append(lossRow(this.#options.describeLoss, loss));
        }
        this.#saveCursors();
      });
    } catch (cause) {
      for (const chain of this.#chains) chain.reload(this.#ledger.lastSeq);
      throw cause;
    }
    this.#refusals = [];
    for (const chain of this.#chains) chain.saved();
    // Cursors alone need no sync: losing them only sends again.
    if (checkpoints.size > 0 || this.#ledger.lastSeq > this.#syncedSeq) this.#isUnsynced = true;
  }

  /** What was written before the call is on the medium when this resolves. */
  async sync(): Promise<void> {
    const covered = this.#ledger.lastSeq;
    this.#isUnsynced = false;
    await this.#sync.sync();
    if (covered > this.#syncedSeq) this.#sync.stored(covered);
    this.#syncedSeq = Math.max(this.#syncedSeq, covered);
    if (!this.#needsReopen && !this.#isCorrupt && this.#damagedRows === 0) this.#fault = null;
  }

  pending(destination: string, after: number, limit: number): readonly StoredRecord[] {
    const chain = this.#chain(destination);
    return this.#use(() => {
      const records: StoredRecord[] = [];
      let [position, damaged] = [Math.max(after, chain.through), 0];
      while (records.length < limit && damaged < DAMAGED_LIMIT) {
        const before = position;
        for (const [due, row] of this.#due(chain, position, limit - records.length)) {
          position = due.seq;
          if (chain.isSettled(due.seq)) continue;
          if (!("damaged" in row)) records.push({ ...row, prev: due.prev });
          else if (damaged++ < DAMAGED_LIMIT) this.#giveUp(chain, due);
        }
        if (position === before) break;
      }
      return records;
    });
  }

  settle(destination: string, outcome: Outcome): void {
    const chain = this.#chain(destination);
    this.#use(() => {
      for (const seq of outcome.accepted) chain.settle(seq);
      for (const { seq, reason } of outcome.rejected) {
        const due = chain.place(seq);
        if (!due || !chain.settle(seq)) continue;
        const [row] = this.#ledger.read(seq - 1, seq, 1);
        const type = row && !("damaged" in row) ? row.type : null;
        this.#refuse(chain, due, { type, reason: reason.slice(0, 500), lossReason: /too large|oversize/i.test(reason) ? "oversize" : "refused" });
      }
    });
  }

  status(): OutboxStatus {
    const size = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    return {
      epoch: this.epoch, lastSeq: this.#ledger.lastSeq, syncedSeq: this.#syncedSeq,
      bytes: size(this.#path) + size(`${this.#path}-wal`),
      destinations: [...this.#byName.values()].map((chain) => ({
        name: chain.name, waiting: chain.waiting, acknowledged: chain.settledCount - chain.rejected, rejected: chain.rejected,
      })),
      fault: this.#fault,
    };
  }

  /** After a sync: carries the log, if nothing waits to be written, and deletes a slice of what every destination has had long enough. */
  tidy(isIdle: boolean): void {
    if (!this.#isConnected || this.#needsReopen || this.#isCorrupt) return;
    const pages = logPages(this.#ledger.db);
    const enough = this.#options.carryPages ?? CARRY_PAGES;
    if (pages >= (isIdle ? enough : CARRY_LATEST * enough)) carryLog(this.#ledger.db);
    this.#retention.slice(this.#ledger, [...this.#byName.values()], () => this.#saveCursors());
  }

  /** After a write that found no room: gives up rows that every destination has had. False when there is none. */
  makeRoom(): boolean {
    return this.#isConnected && this.#retention.makeRoom(this.#ledger, [...this.#byName.values()], () => this.#saveCursors());
  }

  /** Notes a failure and returns it as the error to reject with. */
  fail(cause: unknown, what: string): StoreError | InvariantError {
    if (cause instanceof InvariantError) return cause;
    const error = storeError(cause, what, this.#path);
    if (error.fault !== "full" && error.fault !== "corrupt") this.#needsReopen = true;
    if (error.fault === "corrupt" && !this.#isCorrupt) {
      this.#isCorrupt = true;
      markDamaged(this.#options, error.message);
    }
    if (this.#fault === null) this.#options.log.error({ fault: error.fault, error: error.message, file: this.#path }, "the buffer failed");
    this.#fault = error.message;
    return error;
  }

  close(): void {
    try {
      if (this.#isConnected) this.#disconnect(!this.#needsReopen && !this.#isCorrupt);
    } finally {
      this.#lock.release();
    }
  }

  #connect(): { ledger: Ledger; tables: ChainTables; sync: LogSync } {
    const db = openConnection(this.#path);
    db.pragma(`max_page_count = ${Math.floor((this.#options.budgetBytes ?? DEFAULT_BUDGET_BYTES) / PAGE_BYTES)}`); // A cap at which DELETE still works.
    try {
      db.pragma("wal_checkpoint(TRUNCATE)"); // Also a sync of all that was found: what is read from now on is stored.
      const ledger = new Ledger(db);
      ledger.transaction(() => ledger.setMeta("open", "1")); // The log must exist before it can be opened for syncing.
      const opened = { ledger, tables: openChainTables(db), sync: new LogSync(db, ledger.epoch) };
      opened.sync.syncNow();
      this.#isConnected = true;
      return opened;
    } catch (cause) {
      db.close();
      throw cause;
    }
  }
  #disconnect(isClean: boolean): void {
    this.#isConnected = false;
    try {
      if (isClean) this.#ledger.transaction(() => this.#ledger.setMeta("open", "0"));
    } finally {
      this.#ledger.db.close();
      this.#sync.close();
    }
  }
  /** After an I/O error the kernel's copy and the medium may differ: the log is written and synced again, then read again, frame by frame, by checksum. No sync may be in flight. */
  async recover(): Promise<void> {
    if (!this.#needsReopen) return;
    if (this.#isConnected) await this.#sync.rewrite(); // The old connection is given up only when the disk takes something again.
    this.#reopen();
  }
  /** Rows in the file beyond the last sync: a failed one may have kept them. */
  unsynced(): readonly PreparedRow[] {
    const rows: PreparedRow[] = [];
    for (const row of this.#ledger.read(this.#syncedSeq, this.#ledger.lastSeq, this.#ledger.lastSeq - this.#syncedSeq)) if (!("damaged" in row)) rows.push(row);
    return rows;
  }
  /** Sets the file aside; a new one, closed and complete, takes its place, with all that could be saved and what `held` holds. Throws; then all is as it was. */
  replace(damage: string, held: readonly Held[]): void {
    replaceRunning(this.#options, {
      ledger: this.#isConnected ? this.#ledger : null, through: this.#syncedSeq, damage, held,
      release: () => {
        if (this.#isConnected) this.#disconnect(false);
      },
    });
  }

  #reopen(): void {
    if (this.#isConnected) this.#disconnect(false);
    ({ ledger: this.#ledger, tables: this.#tables, sync: this.#sync } = this.#connect());
    for (const chain of this.#chains) chain.reload(this.#ledger.lastSeq, this.#tables);
    if (this.#ledger.lastSeq < this.#syncedSeq || !this.#ledger.tailIsWhole())
      throw faulty("corrupt", `after an I/O error the database ${this.#path} holds rows up to ${this.#ledger.lastSeq} of ${this.#syncedSeq} stored, or damaged ones`);
    this.#needsReopen = false;
    this.#isUnsynced = true;
    this.#options.log.warn({ file: this.#path }, "the buffer was opened again after an I/O error");
  }

  #append(row: PreparedRow): void {
    const seq = this.#ledger.append(row);
    for (const chain of this.#chains) chain.extend(seq, row.type);
  }
  #saveCursors(): void {
    for (const chain of this.#chains) if (chain.isDirty) chain.save();
  }

  *#due(chain: Chain, after: number, limit: number): Generator<readonly [Due, ReadRow]> {
    let left = limit;
    for (const { route, to } of chain.segments(after, this.#syncedSeq)) {
      if (left <= 0) return;
      const from = Math.max(after, route.since - 1);
      if (route.types === ALL) for (const row of this.#ledger.read(from, to, left)) {
        left--;
        yield [placeIn(route, row.seq), row];
      } else for (const { due, row } of this.#tables.readDue(chain.id, from, to, left)) {
        left--;
        yield [due, row ? this.#ledger.decode(row) : { seq: due.seq, damaged: true }];
      }
    }
  }
  #giveUp(chain: Chain, due: Due): void {
    const isGone = due.seq < this.#ledger.firstSeq;
    chain.settle(due.seq);
    if (!isGone) {
      this.#damagedRows++;
      this.#fault = `row ${due.seq} in ${this.#path} is missing or does not match its checksum; it was not published`;
      this.#options.log.error({ seq: due.seq, destination: chain.name, file: this.#path }, "a stored record is damaged and was not published");
    }
    this.#refuse(chain, due, isGone ? { type: null, reason: "retention", lossReason: "retention" } : { type: null, reason: "corrupt", lossReason: "buffer_corrupt" });
  }
  #refuse(chain: Chain, { seq, prev }: Due, why: Pick<Refusal, "type" | "reason" | "lossReason">): void {
    chain.rejected++;
    this.#refusals.push({ chain, seq, prev, ...why });
  }

  #chain(destination: string): Chain {
    const chain = this.#byName.get(destination);
    if (!chain) throw new InvariantError(`the buffer was opened without a destination ${destination}`);
    return chain;
  }
  /** Reads; what SQLite throws becomes a StoreError. */
  #use<T>(read: () => T): T {
    if (!this.#isConnected) throw faulty("io", `the database ${this.#path} could not be opened again after an I/O error`);
    try {
      return read();
    } catch (cause) {
      throw this.fail(cause, "cannot read the buffer");
    }
  }
}
