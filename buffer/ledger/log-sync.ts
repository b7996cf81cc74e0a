/**
 * Durability without blocking (store-and-forward.md §11): a second descriptor of the log file, synced in Node's thread
 * pool, one sync in flight. What was written before `sync` was called is on the medium when it resolves.
 * The descriptor lives as long as the connection; the log must exist when it is opened. Before each sync the names are
 * looked at: a database or log that was removed or replaced would take what we write with it, unseen. No second
 * descriptor of the database file itself is ever opened: closing one would drop SQLite's locks.
 */
import { closeSync, fdatasync, fdatasyncSync, fstatSync, openSync, read, statSync, write } from "node:fs";
import { promisify } from "node:util";
import type { Connection } from "./connection.ts";
import { faulty } from "../store-error.ts";
import { TailMark } from "../damage/tail-mark.ts";

const REWRITE_BYTES = 256 * 1024;

/** Which file a name means; null: none. */
function fileAt(path: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false });
  return found ? `${found.dev}:${found.ino}` : null;
}

export class LogSync {
  readonly #path: string;
  readonly #file: string | null;
  readonly #descriptor: number;
  readonly #log: string;
  readonly #mark: TailMark;

  constructor(db: Connection, epoch: string) {
    this.#path = db.name;
    this.#file = fileAt(db.name);
    this.#descriptor = openSync(`${db.name}-wal`, "r+");
    const { dev, ino } = fstatSync(this.#descriptor);
    this.#log = `${dev}:${ino}`;
    this.#mark = new TailMark(db.name, epoch);
  }

  /** Rejects with the system's error; then nothing written since the last success may be taken as stored. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#assertInPlace();
      fdatasync(this.#descriptor, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }
  /** Blocks: only when the outbox is opened, before anything runs. */
  syncNow(): void {
    this.#assertInPlace();
    fdatasyncSync(this.#descriptor);
  }
  /**
   * After a failed sync the kernel may take pages for clean that never reached the medium, and the next sync succeeds
   * without writing them: so the log is written over itself first. Nothing else may write it meanwhile.
   */
  async rewrite(): Promise<void> {
    const chunk = Buffer.alloc(REWRITE_BYTES);
    for (let at = 0; ;) {
      const { bytesRead } = await promisify(read)(this.#descriptor, chunk, 0, chunk.length, at);
      if (bytesRead === 0) break;
      for (let done = 0; done < bytesRead;) done += (await promisify(write)(this.#descriptor, chunk, done, bytesRead - done, at + done)).bytesWritten;
      at += bytesRead;
    }
    await promisify(fdatasync)(this.#descriptor);
  }
  /** What happened to the database's name under us, in words; null while it still means our file. */
  displaced(): string | null {
    const now = fileAt(this.#path);
    if (now === this.#file) return null;
    return now === null ? `the database ${this.#path} was removed while in use` : `another file was put in the place of the database ${this.#path} while in use`;
  }
  /** Rows through here are stored, and the mark beside the file says so. */
  stored(seq: number): void {
    this.#mark.write(seq);
  }
  close(): void {
    closeSync(this.#descriptor);
    this.#mark.close();
  }

  #assertInPlace(): void {
    const displaced = this.displaced();
    if (displaced !== null) throw faulty("io", displaced);
    if (fileAt(`${this.#path}-wal`) !== this.#log) throw faulty("io", `the log ${this.#path}-wal was removed or replaced while in use`);
  }
}

/** Pages in the log, and how many of them are in the database too. Asks only; moves nothing. */
export function logState(db: Connection): { readonly frames: number; readonly carried: number } {
  const [state] = db.pragma("wal_checkpoint(NOOP)") as readonly { readonly log: number; readonly checkpointed: number }[];
  return state ? { frames: state.log, carried: state.checkpointed } : { frames: 0, carried: 0 };
}
/** Carries the log into the database. Two syncs in the event loop: call it when idle, rarely. Never waits for a reader. */
export function carryLog(db: Connection): void {
  db.pragma("wal_checkpoint(PASSIVE)");
}
