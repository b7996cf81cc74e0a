/**
 * What is written to the medium, and what that leaves of the card (store-and-forward.md §8). The system's own count of
 * this process is taken where there is one (Linux), else pages of the log and of the database as we wrote them. Averages
 * are of the last day, in memory: after a restart they begin anew.
 * The allowance is what `buffer.card` may be written in its life, spread evenly. While the last minutes write more,
 * records of low value wait longer to be written together: up to LONGEST_MS, never those that are money. What the card
 * does beside (a small synced write may cost it ten times its size) nobody outside it can measure.
 */
import { readFileSync } from "node:fs";
import type { Wear } from "../../agent/contract/outbox.ts";
import type { RecordType } from "../../agent/contract/record.ts";
import type { Clock } from "../../agent/contract/time.ts";

export interface Card {
  readonly enduranceBytes: number;
  readonly lifeMs: number;
}
/** What the system has counted as written by this process; null where it does not count. */
export type CountWritten = () => number | null;

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
  readonly syncs: number;
}

/** Records that may wait; all others, cycles, downtimes, counts and losses among them, are written as soon as ever. */
const PATIENT: ReadonlySet<RecordType> = new Set(["state", "alarm", "summary", "connection", "receipt"]);
/** Most that a record may wait to be written with others. */
export const LONGEST_MS = 10_000;
const FIRST_MS = 250;
const STEP_MS = 60_000;
/** The last minutes by which the wait is widened or narrowed. */
const RECENT_MS = 600_000;
const DAY_MS = 86_400_000;
const SAMPLES = DAY_MS / RECENT_MS + 1;
/** Narrowed again only well inside the allowance: else it would swing. */
const EASY = 0.7;
const YEAR_MS = 365.25 * DAY_MS;
const FRAME_BYTES = 4_096 + 24;
const PAGE_BYTES = 4_096;

export class WearGauge {
  readonly #clock: Clock;
  readonly #allowed: number | null;
  readonly #card: Card | null;
  readonly #count: CountWritten;
  readonly #base: number | null;
  #own = 0;
  #syncs = 0;
  /** One each RECENT_MS, oldest first. */
  readonly #samples: Sample[] = [];
  #nextStepMs: number;
  #patienceMs = 0;
  #log = { frames: 0, carried: 0 };

  constructor(clock: Clock, card: Card | null, count: CountWritten = processWritten) {
    this.#clock = clock;
    this.#card = card;
    this.#allowed = card === null ? null : card.enduranceBytes * DAY_MS / card.lifeMs;
    this.#count = count;
    this.#base = count();
    this.#nextStepMs = clock.now().monoMs + STEP_MS;
    this.#samples.push(this.#now());
  }

  /** After a sync: how many frames the log holds, and how many of them are carried into the database. */
  synced({ frames, carried }: { readonly frames: number; readonly carried: number }): void {
    this.#syncs += 1;
    // A log that starts over counts from 0.
    this.#own += FRAME_BYTES * (frames >= this.#log.frames ? frames - this.#log.frames : frames);
    this.#own += PAGE_BYTES * (carried >= this.#log.carried ? carried - this.#log.carried : carried);
    this.#log = { frames, carried };
  }

  /** How long a commit of these types may wait for others. Looks at the rate once a minute. */
  patienceMs(types: readonly RecordType[]): number {
    if (this.#allowed === null) return 0;
    this.#step(this.#allowed);
    return types.every((type) => PATIENT.has(type)) ? this.#patienceMs : 0;
  }

  /** Undefined before the first minute. */
  status(): Wear | undefined {
    const now = this.#now();
    const first = this.#since(now, DAY_MS);
    const overMs = now.atMs - first.atMs;
    if (overMs < STEP_MS) return undefined;
    const [bytes, syncs] = [now.bytes - first.bytes, now.syncs - first.syncs];
    const bytesPerDay = bytes * DAY_MS / overMs;
    return {
      bytesPerDay, syncsPerDay: syncs * DAY_MS / overMs, overMs, by: this.#base === null ? "buffer" : "process",
      cardYears: this.#card === null || bytes <= 0 ? null : this.#card.enduranceBytes / bytesPerDay * DAY_MS / YEAR_MS,
      allowedBytesPerDay: this.#allowed, patienceMs: this.#patienceMs,
      alarm: this.#allowed !== null && bytes > this.#allowed ? this.#alarm(bytes, this.#allowed) : null,
    };
  }

  #alarm(bytes: number, allowed: number): string {
    const megabytes = (value: number): number => Math.round(value / 1e6);
    return `${megabytes(bytes)} MB were written within a day, but the card lasts as long as buffer.card.life asks only at ${megabytes(allowed)} MB: use a medium that endures more, or fewer signals and records`;
  }

  #step(allowed: number): void {
    const now = this.#now();
    if (now.atMs < this.#nextStepMs) return;
    this.#nextStepMs = now.atMs + STEP_MS;
    const first = this.#since(now, RECENT_MS);
    const share = (now.bytes - first.bytes) * DAY_MS / Math.max(1, now.atMs - first.atMs) / allowed;
    if (share > 1) this.#patienceMs = Math.min(LONGEST_MS, Math.max(FIRST_MS, this.#patienceMs * 2));
    else if (share < EASY) this.#patienceMs = this.#patienceMs <= FIRST_MS ? 0 : this.#patienceMs / 2;
    this.#keep(now);
  }
  /** The newest sample at least `spanMs` old, else the oldest there is. */
  #since(now: Sample, spanMs: number): Sample {
    this.#keep(now);
    return this.#samples.findLast(({ atMs }) => atMs <= now.atMs - spanMs) ?? this.#samples[0] ?? now;
  }
  #keep(now: Sample): void {
    const last = this.#samples.at(-1);
    if (last && now.atMs - last.atMs < RECENT_MS) return;
    this.#samples.push(now);
    if (this.#samples.length > SAMPLES + 1) this.#samples.shift();
  }
  #now(): Sample {
    const counted = this.#base === null ? null : this.#count();
    return { atMs: this.#clock.now().monoMs, bytes: counted === null ? this.#own : counted - (this.#base ?? 0), syncs: this.#syncs };
  }
}

/** `/proc/self/io`: bytes this process caused to be written to storage. */
export function processWritten(): number | null {
  try {
    const io = readFileSync("/proc/self/io", "utf8");
    const [written, cancelled] = ["write_bytes", "cancelled_write_bytes"].map((name) => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(io)?.[1] ?? Number.NaN));
    return written === undefined || cancelled === undefined || Number.isNaN(written + cancelled) ? null : written - cancelled;
  } catch {
    return null; // No such file (not Linux), or not for us to read: our own count stands in.
  }
}
