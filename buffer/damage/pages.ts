/**
 * Pages of a database without SQLite, for when SQLite does not know its way: which is what, which lie below it, what shape
 * the rows on it have (SQLite's file format, "B-tree Pages" and "Record Format"). Nothing on a page is believed: what does
 * not add up is `null`. Reads one page at a time, the log's copy before the file's.
 */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { PAGE_BYTES } from "../ledger/schema.ts";
import type { LogFrames } from "./log-frames.ts";

const FILE_HEADER_BYTES = 100;
const INDEX = 0x02;
const TABLE = 0x05;
const LEAF = 0x08;
/** Of 64-bit numbers and lengths alike: nine bytes, of which we believe no more than JavaScript can count. */
const VARINT_BYTES = 9;
/** Trunks of the list of free pages that are followed. */
const MOST_TRUNKS = 4_096;

export interface Page {
  readonly bytes: Buffer;
  /** Of a table by row number; else an index, or a table without one. */
  readonly isTable: boolean;
  readonly isLeaf: boolean;
  /** Where its cells begin, in order. */
  readonly cells: readonly number[];
  /** Pages below it, in order. */
  readonly children: readonly number[];
}

/** A page's parts; null where it is none of a tree. `number`: page 1 begins behind the file's header. */
export function pageOf(bytes: Buffer, number: number): Page | null {
  const at = number === 1 ? FILE_HEADER_BYTES : 0;
  const kind = bytes[at] ?? 0;
  const isLeaf = (kind & LEAF) !== 0;
  const isTable = (kind & ~LEAF) === TABLE;
  if (!isTable && (kind & ~LEAF) !== INDEX) return null;
  const begin = at + (isLeaf ? 8 : 12);
  const count = bytes.readUInt16BE(at + 3);
  if (begin + 2 * count > PAGE_BYTES) return null;
  const cells = Array.from({ length: count }, (_, index) => bytes.readUInt16BE(begin + 2 * index));
  if (cells.some((cell) => cell < begin + 2 * count || cell > PAGE_BYTES - 4)) return null;
  return { bytes, isTable, isLeaf, cells, children: isLeaf ? [] : [...cells.map((cell) => bytes.readUInt32BE(cell)), bytes.readUInt32BE(at + 8)] };
}

interface Read { readonly value: number; readonly next: number }
function varint(bytes: Buffer, at: number): Read | null {
  let value = 0;
  for (let index = 0; index < VARINT_BYTES; index++) {
    const byte = bytes[at + index];
    if (byte === undefined) return null;
    value = index === VARINT_BYTES - 1 ? value * 256 + byte : value * 128 + (byte & 0x7f);
    if ((byte & 0x80) === 0 || index === VARINT_BYTES - 1) return Number.isSafeInteger(value) ? { value, next: at + index + 1 } : null;
  }
  return null;
}

export interface Cell {
  /** Row number; of an interior page the highest below its child; null: it has none. */
  readonly rowid: number | null;
  /** Serial types of the row's columns; empty where there is no row. */
  readonly types: readonly number[];
  /** Where the row's first value begins. */
  readonly body: number;
}
/** Null where it is no cell. */
export function cellOf({ bytes, isTable, isLeaf }: Page, at: number): Cell | null {
  const begin = isLeaf ? at : at + 4;
  if (isTable && !isLeaf) {
    const rowid = varint(bytes, begin);
    return rowid && { rowid: rowid.value, types: [], body: rowid.next };
  }
  const length = varint(bytes, begin);
  const rowid = length && isTable ? varint(bytes, length.next) : null;
  if (!length || (isTable && !rowid)) return null;
  const header = rowid?.next ?? length.next;
  const headerBytes = varint(bytes, header);
  if (!headerBytes || header + headerBytes.value > PAGE_BYTES || headerBytes.value > length.value) return null;
  const types: number[] = [];
  for (let next = headerBytes.next; next < header + headerBytes.value;) {
    const type = varint(bytes, next);
    if (!type) return null;
    types.push(type.value);
    next = type.next;
  }
  return { rowid: rowid?.value ?? null, types, body: header + headerBytes.value };
}

const NUMBER_BYTES = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0];
export const isText = (type: number): boolean => type >= 13 && type % 2 === 1;
export const isBlob = (type: number): boolean => type >= 12 && type % 2 === 0;
/** 7 is a fraction, 10 and 11 are not used. */
export const isWhole = (type: number): boolean => type >= 1 && type <= 9 && type !== 7;
const bytesOf = (type: number): number => NUMBER_BYTES[type] ?? Math.floor((type - 12) / 2);
/** Texts and whole numbers at the beginning of a row; null for others, and for what does not lie on this page. */
export function valuesOf({ bytes }: Page, { types, body }: Cell): readonly (string | number | null)[] {
  let at = body;
  return types.map((type) => {
    const [from, to] = [at, (at += bytesOf(type))];
    if (to > PAGE_BYTES) return null;
    if (isText(type)) return bytes.toString("utf8", from, to);
    if (type === 8 || type === 9) return type - 8;
    return isWhole(type) && to - from <= 6 ? bytes.readIntBE(from, to - from) : null;
  });
}

export type Pages = ReturnType<typeof openPages>;

/** The descriptor is a second one of the database: none of SQLite's in this process may be open. */
export function openPages(database: string, frames: LogFrames) {
  const [file, log] = [openSync(database, "r"), frames.at.size > 0 ? openSync(`${database}-wal`, "r") : null];
  const count = Math.max(Math.floor(statSync(database).size / PAGE_BYTES), frames.pages);
  const raw = (number: number, bytes: Buffer): boolean => {
    const place = frames.at.get(number);
    const [descriptor, at] = place !== undefined && log !== null ? [log, place] : [file, (number - 1) * PAGE_BYTES];
    return readSync(descriptor, bytes, 0, PAGE_BYTES, at) === PAGE_BYTES;
  };
  const page = (number: number): Page | null => {
    const bytes = Buffer.alloc(PAGE_BYTES);
    return Number.isInteger(number) && number >= 1 && number <= count && raw(number, bytes) ? pageOf(bytes, number) : null;
  };
  return {
    count, page,
    /** Every page there is, one after the other, in one buffer that is written over. */
    *all(): Generator<{ readonly number: number; readonly page: Page }> {
      const bytes = Buffer.alloc(PAGE_BYTES);
      for (let number = 1; number <= count; number++) {
        const found = raw(number, bytes) ? pageOf(bytes, number) : null;
        if (found) yield { number, page: found };
      }
    },
    /** Pages that hold nothing any more, as far as the file's header and the list say. */
    *free(): Generator<number> {
      const bytes = Buffer.alloc(PAGE_BYTES);
      for (let [trunk, left] = [raw(1, bytes) ? bytes.readUInt32BE(32) : 0, MOST_TRUNKS]; trunk > 1 && trunk <= count && left > 0 && raw(trunk, bytes); left--) {
        yield trunk;
        const length = Math.min(bytes.readUInt32BE(4), PAGE_BYTES / 4 - 2);
        for (let index = 0; index < length; index++) yield bytes.readUInt32BE(8 + 4 * index);
        trunk = bytes.readUInt32BE(0);
      }
    },
    close(): void {
      closeSync(file);
      if (log !== null) closeSync(log);
    },
  };
}
