/**
 * The layout of `cellgate.db`. What is the same in every record (machine, context) is stored once and referred to by a
 * small number; a record's own row is its body and about fifty bytes. No index but the row number: a random key on the
 * write path multiplies the bytes written by seven (store-and-forward.md §2). Every row carries a CRC-32 over all of
 * itself, because SQLite does not notice a flipped byte (§1 fact 5).
 * Versions only grow; a file of a newer version is refused, never rewritten.
 */
import type { RecordType } from "../agent/contract/record.ts";

/** "Celg" in the file header: tells our file from any other database. */
export const APPLICATION_ID = 0x43656c67;
export const SCHEMA_VERSION = 1;
export const PAGE_BYTES = 4096;

/** Numbers on disk: never change one, never use one twice. */
export const TYPE_CODES: Readonly<Record<RecordType, number>> = {
  state: 1, cycle: 2, count: 3, downtime: 4, alarm: 5, connection: 6, summary: 7, loss: 8, receipt: 9,
};
const TYPES_BY_CODE: ReadonlyMap<number, RecordType> = new Map((Object.keys(TYPE_CODES) as RecordType[]).map((type) => [TYPE_CODES[type], type]));
/** Undefined for a number no type has: the row is damaged. */
export const typeOfCode = (code: number): RecordType | undefined => TYPES_BY_CODE.get(code);

export const SCHEMA = `
CREATE TABLE meta (
  key TEXT PRIMARY KEY,         -- 'epoch': random id of this file; 'open': '1' while a process has it, '0' after a clean close
  value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE machine (
  id INTEGER PRIMARY KEY,       -- from 1; 0 in a record means the agent itself
  name TEXT NOT NULL,           -- as in the configuration
  crc INTEGER NOT NULL          -- CRC-32 (signed) over id and name
);
CREATE TABLE context (
  id INTEGER PRIMARY KEY,       -- from 1
  json TEXT NOT NULL,           -- a RecordContext, once per distinct text
  crc INTEGER NOT NULL          -- CRC-32 (signed) over id and json
);
CREATE TABLE record (
  seq INTEGER PRIMARY KEY,      -- strictly +1 within the epoch
  machine INTEGER NOT NULL,     -- machine.id, 0: none
  type INTEGER NOT NULL,        -- TYPE_CODES
  id BLOB NOT NULL,             -- 16 bytes of the record's UUID
  rev INTEGER NOT NULL,
  start INTEGER NOT NULL,       -- event time, unix ms
  observed INTEGER NOT NULL,    -- gateway time at which it was learned, unix ms
  late INTEGER NOT NULL,        -- 1: tells of a time completeThrough had passed
  context INTEGER NOT NULL,     -- context.id
  crc INTEGER NOT NULL,         -- CRC-32 (signed) over everything else in the row
  body TEXT NOT NULL            -- JSON; last, so that the columns before it never lie on an overflow page
);
CREATE TABLE checkpoint (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,     -- whose; few, so the index is small and is not touched by an update
  crc INTEGER NOT NULL,         -- CRC-32 (signed) over key and json
  json TEXT NOT NULL            -- detector state and source position
);
CREATE TABLE destination (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  through INTEGER NOT NULL,     -- every row due up to here is settled
  through_n INTEGER NOT NULL,   -- how many those were, since the file was made
  rejected INTEGER NOT NULL,    -- how many of them were refused or unreadable
  crc INTEGER NOT NULL
);
CREATE TABLE route (
  destination INTEGER NOT NULL,
  since INTEGER NOT NULL,       -- first seq under this filter; in force until the next route of the destination
  types TEXT NOT NULL,          -- '*': every type; '': none (not configured then); else type names, comma between
  base INTEGER NOT NULL,        -- last row due before since, 0: none
  base_n INTEGER NOT NULL,      -- how many were due before since
  crc INTEGER NOT NULL,
  PRIMARY KEY (destination, since)
) WITHOUT ROWID;
CREATE TABLE due (              -- only of destinations with a filter: their chain, and the way to skip what they do not want
  destination INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  prev INTEGER NOT NULL,        -- the row before it that was due, 0: none
  n INTEGER NOT NULL,           -- its number among the rows due, from 1
  crc INTEGER NOT NULL,
  PRIMARY KEY (destination, seq)
) WITHOUT ROWID;
CREATE TABLE dead (             -- rows a destination will never take; they stay in its chain
  destination INTEGER NOT NULL,
  from_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,      -- inclusive
  reason TEXT NOT NULL,         -- the broker's words, or 'corrupt', or 'retention'
  at INTEGER NOT NULL,          -- gateway time, unix ms
  PRIMARY KEY (destination, from_seq)
) WITHOUT ROWID;
`;
