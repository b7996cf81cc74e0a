/**
 * Keeps the database within its room. Up to half of it delivered rows stay for their time; beyond, those go that nobody
 * needs any more. From 90% on rows are given up until 85%: first what was delivered, whatever its age, then by value,
 * the least valuable first, the oldest first within a class; before the most valuable, loss records of which a later
 * revision is kept, and last of all those that were told and that no bridge has confirmed. A destination with a limit of its own loses what is beyond
 * it, alone. The page limit stops the file before the file system does, and a share of the file system is left free;
 * on one that is full all the same, the ballast is given up first, for deleting needs room too.
 */
import { statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../agent/contract/time.ts";
import { Ballast } from "./ballast.ts";
import type { Chain } from "../chain/chain.ts";
import { sweepSlice, type Parts, type Sweep } from "./eviction.ts";
import { DATABASE_NAME, LOG_LIMIT_BYTES } from "../ledger/connection.ts";
import type { StoreOptions } from "../options.ts";
import type { Space } from "./space.ts";
import { faultOf } from "../store-error.ts";
import { EVERYONE, SUPERSEDED } from "./sweeps.ts";
import { LOSSES, VALUE_CLASSES } from "./value.ts";

const DEFAULT_BUDGET_BYTES = 1024 ** 3;
const GIVE_UP_FROM = 0.9;
const GIVE_UP_UNTIL = 0.85;
/** From here on no commit goes on before there is room again. */
const PRESSING = 0.97;
const SLICES = 3;
const SLICES_PRESSING = 8;
/** When a write has found no room and waits. */
const SLICES_STUCK = 40;
/** Pages that only giving up may use: what it writes is told even when commits find no page. */
const RESERVED_PAGES = 32;
const RESERVED_SHARE = 1 / 16;
/** Down to this share of a destination's own limit: so that one record tells of many rows. */
const ALONE_UNTIL = 0.9;
const LOOK_MS = 10_000;
/** Between two pieces of the ballast: when idle, and at the latest. */
const BALLAST_MS = 1_000;
const BALLAST_LATEST_MS = 30_000;
/** The file may grow to this even into the share to be left free, as long as half of what there is suffices. */
const LEAST_BYTES = 8 * 1024 * 1024;
/** With less, the largest write that is made at once may not have found its place. */
const FULL_BYTES = 2 * 1024 * 1024;
const VALUES = VALUE_CLASSES.map((_, index) => index + 1).filter((value) => value !== LOSSES);
const BY_VALUE = VALUES.map((value): Sweep => ({ take: "value", value }));
const OF_SUPERSEDED = { take: "loss", value: LOSSES, told: false } as const;
const STAGES: readonly Sweep[] = [
  { take: "had", young: false }, { take: "had", young: true }, ...BY_VALUE.slice(0, -1),
  OF_SUPERSEDED, ...BY_VALUE.slice(-1),
  ...VALUES.map((value): Sweep => ({ take: "value", value, left: true })), { take: "loss", value: LOSSES, told: true },
];

export class Room {
  readonly #options: Pick<StoreOptions, "dataDir" | "destinations" | "keepFree" | "log">;
  readonly #clock: Clock;
  readonly #budgetPages: number;
  readonly #pageBytes: number;
  readonly #ballast: Ballast;
  #limitPages: number;
  #freeBytes: number | null = null;
  #ballastMs = -Infinity;
  #isTight = false;
  #lookedMs = -Infinity;
  /** Destinations with more waiting than their limit, until that is put right. */
  readonly #beyond = new Set<Chain>();
  /** Where the giving-up under way has come; null: none is. */
  #stage: number | null = null;
  #after = 0;
  /** How far superseded loss records were looked for, for the sake of a destination's own limit. */
  #pruned = 0;
  /** What stood where when the last search for rows that nobody needs had ended. */
  #searched = "";

  constructor(options: StoreOptions, pageBytes: number) {
    this.#options = options;
    this.#clock = options.clock;
    this.#pageBytes = pageBytes;
    const bytes = options.budgetBytes ?? DEFAULT_BUDGET_BYTES;
    this.#limitPages = this.#budgetPages = Math.floor(bytes / pageBytes);
    this.#ballast = new Ballast(options.dataDir, Math.min(2 * LOG_LIMIT_BYTES, bytes / 2));
  }

  get limitBytes(): number { return this.#limitPages * this.#pageBytes; }
  /** The file system has little left: the log is not to grow as it may otherwise. */
  get isTight(): boolean { return this.#isTight; }
  get freeBytes(): number | null { return this.#freeBytes; }
  isHalfFull(space: Space): boolean {
    return space.used() > this.#limitPages / 2;
  }

  /** Sets how far the file may grow; looks at the file system now and then. On a new connection at once. */
  look(space: Space, isNew = false): void {
    const { monoMs } = this.#clock.now();
    if (!isNew && monoMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = monoMs;
    const pages = space.pages();
    const [path, free] = [join(this.#options.dataDir, DATABASE_NAME), this.#mayTake()];
    const sizeOf = (name: string): number => statSync(name, { throwIfNoEntry: false })?.size ?? 0;
    // The log must find its room too, on a small disk half of it, and what is still to be carried into the file.
    const spoken = Math.max(0, Math.min(LOG_LIMIT_BYTES, (free ?? Infinity) / 2) - sizeOf(`${path}-wal`)) + Math.max(0, pages * this.#pageBytes - sizeOf(path));
    // A disk that others have filled is no reason to lose records while there is room for a few.
    const least = Math.min(LEAST_BYTES - pages * this.#pageBytes, ((this.#freeBytes ?? 0) - spoken) / 2);
    const grow = free === null ? null : Math.max(0, free - spoken, least);
    this.#isTight = free !== null && free < 4 * LOG_LIMIT_BYTES;
    // The file never shrinks: rows given up beyond its present size would be given up for nothing.
    this.#limitPages = Math.max(pages, Math.min(this.#budgetPages, grow === null ? this.#budgetPages : pages + Math.floor(grow / this.#pageBytes)));
    space.limit(this.#limitPages - Math.min(RESERVED_PAGES, RESERVED_SHARE * this.#limitPages));
  }
  /** A piece of the ballast, when there is room for all of it. Now and then: beside a sync under way a write to another file may have to wait for it. */
  keepBallast(isIdle: boolean): void {
    const { monoMs } = this.#clock.now();
    if (monoMs - this.#ballastMs < (isIdle ? BALLAST_MS : BALLAST_LATEST_MS)) return;
    this.#ballastMs = monoMs;
    if (this.#ballast.missing > 0 && (this.#mayTake() ?? 0) > this.#ballast.missing + this.#ballast.bytes) this.#ballast.grow();
  }

  /** After a write: gives up what is too much, a few slices at a time. True when rows went. */
  keep(parts: Parts): boolean {
    this.look(parts.space);
    let isChanged = false;
    for (const [chain, limitBytes] of this.#limited(parts.chains)) isChanged = this.#keepAlone(parts, chain, limitBytes) || isChanged;
    const used = parts.space.used();
    if (this.#stage === null && used < GIVE_UP_FROM * this.#limitPages) return isChanged;
    return this.#giveUp(parts, used >= PRESSING * this.#limitPages ? SLICES_PRESSING : SLICES) || isChanged;
  }
  /** A write found no room. True when some was made: it may be tried again. `carry`: carries the log into the database, after which it starts over. */
  make(parts: Parts, carry: () => void): boolean {
    const attempt = (): boolean => {
      try {
        return this.#giveUp(parts, SLICES_STUCK);
      } catch (cause) {
        if (faultOf(cause) !== "full") throw cause;
        return false;
      }
    };
    if (attempt()) return true;
    // The file system itself is full, or has no more for the file than it was allowed. With what the ballast gives back the log can be carried, and rows given up.
    this.#mayTake();
    const [freeBytes, limitBytes] = [this.#freeBytes, this.limitBytes];
    const isReleased = this.#ballast.release();
    if (isReleased) this.#options.log.warn({ directory: this.#options.dataDir, freeBytes, limitBytes }, freeBytes !== null && freeBytes < FULL_BYTES
      ? "the file system is full: the room kept for this is given up, and old records where that is not enough"
      : "the buffer has no more room, though the file system is not full: the room kept for that day is given up, and old records where that is not enough");
    try {
      carry();
    } catch (cause) {
      if (faultOf(cause) !== "full") throw cause;
    }
    this.look(parts.space, true);
    return attempt() || isReleased;
  }

  #giveUp(parts: Parts, slices: number): boolean {
    let [isChanged, left] = [false, slices];
    parts.space.limit(this.#limitPages);
    try {
      for (this.#begin(parts); this.#stage !== null && left > 0; left--) isChanged = this.#slice(parts) || isChanged;
    } finally {
      parts.space.limit(this.#limitPages - Math.min(RESERVED_PAGES, RESERVED_SHARE * this.#limitPages));
    }
    return isChanged;
  }
  #begin(parts: Parts): void {
    if (this.#stage !== null) return;
    const isSearched = standingOf(parts.chains) === this.#searched;
    this.#stage = isSearched ? STAGES.findIndex(({ take }) => take === "value") : 0;
    this.#after = this.#startOf(parts);
  }
  #slice(parts: Parts): boolean {
    const sweep = this.#stage === null ? undefined : STAGES[this.#stage];
    if (this.#stage === null || sweep === undefined) return false;
    const done = sweepSlice(parts, sweep, this.#after, sweep.take === "had" ? hadThrough(parts) : parts.syncedSeq);
    if (parts.space.used() < GIVE_UP_UNTIL * this.#limitPages) this.#stage = null;
    else if (done.to !== null) this.#after = done.to;
    else {
      if (sweep.take === "had") this.#searched = standingOf(parts.chains);
      this.#stage = this.#stage + 1 < STAGES.length ? this.#stage + 1 : null;
      this.#after = this.#startOf(parts);
    }
    return done.removed + done.lost > 0;
  }
  #startOf({ books: { ledger, sweeps } }: Parts): number {
    const sweep = this.#stage === null ? undefined : STAGES[this.#stage];
    // Of loss records some stay until they have been told: those are looked at again each time.
    const swept = sweep?.take === "value" && !sweep.left ? sweeps.to(EVERYONE, sweep.value) : sweep?.take === "loss" && !sweep.told ? sweeps.to(EVERYONE, SUPERSEDED) : 0;
    return Math.max(ledger.firstSeq - 1, swept);
  }

  /** What waits for one destination beyond its limit is given up for it alone. */
  #keepAlone(parts: Parts, chain: Chain, limitBytes: number): boolean {
    const waits = (): number => chain.waiting * chain.meanBytes;
    if (waits() > limitBytes) this.#beyond.add(chain);
    let isChanged = this.#beyond.has(chain) && this.#prune(parts, chain);
    for (let [left, value] = [SLICES, 1]; left > 0 && this.#beyond.has(chain) && value <= VALUES.length; ) {
      const most = Math.ceil((waits() - ALONE_UNTIL * limitBytes) / chain.meanBytes);
      const done = sweepSlice(parts, { take: "alone", value, chain, most }, Math.max(parts.books.sweeps.to(chain.id, value), chain.through), parts.syncedSeq);
      isChanged ||= done.removed + done.lost > 0;
      if (waits() <= ALONE_UNTIL * limitBytes) this.#beyond.delete(chain);
      if (done.lost > 0 || done.isFull) left--;
      if (!done.isFull || done.to === null) value++;
    }
    return isChanged;
  }
  /** Where others are told each loss at once, every one leaves a record that is superseded, and waits. */
  #prune(parts: Parts, on: Chain): boolean {
    const { to, removed } = sweepSlice(parts, { ...OF_SUPERSEDED, on }, Math.max(this.#pruned, parts.books.sweeps.to(EVERYONE, SUPERSEDED)), parts.syncedSeq);
    this.#pruned = to === null || to >= parts.syncedSeq ? 0 : to; // What was the last revision then may be superseded now.
    return removed > 0;
  }
  #limited(chains: readonly Chain[]): readonly (readonly [Chain, number])[] {
    return chains.flatMap((chain) => {
      const limit = this.#options.destinations.find(({ name }) => name === chain.name)?.limitBytes;
      return limit === undefined ? [] : [[chain, limit] as const];
    });
  }

  /** Bytes of the file system that may still be used; null when it does not say. */
  #mayTake(): number | null {
    try {
      const { bavail, blocks, bsize } = statfsSync(this.#options.dataDir);
      this.#freeBytes = bavail * bsize;
      return Math.max(0, this.#freeBytes - (this.#options.keepFree ?? 0) * blocks * bsize);
    } catch {
      this.#freeBytes = null; // Some file systems cannot say: then the budget alone holds.
      return null;
    }
  }
}

/** Beyond this row somebody certainly needs every row. */
const hadThrough = ({ chains, syncedSeq }: Parts): number =>
  Math.min(syncedSeq, ...chains.filter((chain) => chain.isUnfiltered && chain.lostTo <= chain.through).map((chain) => chain.settledAll ? Infinity : chain.through));
const standingOf = (chains: readonly Chain[]): string => chains.map((chain) => `${chain.through}/${chain.confirmedThrough ?? ""}`).join(" ");
