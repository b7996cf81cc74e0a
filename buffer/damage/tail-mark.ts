/**
 * How far rows were reported stored, kept beside the database: "epoch seq checksum" in one small file, written over in
 * place after each sync and left to the kernel to carry out. A database that ends before it has lost what was stored (its
 * log was removed or cut, an old copy was put back, a medium lied about a sync), which the database alone cannot show: it
 * would give the lost numbers to other rows. Only ever too old, never too new; when it is missing or torn it says nothing.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { crcOf } from "../ledger/checksum.ts";

const SUFFIX = "-tail";
const EPOCH = 36;
const LENGTH = 80;

export class TailMark {
  readonly #descriptor: number;
  readonly #epoch: string;

  constructor(database: string, epoch: string) {
    this.#epoch = epoch;
    this.#descriptor = openSync(database + SUFFIX, "a+", 0o640);
    closeSync(this.#descriptor);
    this.#descriptor = openSync(database + SUFFIX, "r+");
  }
  /** What cannot be written here is no harm: the rows are stored, the mark stays too old. */
  write(seq: number): void {
    const text = `${this.#epoch} ${seq} ${crcOf(`${this.#epoch} ${seq}`)}`;
    try {
      writeSync(this.#descriptor, text.padEnd(LENGTH - 1) + "\n", 0);
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause)) throw cause;
    }
  }
  close(): void {
    closeSync(this.#descriptor);
  }
}

/** The mark beside a database; null where it says nothing. */
export function readTailMark(database: string): { readonly epoch: string; readonly through: number } | null {
  let text: string;
  try {
    text = readFileSync(database + SUFFIX, "latin1");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause) return null; // Missing or unreadable: it says nothing.
    throw cause;
  }
  const [epoch, seq, crc] = text.slice(0, LENGTH).trim().split(" ");
  return epoch?.length === EPOCH && Number(crc) === crcOf(`${epoch} ${seq}`) ? { epoch, through: Number(seq) } : null;
}
/** Letters by which one epoch is another's with a damaged byte or two; of two random ones thirty differ. */
const ALIKE = 2;
/** The mark's epoch, where the file's is that one but for damage: only the mark has a checksum. Null: nothing to say against the file's. */
export function damagedEpoch(database: string, found: string): string | null {
  const mark = readTailMark(database)?.epoch;
  if (mark === undefined || mark === found) return null;
  const differing = mark.split("").filter((letter, index) => letter !== found[index]).length + Math.max(0, found.length - mark.length);
  return differing <= ALIKE ? mark : null;
}
/** Rows of the file with this epoch were stored through at least this number; 0 where nothing is known. */
export function storedThrough(database: string, epoch: string): number {
  const mark = readTailMark(database);
  return mark?.epoch === epoch ? mark.through : 0;
}
