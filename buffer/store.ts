/**
 * Ledger, chains and log on one connection: what a group writes, and how the connection is made, checked and made again
 * after an I/O error; what is read from it and asked of it is at the desk (buffer/chain/desk.ts). Synchronous, but for `sync`; buffer/outbox.ts decides when.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { InvariantError, type StoreError } from "../agent/contract/errors.ts";
import type { Checkpoint, OutboxStatus } from "../agent/contract/outbox.ts";
import { tellAbsence } from "./chain/away.ts";
import { openAll, type Books, type Open } from "./ledger/books.ts";
import type { Chain } from "./chain/chain.ts";
import { closeChains, openChains } from "./chain/chains.ts";
import { DATABASE_NAME } from "./ledger/connection.ts";
import { Desk } from "./chain/desk.ts";
import { checkpointsOf } from "./writing/held.ts";
import type { Ledger, PreparedRow } from "./ledger/ledger.ts";
import { logState, type LogSync } from "./ledger/log-sync.ts";
import type { Teller } from "./loss/losses.ts";
import type { StoreOptions } from "./options.ts";
import { markDamaged, replaceRunning, type Held } from "./damage/quarantine.ts";
import { oldestWaitingAt } from "./chain/requests.ts";
import type { Space } from "./room/space.ts";
import type { Parts } from "./room/eviction.ts";
import { Upkeep } from "./writing/upkeep.ts";
import { faulty, storeError } from "./store-error.ts";

interface Group {
  readonly rows: readonly PreparedRow[];
  readonly checkpoint: Checkpoint | null;
  readonly alsoCheckpoints: readonly Checkpoint[];
  last: number;
}

/** Damage met twice within it is damage. */
const SUSPECT_MS = 600_000;

export class Store {
  readonly #options: StoreOptions;
  readonly #lock: { release(): void };
  readonly #path: string;
  readonly #upkeep: Upkeep;
  #books: Books;
  #space: Space;
  #sync: LogSync;
  readonly #chains: readonly Chain[];
  readonly #configured: readonly Chain[];
  /** What destinations, bridges and people ask for. */
  readonly desk: Desk;
  #syncedSeq: number;
  #isUnsynced = false;
  #isConnected = false;
  #needsReopen = false;
  #isCorrupt = false;
  #heldThrough: number | null = null;
  /** Damage was met and not yet met again: a failing read looks the same. */
  #isSuspect = false;
  #suspectedMono = -Infinity;
  #fault: string | null = null;
  #damagedRows = 0;

