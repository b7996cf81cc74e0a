/**
 * Reads what recorder.c wrote down and makes the files as a power cut at some point would have left them
 * (store-and-forward.md §10): per file, what was written before its last completed sync began is there; of each later
 * write every 512-byte sector is there with probability one half. A sync protects only what was written before it began.
 * A device that lies keeps its last `LIES` writes in a cache whatever sync it was told, and each sector of them is there
 * with probability one half too. Directory entries and the making of files are taken as durable.
 */
import { readFileSync } from "node:fs";

/** database, its log, and the mark that says how far rows were stored. */
type Name = "database" | "log" | "tail";
const NAMES: readonly (Name | undefined)[] = ["database", "log", "tail"];

export type Event =
  | { readonly op: "base" | "write"; readonly file: Name; readonly offset: number; readonly bytes: Buffer }
  | { readonly op: "truncate"; readonly file: Name; readonly offset: number }
  | { readonly op: "begin" | "end"; readonly file: Name; readonly sync: number }
  | { readonly op: "remove"; readonly file: Name }
  | { readonly op: "mark"; readonly text: string };

const OPS: Readonly<Record<string, "base" | "write" | "truncate" | "begin" | "end" | "remove" | "mark">> = {
  B: "base", W: "write", T: "truncate", S: "begin", E: "end", U: "remove", M: "mark",
};
const HEAD_BYTES = 18;
const SECTOR_BYTES = 512;

export function readEvents(path: string): readonly Event[] {
  const log = readFileSync(path);
  const events: Event[] = [];
  for (let at = 0; at < log.length;) {
    const op = OPS[String.fromCharCode(log.readUInt8(at))];
    const file = NAMES[log.readUInt8(at + 1)] ?? "database"; // Marks have no file.
    const offset = Number(log.readBigUInt64LE(at + 2));
    const length = Number(log.readBigUInt64LE(at + 10));
    const bytes = log.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
    at += HEAD_BYTES + length;
    if (op === undefined) throw new Error(`the recording ${path} is broken before byte ${at}`);
    if (op === "mark") events.push({ op, text: bytes.toString() });
    else if (op === "begin" || op === "end") events.push({ op, file, sync: offset });
    else if (op === "remove") events.push({ op, file });
    else if (op === "truncate") events.push({ op, file, offset });
    else events.push({ op, file, offset, bytes });
  }
  return events;
}

/** Writes that a lying device still holds when it says that all is on the medium. */
const LIES = 32;
export type Device = "honest" | "lying";

type Change = { readonly at: number; readonly offset: number; readonly bytes: Buffer | null };
/** One file: what is surely on the medium, and the changes that may or may not be. */
class Medium {
  #durable: Buffer | null = null;
  #size = 0;
  #volatile: Change[] = [];
  /** Synced, says the device; always empty on an honest one. */
  #claimed: Change[] = [];
  readonly #lies: boolean;
  readonly #begun = new Map<number, number>();

  constructor(device: Device = "honest") {
    this.#lies = device === "lying";
  }

  /** Writes before this event have left the device's cache. */
  leaves(before: number): void {
    const left = this.#claimed.findIndex(({ at }) => at >= before);
    for (const change of this.#claimed.splice(0, left < 0 ? this.#claimed.length : left)) this.#apply(change);
  }

  take(event: Event, at: number): void {
    if (event.op === "base") this.#write(event.offset, event.bytes);
    else if (event.op === "write") this.#volatile.push({ at, offset: event.offset, bytes: event.bytes });
    else if (event.op === "truncate") this.#volatile.push({ at, offset: event.offset, bytes: null });
    else if (event.op === "begin") this.#begun.set(event.sync, at);
    else if (event.op === "end") {
      const begun = this.#begun.get(event.sync) ?? 0;
      const synced = this.#volatile.filter((change) => change.at < begun);
      if (this.#lies) this.#claimed.push(...synced);
      else for (const change of synced) this.#apply(change);
      this.#volatile = this.#volatile.filter((change) => change.at >= begun);
      this.#begun.delete(event.sync);
    } else if (event.op === "remove") {
      this.#durable = null;
      this.#size = 0;
      this.#volatile = [];
      this.#claimed = [];
    }
  }
  /** The file after a cut now; null when there is none. */
  cut(random: () => number): Buffer | null {
    const uncertain = [...this.#claimed, ...this.#volatile];
    if (this.#durable === null && uncertain.length === 0) return null;
    const image = new Medium();
    image.#write(0, this.#durable?.subarray(0, this.#size) ?? Buffer.alloc(0));
    for (const { offset, bytes } of uncertain) {
      if (bytes === null) {
        if (random() < 0.5) image.#apply({ at: 0, offset, bytes });
      } else for (let sector = 0; sector < bytes.length;) {
        const end = Math.min(bytes.length, sector + SECTOR_BYTES - ((offset + sector) % SECTOR_BYTES));
        if (random() < 0.5) image.#write(offset + sector, bytes.subarray(sector, end));
        sector = end;
      }
    }
    return image.#durable?.subarray(0, image.#size) ?? Buffer.alloc(0);
  }
  #apply({ offset, bytes }: Change): void {
    if (bytes !== null) return this.#write(offset, bytes);
    if (this.#size > offset) this.#durable?.fill(0, offset, this.#size);
    this.#size = offset;
  }
  #write(offset: number, bytes: Buffer): void {
    const end = offset + bytes.length;
    if (this.#durable === null || this.#durable.length < end) {
      const larger = Buffer.alloc(Math.max(end, 2 * (this.#durable?.length ?? 0)));
      this.#durable?.copy(larger);
      this.#durable = larger;
    }
    bytes.copy(this.#durable, offset);
    this.#size = Math.max(this.#size, end);
  }
}

export interface Image {
  /** How many events came before the cut. */
  readonly at: number;
  readonly database: Buffer | null;
  readonly log: Buffer | null;
  readonly tail: Buffer | null;
  /** Marks written before the cut. */
  readonly marks: readonly string[];
}

/** Images at `count` random points after the first mark, in order. */
export function* cuts(events: readonly Event[], count: number, random: () => number, device: Device = "honest"): Generator<Image> {
  const first = events.findIndex(({ op }) => op === "mark");
  if (first < 0) throw new Error("the recording holds no marks");
  const points = Array.from({ length: count }, () => first + 1 + Math.floor(random() * (events.length - first))).sort((a, b) => a - b);
  const files = { database: new Medium(device), log: new Medium(device), tail: new Medium(device) };
  const marks: string[] = [];
  const cached: number[] = [];
  let at = 0;
  for (const point of points) {
    for (; at < point; at++) {
      const event = events[at];
      if (!event) break;
      if (event.op === "mark") marks.push(...event.text.trim().split("\n"));
      else files[event.file].take(event, at);
      if (event.op !== "write" && event.op !== "truncate") continue;
      cached.push(at);
      if (cached.length > LIES) cached.shift();
      for (const medium of Object.values(files)) medium.leaves(cached.length < LIES ? 0 : (cached[0] ?? 0));
    }
    yield { at: point, database: files.database.cut(random), log: files.log.cut(random), tail: files.tail.cut(random), marks: [...marks] };
  }
}
