/**
 * Whether the file is an older copy of itself, as a mark kept outside this device says (docs/decisions/024-older-copies.md):
 * another life of the same file had announced rows that it did not hold when this life opened it.
 * A mark is a stranger's word, so it is believed a few times a day at most: each costs an epoch, and evidence is kept of a
 * bounded number of files only.
 */
import { randomUUID } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { rfc3339, unixMs, type UnixMs } from "../../agent/contract/time.ts";
import type { Mark, Marking } from "../../agent/contract/outbox.ts";
import { HIGHEST_SEQ } from "./salvage.ts";

export const QUARANTINE = "quarantine";
/** Files set aside within a day, for whatever reason, after which no mark is believed. */
const MOST_A_DAY = 3;
const DAY_MS = 86_400_000;

/** Of a time, as its folder is named. */
export const folderName = (at: UnixMs): string => rfc3339(at).replaceAll(":", "-");

/** One opening of a buffer. */
export class Opening {
  readonly marking: Marking;
  /** Last row that the file held then; null: this opening made it. */
  readonly #held: number | null;
  /** Rows of this life that left, by destination: the last. */
  readonly #left = new Map<string, number>();

  constructor(epoch: string, held: number | null) {
    let reached = 0;
    this.marking = { epoch, life: randomUUID(), isNew: held === null, reach: (through) => (reached = Math.max(reached, through)) };
    this.#held = held;
  }

  leaving(destination: string, seq: number): void {
    if (this.#held !== null && seq > Math.max(this.#held, this.#left.get(destination) ?? 0)) this.#left.set(destination, seq);
  }

  /** The last row this file surely shares with what it was, when the mark says that it is an older copy; else null. */
  olderThrough({ epoch, life, through }: Mark): number | null {
    if (this.#held === null || epoch !== this.marking.epoch || life === this.marking.life) return null;
    return Number.isSafeInteger(through) && through > this.#held && through <= HIGHEST_SEQ ? this.#held : null;
  }
  /** Rows of this life that left under numbers which others may have had; for the log. */
  get left(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#left].map(([destination, through]) => [destination, `${(this.#held ?? 0) + 1} to ${through}`]));
  }
}

/** False: as many files were set aside within a day as a stranger may have us set aside. */
export function mayBelieve(dataDir: string, now: UnixMs): boolean {
  try {
    const since = folderName(unixMs(now - DAY_MS));
    return readdirSync(join(dataDir, QUARANTINE)).filter((name) => name >= since).length < MOST_A_DAY;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return true; // Nothing was ever set aside.
    throw cause;
  }
}
