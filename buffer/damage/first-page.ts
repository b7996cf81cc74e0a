/**
 * The first page says what all others are, and is written more often than any other: the likeliest one to be torn. All
 * files of ours begin alike, so for reading out a file that is otherwise whole it can be had from a new one: on a copy,
 * because evidence is not changed. Rows prove themselves by their checksums, so a page that does not fit can do no harm.
 */
import { closeSync, copyFileSync, existsSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import Database from "better-sqlite3";
import { PAGE_BYTES, SCHEMA } from "../ledger/schema.ts";

const SUFFIX = ".rescue";
const PARTS = ["", "-wal", "-shm"];
/** What a slow card copies within a part of the 10 s after which the agent is in service. */
const MOST_BYTES = 64 * 1024 * 1024;
/** Where the header says that the file has a log, and how many pages it has. */
const LOGGED_AT = 18;
const PAGES_AT = 28;

/** Path of a copy with a first page that is whole; null when the file is too large for that. Remove it with `dropRescue`. */
export function rescueCopy(database: string): string | null {
  const { size } = statSync(database);
  if (size < PAGE_BYTES || size > MOST_BYTES) return null;
  const copy = database + SUFFIX;
  dropRescue(database);
  copyFileSync(database, copy);
  if (existsSync(`${database}-wal`)) copyFileSync(`${database}-wal`, `${copy}-wal`);
  const first = firstPage();
  first.fill(2, LOGGED_AT, LOGGED_AT + 2);
  first.writeUInt32BE(Math.floor(size / PAGE_BYTES), PAGES_AT);
  const descriptor = openSync(copy, "r+");
  try {
    writeSync(descriptor, first, 0, PAGE_BYTES, 0);
  } finally {
    closeSync(descriptor);
  }
  return copy;
}
export function dropRescue(database: string): void {
  for (const part of PARTS) rmSync(database + SUFFIX + part, { force: true });
}

function firstPage(): Buffer {
  const db = new Database(":memory:");
  try {
    db.pragma(`page_size = ${PAGE_BYTES}`);
    db.exec(SCHEMA);
    return db.serialize().subarray(0, PAGE_BYTES);
  } finally {
    db.close();
  }
}
