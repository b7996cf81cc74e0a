/**
 * Room kept for the day the file system is truly full: then SQLite cannot even delete, because deleting writes to the log
 * (store-and-forward.md §4). The file is given up first, and made again, a piece at a time, when there is room.
 * Its bytes are of no use and do not compress, so that a file system cannot keep it for less than it claims.
 */
import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

const NAME = "cellgate.ballast";
const PIECE_BYTES = 256 * 1024;

export class Ballast {
  readonly #path: string;
  readonly #bytes: number;
  #piece: Buffer | null = null;

  constructor(dataDir: string, bytes: number) {
    this.#path = join(dataDir, NAME);
    this.#bytes = Math.ceil(bytes / PIECE_BYTES) * PIECE_BYTES;
  }
  get bytes(): number { return this.#bytes; }
  /** What of it is still to be made. */
  get missing(): number { return this.#bytes - this.#size(); }

  /** One piece more. Never throws: without room there is none to keep. */
  grow(): void {
    const at = this.#size();
    if (at >= this.#bytes) return;
    let descriptor: number | null = null;
    try {
      descriptor = openSync(this.#path, at === 0 ? "w" : "r+", 0o640);
      const piece = (this.#piece ??= incompressible(PIECE_BYTES));
      writeSync(descriptor, piece, 0, PIECE_BYTES, at - (at % PIECE_BYTES));
      if (at + PIECE_BYTES < this.#bytes) return;
      fsyncSync(descriptor); // Some file systems find the room only then.
      this.#piece = null;
    } catch {
      this.release();
    } finally {
      if (descriptor !== null) closeSync(descriptor);
    }
  }
  /** Gives it up; true when that made room. */
  release(): boolean {
    const had = this.#size();
    rmSync(this.#path, { force: true });
    return had > 0;
  }

  #size(): number {
    return statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }
}

/** A fixed sequence (xorshift): no secret, no chance, only not short. */
function incompressible(bytes: number): Buffer {
  const words = new Uint32Array(bytes / 4);
  let state = 0x9e3779b9;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return Buffer.from(words.buffer);
}
