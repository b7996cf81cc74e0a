/** All that stands on one connection, opened together and replaced together. */
import { openConnection, type Connection } from "./connection.ts";
import { openChainTables, type ChainTables } from "../chain/chain-tables.ts";
import type { UnixMs } from "../../agent/contract/time.ts";
import { openDrops, utcDay, type Drops } from "../loss/drops.ts";
import { openGaps, type Gaps } from "../room/gaps.ts";
import { Ledger } from "./ledger.ts";
import { LogSync } from "./log-sync.ts";
import { Rows } from "../chain/rows.ts";
import { ADDITIONS, LAYOUT } from "./schema.ts";
import { openSpace, type Space } from "../room/space.ts";
import { openStandingTables, type StandingTables } from "../chain/standing-tables.ts";
import { Sweeps } from "../room/sweeps.ts";

export interface Books {
  readonly ledger: Ledger;
  readonly tables: ChainTables;
  readonly standing: StandingTables;
  readonly sweeps: Sweeps;
  readonly gaps: Gaps;
  readonly rows: Rows;
  readonly drops: Drops;
}

/** A connection with all that stands on it. */
export interface Open {
  readonly books: Books;
  readonly space: Space;
  readonly sync: LogSync;
}

/** Opens the file. What is read from then on is stored. */
export function openAll(path: string, dayOf?: (at: UnixMs) => string): Open {
  const db = openConnection(path);
  try {
    db.pragma("wal_checkpoint(TRUNCATE)"); // Also a sync of all that was found.
    const books = openBooks(db, dayOf);
    books.ledger.transaction(() => books.ledger.setMeta("open", "1")); // The log must exist before it can be opened for syncing.
    const sync = new LogSync(db, books.ledger.epoch);
    sync.syncNow();
    return { books, space: openSpace(db), sync };
  } catch (cause) {
    db.close();
    throw cause;
  }
}

function openBooks(db: Connection, dayOf: (at: UnixMs) => string = utcDay): Books {
  const ledger = new Ledger(db);
  ledger.transaction(() => {
    db.exec(ADDITIONS);
    ledger.setMeta("layout", String(LAYOUT));
  });
  const [tables, standing] = [openChainTables(db), openStandingTables(db)];
  const [sweeps, gaps] = [new Sweeps(ledger, standing), openGaps(db)];
  return { ledger, tables, standing, sweeps, gaps, rows: new Rows(ledger, tables, { sweeps, gaps }), drops: openDrops(db, dayOf) };
}