  constructor(options: StoreOptions, lock: { release(): void }) {
    this.#options = options;
    this.#lock = lock;
    this.#path = join(options.dataDir, DATABASE_NAME);
    this.#upkeep = new Upkeep(options, () => this.#parts());
    ({ books: this.#books, space: this.#space, sync: this.#sync } = this.#connect());
    try {
      this.#chains = this.#ledger.transaction(() => openChains(this.#ledger, this.#books.tables, options.destinations));
      this.#configured = this.#chains.filter((chain) => options.destinations.some(({ name }) => name === chain.name));
      this.#ledger.transaction(() => this.#configured.forEach((chain) => tellAbsence(this.#books, chain, this.#teller())));
      this.#sync.syncNow();
      for (const { sent } of this.#chains) sent.syncing()();
      this.#syncedSeq = this.#ledger.lastSeq;
      this.#upkeep.load(this.#books, this.#configured);
      this.desk = new Desk({
        destinations: this.#configured, known: this.#chains,
        books: () => this.#books, teller: () => this.#teller(), syncedSeq: () => this.#syncedSeq, use: (ask) => this.#use(ask),
        written: () => {
          for (const chain of this.#chains) chain.saved();
          this.#isUnsynced = true;
        },
        promised: () => { this.#isUnsynced = true; },
        damaged: (seq, chain) => this.#noteDamage(seq, chain), log: options.log,
      });
      // What is asked first, and at every start: what cannot be read of it is met here, where the file can still be set aside.
      for (const chain of this.#configured) oldestWaitingAt(this.#books, chain, this.#syncedSeq);
    } catch (cause) {
      this.#disconnect(false); // What is damaged is set aside next.
      throw cause;
    }
  }

  get #ledger(): Ledger { return this.#books.ledger; }
  get epoch(): string { return this.#ledger.epoch; }
  get syncedSeq(): number { return this.#syncedSeq; }
  get isUnsynced(): boolean { return this.#isUnsynced; }
  /** False while the disk gives nothing: then nothing may be asked but `mustReplace`, `recover`, `replace`, `close`. */
  get isReadable(): boolean { return this.#isConnected && !this.#isCorrupt && !this.#isSuspect; }
  /** Why this file cannot be gone on with, in words; null while it can. */
  get mustReplace(): string | null {
    if (this.#isCorrupt) return this.#fault ?? "it is damaged";
    if (this.#isConnected) return this.#sync.displaced();
    return existsSync(this.#path) ? null : `the database ${this.#path} is gone`;
  }
  /** Of the log: for whoever counts what is written. */
  get log(): ReturnType<typeof logState> { return this.#isConnected ? logState(this.#ledger.db) : { frames: 0, carried: 0 }; }
  get hasRefusals(): boolean { return this.desk.deliveries.refusals.length > 0; }
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
    const checkpoints = new Map<string, Checkpoint>();
    try {
      this.#ledger.transaction(() => {
        for (const queued of group) {
          for (const row of queued.rows) this.#append(row);
          queued.last = this.#ledger.lastSeq;
          for (const checkpoint of checkpointsOf(queued)) checkpoints.set(checkpoint.key, checkpoint);
        }
        for (const checkpoint of checkpoints.values()) this.#ledger.saveCheckpoint(checkpoint);
        this.desk.deliveries.write(this.#books, this.#teller());
        this.#upkeep.note(this.#books, this.#configured);
        for (const chain of this.#chains) if (chain.isDirty) chain.save();
      });
    } catch (cause) {
      for (const chain of this.#chains) chain.reload(this.#ledger.lastSeq);
      throw cause;
    }
    this.desk.deliveries.written();
    // Cursors alone need no sync: losing them only sends again.
    if (checkpoints.size > 0 || this.#ledger.lastSeq > this.#syncedSeq || this.#chains.some(({ sent }) => sent.isDirty)) this.#isUnsynced = true;
    for (const chain of this.#chains) chain.saved();
  }
  /** After a write: gives up rows where the room runs out. Apart from it, because what was written stays written when this throws. */
  keepRoom(): void {
    if (this.#upkeep.keepRoom()) this.#isUnsynced = true;
  }

  /** What was written before the call is on the medium when this resolves. */
  async sync(): Promise<void> {
    const [covered, marks] = [this.#ledger.lastSeq, this.#chains.map(({ sent }) => sent.syncing())];
    this.#isUnsynced = false;
    try {
      await this.#sync.sync();
    } catch (cause) {
      this.#needsReopen = true; // Whatever the error: what the kernel holds may be neither written nor marked for writing any more.
      throw cause;
    }
    if (covered > this.#syncedSeq) this.#sync.stored(covered);
    this.#syncedSeq = Math.max(this.#syncedSeq, covered);
    for (const synced of marks) synced();
    if (!this.#needsReopen && !this.#isCorrupt && this.#damagedRows === 0) this.#fault = null;
  }

  get fault(): string | null { return this.#fault; }
  status(): OutboxStatus {
    const size = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    return {
      epoch: this.epoch, lastSeq: this.#ledger.lastSeq, syncedSeq: this.#syncedSeq,
      bytes: size(this.#path) + size(`${this.#path}-wal`), destinations: this.desk.backlogs(),
      ...this.#upkeep.room, condition: { state: "ok" }, fault: this.#fault,
    };
  }

  /** After a sync: carries the log, if nothing waits to be written, and deletes a slice of what every destination has had long enough. */
  tidy(isIdle: boolean): void {
    if (!this.#isConnected || this.#needsReopen || this.#isCorrupt) return;
    if (this.#upkeep.tidy(isIdle)) this.#isUnsynced = true;
  }

  /** After a write that found no room: gives up rows that every destination has had. False when there is none. */
  makeRoom(): boolean {
    const isMade = this.#isConnected && this.#upkeep.makeRoom();
    if (isMade) this.#isUnsynced = true;
    return isMade;
  }

  /** Notes a failure and returns it as the error to reject with. */
  fail(cause: unknown, what: string): StoreError | InvariantError {
    if (cause instanceof InvariantError) return cause;
    const error = storeError(cause, what, this.#path);
    if (error.fault !== "full" && error.fault !== "corrupt") this.#needsReopen = true;
    if (error.fault === "corrupt" && !this.#isCorrupt) this.#suspect(error.message);
    if (this.#fault === null) this.#options.log.error({ fault: error.fault, error: error.message, file: this.#path }, "the buffer failed");
    this.#fault = error.message;
    return error;
  }

  /** Before anything else is written: what this writes is on the medium when it returns. */
  noted<T>(write: (ledger: Ledger) => T): T { try { return this.#ledger.transaction(() => write(this.#ledger)); } finally { this.#sync.syncNow(); } }
  /** The file is damaged beyond doubt, or an older copy of itself (`heldThrough`: as of SalvageOptions). */
  condemn(damage: string, heldThrough: number | null = null): void {
    [this.#isCorrupt, this.#fault, this.#heldThrough] = [true, damage, heldThrough];
    markDamaged(this.#options, damage, heldThrough);
  }
  /** SQLite tells a read that fails as damage. So the file is opened and read again first; what is met again is damage. */
  #suspect(damage: string): void {
    const { monoMs } = this.#options.clock.now();
    if (monoMs - this.#suspectedMono < SUSPECT_MS) return this.condemn(damage);
    this.#suspectedMono = monoMs;
    this.#isSuspect = true;
    this.#needsReopen = true;
  }

  close(): void {
    try {
      if (this.#isConnected) this.#disconnect(!this.#needsReopen && !this.#isCorrupt);
    } finally {
      this.#lock.release();
    }
  }

  #connect(): Open {
    const opened = openAll(this.#path, this.#options.dayOf);
    this.#upkeep.look(opened.space);
    this.#isConnected = true;
    return opened;
  }
  #disconnect(isClean: boolean): void {
    this.#isConnected = false;
    try {
      if (isClean) this.#ledger.transaction(() => closeChains(this.#ledger, this.#configured));
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
      displaced: this.#isConnected && this.#sync.displaced() !== null ? this.#ledger : null, through: this.#syncedSeq, heldThrough: this.#heldThrough, damage, held,
      release: () => { if (this.#isConnected) this.#disconnect(false); },
    });
  }

  #reopen(): void {
    if (this.#isConnected) this.#disconnect(false);
    ({ books: this.#books, space: this.#space, sync: this.#sync } = this.#connect());
    for (const chain of this.#chains) chain.reload(this.#ledger.lastSeq, this.#books.tables, this.#books.standing);
    if (this.#ledger.lastSeq < this.#syncedSeq || !this.#ledger.tailIsWhole())
      throw faulty("corrupt", `after an I/O error the database ${this.#path} holds rows up to ${this.#ledger.lastSeq} of ${this.#syncedSeq} stored, or damaged ones`);
    [this.#needsReopen, this.#isSuspect, this.#isUnsynced] = [false, false, true];
    this.#options.log.warn({ file: this.#path }, "the buffer was opened again after an I/O error");
  }

  #append(row: PreparedRow): number {
    const seq = this.#ledger.append(row);
    for (const chain of this.#chains) chain.extend(seq, row.type, row.body.length);
    return seq;
  }

  #teller(): Teller {
    const { ledger, standing } = this.#books;
    return {
      ledger, standing, describe: this.#options.describeLoss, epoch: this.epoch, now: this.#options.clock.now().unixMs, append: (row) => this.#append(row),
      isUnseen: (seq) => this.#configured.every((chain) => chain.sentThrough < seq),
    };
  }
  #parts(): Omit<Parts, "healed"> {
    return {
      books: this.#books, space: this.#space, chains: this.#configured, known: this.#chains, teller: this.#teller(), syncedSeq: this.#syncedSeq,
      deliveries: this.desk.deliveries,
    };
  }
  #noteDamage(seq: number, chain: Chain): void {
    this.#damagedRows++;
    this.#fault = `row ${seq} in ${this.#path} is missing or does not match its checksum; it was not published`;
    this.#options.log.error({ seq, destination: chain.name, file: this.#path }, "a stored record is damaged and was not published");
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
