PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE meta (
  key TEXT PRIMARY KEY,         -- 'epoch': random id of this file; 'open': '1' while a process has it, '0' after a clean close
  value TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO meta VALUES('epoch','ccf1d228-b4ee-4b6e-be6f-b62da3a25d03');
INSERT INTO meta VALUES('open','0');
CREATE TABLE machine (
  id INTEGER PRIMARY KEY,       -- from 1; 0 in a record means the agent itself
  name TEXT NOT NULL,           -- as in the configuration
  crc INTEGER NOT NULL          -- CRC-32 (signed) over id and name
);
INSERT INTO machine VALUES(1,'VMC-3',-594342199);
CREATE TABLE context (
  id INTEGER PRIMARY KEY,       -- from 1
  json TEXT NOT NULL,           -- a RecordContext, once per distinct text
  crc INTEGER NOT NULL          -- CRC-32 (signed) over id and json
);
INSERT INTO context VALUES(1,'{"environment":"test","equipment":{"site":"lyon","machine":"VMC-3"},"erp":{"workCenter":"MILL-03"},"tz":"Europe/Paris"}',-1258303660);
INSERT INTO context VALUES(2,'{}',-990719042);
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
INSERT INTO record VALUES(1,1,1,X'00000000000050008000000000000001',1,1780000000001,1780000000000,0,1,147611477,'{"n":1}');
INSERT INTO record VALUES(2,1,2,X'00000000000050008000000000000002',1,1780000000002,1780000000000,0,1,-1708258877,'{"n":2}');
INSERT INTO record VALUES(3,1,1,X'00000000000050008000000000000003',1,1780000000003,1780000000000,0,1,1695549860,'{"n":3}');
INSERT INTO record VALUES(4,1,2,X'00000000000050008000000000000004',1,1780000000004,1780000000000,0,1,743109328,'{"n":4}');
INSERT INTO record VALUES(5,1,1,X'00000000000050008000000000000005',1,1780000000005,1780000000000,0,1,-747310409,'{"n":5}');
INSERT INTO record VALUES(6,1,2,X'00000000000050008000000000000006',1,1780000000006,1780000000000,0,1,1100391457,'{"n":6}');
INSERT INTO record VALUES(7,1,1,X'00000000000050008000000000000007',1,1780000000007,1780000000000,1,1,-2095495014,'{"n":7}');
INSERT INTO record VALUES(8,0,8,X'000000000000500080000000f0000003',1,1795805596235,1795805596235,0,2,-2123286089,'{"status":"closed","start":"2026-11-27T18:53:16.235Z","end":"2026-11-27T18:53:16.235Z","durationMs":0,"utcOffsetMin":0,"timing":{"kind":"inferred","uncertaintyMs":0},"destination":"bridge","reason":"refused","lostEpoch":"ccf1d228-b4ee-4b6e-be6f-b62da3a25d03","fromSeq":3,"toSeq":3,"count":1,"byType":{"state":1}}');
CREATE TABLE checkpoint (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,     -- whose; few, so the index is small and is not touched by an update
  crc INTEGER NOT NULL,         -- CRC-32 (signed) over key and json
  json TEXT NOT NULL            -- detector state and source position
);
INSERT INTO checkpoint VALUES(1,'VMC-3',-1980235113,'{"at":6}');
CREATE TABLE destination (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  through INTEGER NOT NULL,     -- every row due up to here is settled
  through_n INTEGER NOT NULL,   -- how many those were, since the file was made
  rejected INTEGER NOT NULL,    -- how many of them were refused or unreadable
  crc INTEGER NOT NULL
);
INSERT INTO destination VALUES(1,'bridge',3,3,1,-594998183);
INSERT INTO destination VALUES(2,'cycles',0,0,0,-545201445);
CREATE TABLE route (
  destination INTEGER NOT NULL,
  since INTEGER NOT NULL,       -- first seq under this filter; in force until the next route of the destination
  types TEXT NOT NULL,          -- '*': every type; '': none (not configured then); else type names, comma between
  base INTEGER NOT NULL,        -- last row due before since, 0: none
  base_n INTEGER NOT NULL,      -- how many were due before since
  crc INTEGER NOT NULL,
  PRIMARY KEY (destination, since)
) WITHOUT ROWID;
INSERT INTO route VALUES(1,1,'*',0,0,2112417019);
INSERT INTO route VALUES(2,1,'cycle,loss',0,0,237242766);
CREATE TABLE due (              -- only of destinations with a filter: their chain, and the way to skip what they do not want
  destination INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  prev INTEGER NOT NULL,        -- the row before it that was due, 0: none
  n INTEGER NOT NULL,           -- its number among the rows due, from 1
  crc INTEGER NOT NULL,
  PRIMARY KEY (destination, seq)
) WITHOUT ROWID;
INSERT INTO due VALUES(2,2,0,1,-767065811);
INSERT INTO due VALUES(2,4,2,2,-947195559);
INSERT INTO due VALUES(2,6,4,3,-826216931);
INSERT INTO due VALUES(2,8,6,4,-334491215);
CREATE TABLE dead (             -- rows a destination will never take; they stay in its chain
  destination INTEGER NOT NULL,
  from_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,      -- inclusive
  reason TEXT NOT NULL,         -- the broker's words, or 'corrupt', or 'retention'
  at INTEGER NOT NULL,          -- gateway time, unix ms
  PRIMARY KEY (destination, from_seq)
) WITHOUT ROWID;
INSERT INTO dead VALUES(1,3,3,'0x99',1795805596235);
COMMIT;
