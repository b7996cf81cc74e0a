/** Brings the stored destinations in line with the configured ones: new ones start at the next row, removed ones stop there. */
import type { RecordType } from "../../agent/contract/record.ts";
import { ALL, Chain, NONE } from "./chain.ts";
import type { ChainTables } from "./chain-tables.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { openStandingTables } from "./standing-tables.ts";
import type { DestinationFilter } from "../options.ts";

/** All chains ever known, configured or not. Inside a transaction. */
export function openChains(ledger: Ledger, tables: ChainTables, destinations: readonly DestinationFilter[]): readonly Chain[] {
  const known = new Set(tables.cursors().map(({ name }) => name));
  for (const { name } of destinations) if (!known.has(name)) tables.addCursor(name);
  const wanted = new Map(destinations.map(({ name, types }) => [name, filterText(types)]));
  const standing = openStandingTables(ledger.db);
  const chains = tables.cursors().map((row) => new Chain(tables, standing, row, ledger.lastSeq));
  for (const chain of chains) {
    const types = wanted.get(chain.name) ?? NONE;
    chain.confirms = destinations.some(({ name, confirm }) => name === chain.name && confirm === true);
    // Refused, or refused and to be sent again, before the cursor got there: they do not come as first transmissions again.
    const refused = standing.toldOver(chain.id, chain.through + 1, Infinity).filter(({ value }) => value === 0);
    const ranges: { readonly from: number; readonly to: number }[] = [...tables.deadBetween(chain.id, chain.through + 1, Infinity), ...refused, ...chain.replays.all.filter(({ released }) => released)];
    for (const seq of chain.owed.all) if (seq > chain.through) ranges.push({ from: seq, to: seq });
    for (const { from, to } of ranges) chain.remember(Math.max(from - 1, chain.through), to);
    chain.wasAway = chain.types === NONE && types !== NONE;
    if (chain.types !== types) chain.startRoute(ledger.lastSeq + 1, types);
    if (types !== NONE) chain.sent.reach(chain.through);
    if (chain.isDirty) chain.save();
    chain.saved();
  }
  return chains;
}

/** An orderly end: what has left is known exactly. Inside a transaction. */
export function closeChains(ledger: Ledger, chains: readonly Chain[]): void {
  for (const chain of chains) chain.saveSent();
  ledger.setMeta("open", "0");
}

/** How a filter is written in `route.types`; order and repetition do not matter. */
function filterText(types: readonly RecordType[] | undefined): string {
  if (types === undefined) return ALL;
  const wanted = new Set<RecordType>([...types, "loss"]);
  return [...wanted].sort().join(",");
}
