/**
 * The layout of `cellgate.db`. What is the same in every record (machine, context) is stored once and referred to by a
 * small number; a record's own row is its body and about fifty bytes. No index but the row number: a random key on the
 * write path multiplies the bytes written by seven (store-and-forward.md §2). Every row carries a CRC-32 over all of
 * itself, because SQLite does not notice a flipped byte (§1 fact 5).
 * Two marks. `user_version` is the oldest version that can read the file and work on it: it grows only when an older
 * agent would go wrong. `meta.layout` says which additions are there; additions are tables of their own, so that the agent
 * before an update still runs after it is rolled back. A file of a newer `user_version` is refused, never rewritten.
 * Whoever raises the version raises the layout too: a version that is not ours beside a layout we know is a flipped bit.
 */
import type { RecordType } from "../../agent/contract/record.ts";

/** "Celg" in the file header: tells our file from any other database. */
export const APPLICATION_ID = 0x43656c67;
export const SCHEMA_VERSION = 1;
/** 2 and 3: ADDITIONS. */
export const LAYOUT = 3;
export const PAGE_BYTES = 4096;

/** Numbers on disk: never change one, never use one twice. */
export const TYPE_CODES: Readonly<Record<RecordType, number>> = {
  state: 1, cycle: 2, count: 3, downtime: 4, alarm: 5, connection: 6, summary: 7, loss: 8, receipt: 9,
};
const TYPES_BY_CODE: ReadonlyMap<number, RecordType> = new Map((Object.keys(TYPE_CODES) as RecordType[]).map((type) => [TYPE_CODES[type], type]));
/** Undefined for a number no type has: the row is damaged. */
export const typeOfCode = (code: number): RecordType | undefined => TYPES_BY_CODE.get(code);

const LAYOUT_1 = `
CREATE TABLE meta (
  key TEXT PRIMARY KEY,         -- 'layout': which additions it has, absent: 1; 'epoch': random id of this file; 'open': '1' while a process has it, '0' after a clean close
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
  late INTEGER NOT NULL,        -- bits: 1 tells of a time completeThrough had passed; 2 dated by shifted stamps; 4 by an unsynchronised clock
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

/** Tables of layouts 2 and 3: made where they are missing, never changed. */
export const ADDITIONS = `
CREATE TABLE IF NOT EXISTS standing (  -- what more is known of a destination; absent: nothing
  destination INTEGER PRIMARY KEY,
  confirmed INTEGER,            -- its bridge holds everything due through here; null: it never said so
  lost INTEGER NOT NULL,        -- rows given up for it for want of room
  lost_ahead INTEGER NOT NULL,  -- how many of them lie after destination.through
  lost_to INTEGER NOT NULL,     -- the last of them, 0: none
  lost_to_n INTEGER NOT NULL,   -- its number among the rows due: the chain may end with it
  released INTEGER NOT NULL,    -- refused rows that wait to be sent again
  crc INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS replay (  -- rows to be sent again
  destination INTEGER NOT NULL,
  from_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,      -- inclusive
  released INTEGER NOT NULL,    -- 1: they were dead letters, and were never taken
  crc INTEGER NOT NULL,
  PRIMARY KEY (destination, from_seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owed (  -- loss records a destination refused: sent again until it takes them; layout 3
  destination INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY (destination, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lost (  -- losses as last told; each is a loss record (destination, epoch, from_seq)
  destination INTEGER NOT NULL,
  from_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,      -- inclusive
  rev INTEGER NOT NULL,         -- of the record that told it last
  value INTEGER NOT NULL,       -- value class given up, and growing while it is the last of its class; 0: refused rows
  reason TEXT NOT NULL,
  count INTEGER NOT NULL,       -- 0: void
  by_type TEXT NOT NULL,        -- JSON
  start INTEGER NOT NULL,       -- event times, unix ms
  end INTEGER NOT NULL,
  row INTEGER NOT NULL,         -- its last record
  crc INTEGER NOT NULL,
  PRIMARY KEY (destination, from_seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS swept (  -- where rows of a value class were given up: up to to_seq none of it is left that anyone waits for
  destination INTEGER NOT NULL, -- 0: for everyone, and the rows themselves are gone
  value INTEGER NOT NULL,
  from_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY (destination, value)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gap (  -- long stretches of which nothing is left that a destination wants, though rows for others are there
  destination INTEGER NOT NULL,
  from_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,      -- inclusive
  crc INTEGER NOT NULL,
  PRIMARY KEY (destination, from_seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dropped (  -- rows a destination never got, for receipts
  destination INTEGER NOT NULL,
  day TEXT NOT NULL,            -- the site's, on which they were learned: YYYY-MM-DD
  machine INTEGER NOT NULL,     -- machine.id; 0: cannot be told
  cause TEXT NOT NULL,          -- a loss record's reason
  count INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY (destination, day, machine, cause)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS passed (  -- when a destination had acknowledged how much: tells which rows are past the window in which a broker may lose them
  destination INTEGER NOT NULL,
  at INTEGER NOT NULL,          -- gateway time, unix ms
  through INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY (destination, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (  -- how far a destination may have been sent what is due to it; absent: nobody knows
  destination INTEGER PRIMARY KEY,
  through INTEGER NOT NULL,     -- raised in blocks before rows leave (buffer/chain/sent-mark.ts): may lie beyond the last row
  crc INTEGER NOT NULL
);
`;
/** A new file. */
export const SCHEMA = LAYOUT_1 + ADDITIONS;
