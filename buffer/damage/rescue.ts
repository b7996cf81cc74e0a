/**
 * For reading out a file whose first page is torn or whose declarations are damaged, though the rows are well: our own
 * declarations, which are known, are laid over it. Evidence is not changed, and a large file is not copied: the file gets a
 * second name with a log of its own, in which a copy of what counts of its log is followed by our pages; SQLite then
 * reads those instead. What it costs is the log's size, whatever the file's. Rows prove themselves by their checksums, so
 * a place that does not fit can do no harm.
 * The second name means the same file: no connection of this process to the first may be open meanwhile, for SQLite takes
 * both for one, with one log.
 */
import { closeSync, copyFileSync, linkSync, openSync, readSync, rmSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import type { Clock } from "../../agent/contract/time.ts";
import { PAGE_BYTES, SCHEMA } from "../ledger/schema.ts";
import { layOver, logFrames, type LogFrames } from "./log-frames.ts";
import { openPages, pageOf } from "./pages.ts";
import { rootsOf, shapes, topmost, type Root } from "./roots.ts";

const SUFFIX = ".rescue";
const PARTS = ["", "-wal", "-shm"];
/** On a file system without second names: what a slow card copies within a part of the 10 s after which the agent is in service. */
const MOST_BYTES = 64 * 1024 * 1024;
/** Where the header says that the file has a log, and how many pages it has. */
const LOGGED_AT = 18;
const PAGES_AT = 28;
const FIRST_HEADER = 100;

/** What never changes in the header of a file of ours: its first words, the size of a page and how it is used, the letters. */
const FIXED: readonly (readonly [at: number, bytes: Buffer])[] = [
  [0, Buffer.from("SQLite format 3\0", "latin1")], [16, Buffer.from([PAGE_BYTES >> 8, PAGE_BYTES & 0xff])], [20, Buffer.from([0, 64, 32, 32])],
  [44, Buffer.from([0, 0, 0, 4])], [52, Buffer.alloc(4)], [56, Buffer.from([0, 0, 0, 1])],
];
/** Is it how a file of ours begins? */
export function hasHeader(database: string): boolean {
  const header = Buffer.alloc(FIRST_HEADER);
  const descriptor = openSync(database, "r");
  try {
    return readSync(descriptor, header, 0, FIRST_HEADER, 0) === FIRST_HEADER && FIXED.every(([at, bytes]) => header.compare(bytes, 0, bytes.length, at, at + bytes.length) === 0);
  } finally {
    closeSync(descriptor);
  }
}

/** What of its log counts, how many pages it has, where its tables begin. */
export interface Survey {
  readonly frames: LogFrames;
  readonly count: number;
  readonly roots: ReadonlyMap<string, Root>;
}
/** Null for a file that holds nothing. */
export function surveyed(database: string, clock: Clock): Survey | null {
  if ((statSync(database, { throwIfNoEntry: false })?.size ?? 0) < 2 * PAGE_BYTES) return null;
  const frames = logFrames(`${database}-wal`);
  const pages = openPages(database, frames);
  try {
    return { frames, count: pages.count, roots: rootsOf(pages, clock) };
  } finally {
    pages.close();
  }
}

/** Path under which the file can be read with declarations that are whole; null where it cannot. Remove it with `dropRescue`. */
export function rescue(database: string, { frames, count, roots }: Survey): string | null {
  dropRescue(database);
  const other = database + SUFFIX;
  if (!alias(database, other)) return null;
  layOver(`${database}-wal`, `${other}-wal`, frames, declared(roots, count));
  return other;
}
export function dropRescue(database: string): void {
  for (const part of PARTS) rmSync(database + SUFFIX + part, { force: true });
}

function alias(database: string, other: string): boolean {
  try {
    linkSync(database, other);
    return true;
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause)) throw cause;
    if (statSync(database).size > MOST_BYTES) return false;
    copyFileSync(database, other);
    return true;
  }
}

/** Pages that declare all our tables where they begin; those that are not found begin empty. New pages come behind the last. */
function declared(roots: ReadonlyMap<string, Root>, count: number): { readonly pages: ReadonlyMap<number, Buffer>; readonly count: number } {
  let last = count;
  const pages = new Map<number, Buffer>();
  const places = new Map<string, number>();
  for (const { name, isTable } of shapes()) {
    const root = roots.get(name);
    if (root && "page" in root) places.set(name, root.page);
    else {
      pages.set(++last, root ? topmost(root.below) : emptyLeaf(isTable));
      places.set(name, last);
    }
  }
  const file = schemaFile(places);
  const first = Buffer.from(file.subarray(0, PAGE_BYTES));
  const top = pageOf(first, 1);
  for (const [index, child] of (top?.children ?? []).entries()) {
    pages.set(++last, Buffer.from(file.subarray((child - 1) * PAGE_BYTES, child * PAGE_BYTES)));
    first.writeUInt32BE(last, top?.cells[index] ?? FIRST_HEADER + 8);
  }
  first.fill(2, LOGGED_AT, LOGGED_AT + 2);
  first.writeUInt32BE(last, PAGES_AT);
  pages.set(1, first);
  return { pages, count: last };
}
function emptyLeaf(isTable: boolean): Buffer {
  const bytes = Buffer.alloc(PAGE_BYTES);
  bytes.writeUInt8(isTable ? 0x0d : 0x0a, 0);
  bytes.writeUInt16BE(PAGE_BYTES, 5);
  return bytes;
}
/** A database of ours with nothing in it, whose declarations name these places. */
function schemaFile(places: ReadonlyMap<string, number>): Buffer {
  const db = new Database(":memory:");
  try {
    db.pragma(`page_size = ${PAGE_BYTES}`);
    db.exec(SCHEMA);
    db.unsafeMode(true);
    db.pragma("writable_schema = ON");
    const put = db.prepare<[number, string]>("UPDATE sqlite_schema SET rootpage = ? WHERE name = ?");
    for (const [name, place] of places) put.run(place, name);
    return db.serialize();
  } finally {
    db.close();
  }
}
