/** All that stands on one connection, opened together and replaced together. */
import type { Connection } from "./connection.ts";
import { openChainTables, type ChainTables } from "./chain-tables.ts";
import type { UnixMs } from "../agent/contract/time.ts";
import { openDrops, utcDay, type Drops } from "./drops.ts";
import { Ledger } from "./ledger.ts";
import { Rows } from "./rows.ts";
import { ADDITIONS, LAYOUT } from "./schema.ts";
import { openStandingTables, type StandingTables } from "./standing-tables.ts";
import { Sweeps } from "./sweeps.ts";

export interface Books {
  readonly ledger: Ledger;
  readonly tables: ChainTables;
  readonly standing: StandingTables;
  readonly sweeps: Sweeps;
  readonly rows: Rows;
  readonly drops: Drops;
}

export function openBooks(db: Connection, dayOf: (at: UnixMs) => string = utcDay): Books {
  const ledger = new Ledger(db);
  ledger.transaction(() => {
    db.exec(ADDITIONS);
    ledger.setMeta("layout", String(LAYOUT));
  });
  const [tables, standing] = [openChainTables(db), openStandingTables(db)];
  const sweeps = new Sweeps(ledger, standing);
  return { ledger, tables, standing, sweeps, rows: new Rows(ledger, tables, sweeps), drops: openDrops(db, dayOf) };
}
