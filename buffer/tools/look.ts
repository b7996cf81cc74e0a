/** The buffer's books for whoever only reads, while the agent goes on writing. */
import type { DamagedRow, DueRow } from "../../agent/contract/buffer-reader.ts";
import { StoreError } from "../../agent/contract/errors.ts";
import type { LedgerRow } from "../../agent/contract/outbox.ts";
import type { Books } from "../ledger/books.ts";
import { Chain } from "../chain/chain.ts";
import { openChainTables } from "../chain/chain-tables.ts";
import type { Connection } from "../ledger/connection.ts";
import { openDrops, utcDay } from "../loss/drops.ts";
import { openGaps } from "../room/gaps.ts";
import { Ledger } from "../ledger/ledger.ts";
import { Rows } from "../chain/rows.ts";
import { openStandingTables } from "../chain/standing-tables.ts";
import { Sweeps } from "../room/sweeps.ts";
import { TYPE_CODES } from "../ledger/schema.ts";
import { valueOfCode } from "../room/value.ts";

export interface Look extends Books {
  readonly chains: readonly Chain[];
}

/** Reads in one short transaction. The books are kept between calls; `fresh`: opened anew, as they are now. */
export type Looking = <T>(read: (look: Look) => T, fresh?: "fresh") => T;

export function lookInto(db: Connection): Looking {
  let kept: Look | null = null;
  return (read, fresh) => db.transaction(() => {
    if (fresh === "fresh" || kept === null) kept = openLook(db);
    return read(kept);
  })();
}

/** Throws StoreError for a file that an older agent left: only the agent brings it up to date. */
function openLook(db: Connection): Look {
  const ledger = new Ledger(db);
  if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'standing'").get() === undefined)
    throw new StoreError("newer-version", `the buffer ${db.name} was last used by an older agent: start this one once, it brings the file up to date`);
  const [tables, standing] = [openChainTables(db), openStandingTables(db)];
  const [sweeps, gaps] = [new Sweeps(ledger, standing), openGaps(db)];
  const chains = tables.cursors().map((row) => new Chain(tables, standing, row, ledger.lastSeq));
  return { ledger, tables, standing, sweeps, gaps, rows: new Rows(ledger, tables, { sweeps, gaps }), drops: openDrops(db, utcDay), chains };
}

/** Rows after `after`, unreadable ones among them. What the agent changed since the books were opened is no damage: then they are opened anew. */
export function rowsAfter(look: Looking, after: number, limit: number): readonly (LedgerRow | DamagedRow)[] {
  const read = ({ ledger }: Books): readonly (LedgerRow | DamagedRow)[] => [...ledger.read(Math.max(after, ledger.firstSeq - 1), ledger.lastSeq, limit)];
  const found = look(read);
  return found.some((row) => "damaged" in row) ? look(read, "fresh") : found;
}

export function dueRows(look: Looking, destination: string, after: number, limit: number): readonly DueRow[] {
  const read = (now: Look): readonly DueRow[] => dueIn(now, destination, after, limit);
  const found = look(read);
  return found.some(({ row }) => "damaged" in row) ? look(read, "fresh") : found;
}
function dueIn(look: Look, destination: string, after: number, limit: number): readonly DueRow[] {
  const chain = look.chains.find(({ name }) => name === destination);
  if (!chain) return [];
  const from = Math.max(after, look.ledger.firstSeq - 1);
  return [...look.rows.read(chain, from, look.ledger.lastSeq, limit)].map(([{ seq, prev }, row]) => ({
    row: "damaged" in row ? { seq, damaged: true } : { ...row, prev },
    waits: seq > chain.through || chain.replays.of(seq)?.released === true,
  }));
}

/** True when some destination has not had the row. */
export const isNeeded = ({ chains, rows }: Look, seq: number, type: LedgerRow["type"] | null): boolean => chains.some((chain) =>
  seq > chain.through && chain.place(seq) !== undefined && (type === null || !rows.isGivenUp(chain, seq, valueOfCode(TYPE_CODES[type]))));
