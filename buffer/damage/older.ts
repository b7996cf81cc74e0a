/**
 * Whether the file is an older copy of itself, as a mark kept outside this device says (docs/decisions/024-older-copies.md):
 * another life of the same file had announced rows that it did not hold when the next one opened it. The file remembers its
 * lives: an older copy may have been gone on with, out of the broker's reach, before this life.
 * A mark is a stranger's word, so it is believed a few times a day at most: each costs an epoch, and evidence is kept of a
 * bounded number of files only.
 */
import { randomUUID } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { rfc3339, unixMs, type UnixMs } from "../../agent/contract/time.ts";
import type { Mark, Marking } from "../../agent/contract/outbox.ts";
import { isRecord } from "../../agent/contract/shape.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { HIGHEST_SEQ } from "./salvage.ts";

export const QUARANTINE = "quarantine";
/** Files set aside within a day, for whatever reason, after which no mark is believed. */
const MOST_A_DAY = 3;
const DAY_MS = 86_400_000;

/** Lives that the file remembers; the oldest are forgotten. */
const MOST_LIVES = 32;
const LIVES = "lives";

/** One opening, and the last row that the file held then. */
interface Life {
  readonly life: string;
  readonly held: number;
}
/** Adds one to those that the file remembers, oldest first, and returns them. */
export function noteLife(ledger: Ledger, life: string, held: number): readonly Life[] {
  const lives = [...livesIn(ledger.meta(LIVES) ?? "[]"), { life, held }].slice(-MOST_LIVES);
  ledger.setMeta(LIVES, JSON.stringify(lives));
  return lives;
}
function livesIn(text: string): readonly Life[] {
  try {
    const found: unknown = JSON.parse(text);
    return Array.isArray(found) ? found.filter((one): one is Life => isRecord(one) && typeof one["life"] === "string" && typeof one["held"] === "number") : [];
  } catch (cause) {
    if (cause instanceof SyntaxError) return []; // Damaged: then it remembers none.
    throw cause;
  }
}

/** Of a time, as its folder is named. */
export const folderName = (at: UnixMs): string => rfc3339(at).replaceAll(":", "-");

/** One opening of a buffer. */
export class Opening {
  readonly marking: Marking;
  /** Last row that the file held then; null: this opening made it. */
  readonly #held: number | null;
  /** Rows of this life that left, by destination: the last. */
  readonly #left = new Map<string, number>();
  readonly #lives: readonly Life[];

  /** `note`: puts the life into the file, and gives all that are there. */
  constructor(epoch: string, held: number | null, note: (life: string) => readonly Life[]) {
    let reached = 0;
    this.marking = { epoch, life: randomUUID(), isNew: held === null, reach: (through) => (reached = Math.max(reached, through)) };
    this.#held = held;
    this.#lives = remembered(() => note(this.marking.life));
  }

  leaving(destination: string, seq: number): void {
    if (this.#held !== null && seq > Math.max(this.#held, this.#left.get(destination) ?? 0)) this.#left.set(destination, seq);
  }

  /** The last row this file surely shares with what it was, when the mark says that it is an older copy; else null. */
  olderThrough({ epoch, life, through }: Mark): number | null {
    if (this.#held === null || epoch !== this.marking.epoch || life === this.marking.life) return null;
    const at = this.#lives.findIndex((one) => one.life === life);
    const held = (at < 0 ? undefined : this.#lives[at + 1]?.held) ?? this.#held;
    return Number.isSafeInteger(through) && through > held && through <= HIGHEST_SEQ ? held : null;
  }
  /** Rows of this life that left under numbers which others may have had; for the log. */
  get left(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#left].map(([destination, through]) => [destination, `${(this.#held ?? 0) + 1} to ${through}`]));
  }
}

/** None, where they cannot be written: a disk that is full is no reason not to start. */
function remembered(note: () => readonly Life[]): readonly Life[] {
  try {
    return note();
  } catch (cause) {
    if (cause instanceof Error) return []; // What ails the file is met again by the next write.
    throw cause;
  }
}

/** False: as many files were set aside within a day as a stranger may have us set aside. True where that cannot be read: a medium that fails is the likeliest to have lost rows. */
export function mayBelieve(dataDir: string, now: UnixMs): boolean {
  try {
    const since = folderName(unixMs(now - DAY_MS));
    return readdirSync(join(dataDir, QUARANTINE)).filter((name) => name >= since).length < MOST_A_DAY;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause) return true; // Mostly: nothing was ever set aside.
    throw cause;
  }
}
