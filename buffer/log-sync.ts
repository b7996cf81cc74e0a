/**
 * Durability without blocking (store-and-forward.md §11): a second descriptor of the log file, synced in Node's thread
 * pool, one sync in flight. What was written before `sync` was called is on the medium when it resolves.
 * The descriptor lives as long as the connection; the log must exist when it is opened, and is opened again if the file
 * under the name was replaced. No second descriptor of the database file itself is ever opened: closing one would drop
 * SQLite's locks.
 */
import { closeSync, fdatasync, fdatasyncSync, fstatSync, openSync, statSync } from "node:fs";
import type { Connection } from "./connection.ts";

export class LogSync {
  readonly #path: string;
  #descriptor: number;
  #inode: number;

  constructor(db: Connection) {
    this.#path = `${db.name}-wal`;
    this.#descriptor = openSync(this.#path, "r");
    this.#inode = fstatSync(this.#descriptor).ino;
  }

  /** Rejects with the system's error; then nothing written since the last success may be taken as stored. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#follow();
      fdatasync(this.#descriptor, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }
  /** Blocks: only when the outbox is opened, before anything runs. */
  syncNow(): void {
    this.#follow();
    fdatasyncSync(this.#descriptor);
  }
  close(): void {
    closeSync(this.#descriptor);
  }

  #follow(): void {
    if (statSync(this.#path).ino === this.#inode) return;
    closeSync(this.#descriptor);
    this.#descriptor = openSync(this.#path, "r");
    this.#inode = fstatSync(this.#descriptor).ino;
  }
}

/** Pages in the log that are not yet in the database. Asks only; moves nothing. */
export function logPages(db: Connection): number {
  const [state] = db.pragma("wal_checkpoint(NOOP)") as readonly { readonly log: number; readonly checkpointed: number }[];
  return state ? state.log - state.checkpointed : 0;
}
/** Carries the log into the database. Two syncs in the event loop: call it when idle, rarely. Never waits for a reader. */
export function carryLog(db: Connection): void {
  db.pragma("wal_checkpoint(PASSIVE)");
}
