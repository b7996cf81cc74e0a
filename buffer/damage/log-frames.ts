/**
 * The log of a database, frame by frame, as SQLite's file format describes it ("The Write-Ahead Log"): so that what stands
 * in a damaged file can be had with its log on top, and so that pages of our own can be laid over both (buffer/damage/rescue.ts).
 * A frame counts when its checksum follows from all before it, and a commit stands at or behind it.
 */
import { closeSync, existsSync, openSync, readSync, writeSync } from "node:fs";
import { PAGE_BYTES } from "../ledger/schema.ts";

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES;
/** The lowest bit says whether checksums are taken over big-endian words. */
const MAGIC = 0x377f0682;
const VERSION = 3_007_000;
/** A log is carried long before that; what a larger one holds beyond it is not looked at. */
const MOST_FRAMES = 16_384;

type Sums = readonly [number, number];

function summed([first, second]: Sums, bytes: Buffer, isBigEndian: boolean): Sums {
  for (let at = 0; at < bytes.length; at += 8) {
    first = (first + (isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)) + second) >>> 0;
    second = (second + (isBigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4)) + first) >>> 0;
  }
  return [first, second];
}
const storedSums = (bytes: Buffer, at: number): Sums => [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)];
const isSame = (one: Sums, other: Sums): boolean => one[0] === other[0] && one[1] === other[1];

export interface LogFrames {
  /** Where the newest copy of a page begins in the log. */
  readonly at: ReadonlyMap<number, number>;
  /** Pages of the database after the last commit; 0: there is none. */
  readonly pages: number;
  /** Length of what counts. */
  readonly bytes: number;
  readonly header: Buffer;
  readonly sums: Sums;
}

/** What counts of a log; of one that is not there or none of ours, an empty one. */
export function logFrames(path: string): LogFrames {
  const header = Buffer.alloc(HEADER_BYTES);
  const descriptor = existsSync(path) ? openSync(path, "r") : null;
  try {
    if (descriptor !== null && readSync(descriptor, header, 0, HEADER_BYTES, 0) === HEADER_BYTES && isHeader(header)) return follow(descriptor, header);
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
  header.writeUInt32BE(MAGIC, 0);
  header.writeUInt32BE(VERSION, 4);
  header.writeUInt32BE(PAGE_BYTES, 8);
  const sums = summed([0, 0], header.subarray(0, 24), false);
  header.writeUInt32BE(sums[0], 24);
  header.writeUInt32BE(sums[1], 28);
  return { at: new Map(), pages: 0, bytes: HEADER_BYTES, header, sums };
}
const isBig = (header: Buffer): boolean => header.readUInt32BE(0) % 2 === 1;
const isHeader = (header: Buffer): boolean =>
  (header.readUInt32BE(0) & ~1) === MAGIC && header.readUInt32BE(8) === PAGE_BYTES && isSame(summed([0, 0], header.subarray(0, 24), isBig(header)), storedSums(header, 24));

function follow(descriptor: number, header: Buffer): LogFrames {
  const [at, open] = [new Map<number, number>(), new Map<number, number>()];
  let whole: LogFrames = { at, pages: 0, bytes: HEADER_BYTES, header, sums: storedSums(header, 24) };
  let sums = whole.sums;
  const frame = Buffer.alloc(FRAME_BYTES);
  for (let index = 0; index < MOST_FRAMES; index++) {
    const begin = HEADER_BYTES + index * FRAME_BYTES;
    if (readSync(descriptor, frame, 0, FRAME_BYTES, begin) < FRAME_BYTES || frame.compare(header, 16, 24, 8, 16) !== 0) return whole;
    sums = summed(summed(sums, frame.subarray(0, 8), isBig(header)), frame.subarray(FRAME_HEADER_BYTES), isBig(header));
    if (!isSame(sums, storedSums(frame, 16))) return whole;
    open.set(frame.readUInt32BE(0), begin + FRAME_HEADER_BYTES);
    const pages = frame.readUInt32BE(4);
    if (pages === 0) continue;
    for (const [page, place] of open) at.set(page, place);
    open.clear();
    whole = { at, pages, bytes: begin + FRAME_BYTES, header, sums };
  }
  return whole;
}

/** Writes a log to `to`: what counts of the one at `from`, and `pages` on top, in a commit of their own after which the database has `count` pages. */
export function layOver(from: string, to: string, frames: LogFrames, { pages, count }: { readonly pages: ReadonlyMap<number, Buffer>; readonly count: number }): void {
  const written = openSync(to, "w", 0o640);
  try {
    writeSync(written, frames.header, 0, HEADER_BYTES, 0);
    copyBetween(from, written, frames.bytes);
    let [at, sums, left] = [frames.bytes, frames.sums, pages.size];
    for (const [number, page] of pages) {
      const frame = Buffer.alloc(FRAME_BYTES);
      frame.writeUInt32BE(number, 0);
      frame.writeUInt32BE(--left === 0 ? count : 0, 4);
      frames.header.copy(frame, 8, 16, 24);
      page.copy(frame, FRAME_HEADER_BYTES, 0, PAGE_BYTES);
      sums = summed(summed(sums, frame.subarray(0, 8), isBig(frames.header)), frame.subarray(FRAME_HEADER_BYTES), isBig(frames.header));
      frame.writeUInt32BE(sums[0], 16);
      frame.writeUInt32BE(sums[1], 20);
      writeSync(written, frame, 0, FRAME_BYTES, at);
      at += FRAME_BYTES;
    }
  } finally {
    closeSync(written);
  }
}
function copyBetween(from: string, written: number, bytes: number): void {
  if (bytes <= HEADER_BYTES) return;
  const read = openSync(from, "r");
  try {
    const piece = Buffer.alloc(64 * FRAME_BYTES);
    for (let at = HEADER_BYTES; at < bytes;) {
      const length = readSync(read, piece, 0, Math.min(piece.length, bytes - at), at);
      if (length === 0) return;
      at += writeSync(written, piece, 0, length, at);
    }
  } finally {
    closeSync(read);
  }
}
