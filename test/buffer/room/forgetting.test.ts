/** What was told lost is forgotten once its rows are all gone, as long as nothing may yet be added to it, told again, or go on across it. */
import { renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { unixMs } from "../../../agent/contract/time.ts";
import type { Chain } from "../../../buffer/chain/chain.ts";
import { openChains } from "../../../buffer/chain/chains.ts";
import type { ToldLoss } from "../../../buffer/chain/standing-tables.ts";
import { openAll, type Books } from "../../../buffer/ledger/books.ts";
import { createDatabase } from "../../../buffer/ledger/connection.ts";
import { forgetGone } from "../../../buffer/room/forgetting.ts";
import { temporaryDirectory } from "../support.ts";
import { uuid } from "../records.ts";

const ROWS = 100;
interface Setting { readonly books: Books; readonly chain: Chain }
/** A hundred rows, of which those up to `through` are acknowledged, and only `there` are still kept. */
function setting({ through, there }: { readonly through: number; readonly there: readonly number[] }): Setting {
  const dataDir = temporaryDirectory();
  createDatabase(dataDir, uuid(7), () => undefined);
  const path = join(dataDir, "cellgate.db");
  renameSync(`${path}.next`, path);
  const { books, sync } = openAll(path);
  onTestFinished(() => {
    books.ledger.db.close();
    sync.close();
  });
  const { ledger, tables, rows } = books;
  return ledger.transaction(() => {
    const [chain] = openChains(ledger, tables, [{ name: "bridge" }]);
    if (!chain) throw new Error("no chain was opened");
    for (let seq = 1; seq <= ROWS; seq++)
      chain.extend(ledger.append({ machine: "VMC-3", type: "state", id: uuid(seq), rev: 1, start: unixMs(seq), observedAt: unixMs(seq), late: false, clock: null, context: "{}", body: "{}" }), "state");
    ledger.flush();
    for (let seq = 1; seq <= through; seq++) chain.settle(seq, rows);
    ledger.db.prepare("DELETE FROM record WHERE seq NOT IN (SELECT value FROM json_each(?))").run(JSON.stringify(there));
    chain.save();
    return { books, chain };
  });
}
const loss = (from: number, to: number, more: Partial<ToldLoss> = {}): ToldLoss =>
  ({ destination: 1, from, to, rev: 1, value: 1, reason: "buffer_full", count: to - from + 1, byType: { state: to - from + 1 }, start: unixMs(from), end: unixMs(to), row: to, ...more });
/** The first rows of what is still known to be told after looking at `after` to `to`. */
function leftOf({ books, chain }: Setting, told: readonly ToldLoss[], { after = 0, to = ROWS } = {}): readonly number[] {
  books.ledger.transaction(() => {
    for (const one of told) books.standing.putTold(one);
    forgetGone(books, [chain], after, to);
  });
  return books.standing.begun(chain.id, 0, ROWS).map(({ from }) => from);
}
const NEAR_END = [ROWS];

describe("what was told lost", () => {
  it("with nothing left around it: the last of its class stays, for it may grow", () => {
    expect(leftOf(setting({ through: ROWS, there: NEAR_END }), [loss(1, 10), loss(21, 30), loss(41, 50)])).toEqual([41]);
  });
  it("with a row between: one on each side of it stays, so that no loss goes on across it", () => {
    expect(leftOf(setting({ through: ROWS, there: [35, ROWS] }), [loss(1, 10), loss(21, 30), loss(41, 50)])).toEqual([21, 41]);
  });
  it("with a row left inside it: it stays", () => {
    expect(leftOf(setting({ through: ROWS, there: [5, ROWS] }), [loss(1, 10), loss(21, 30), loss(41, 50)])).toEqual([1, 41]);
  });
  it("alone: it stays", () => {
    expect(leftOf(setting({ through: ROWS, there: NEAR_END }), [loss(1, 10)])).toEqual([1]);
  });
  it("of other types: it stands in for none", () => {
    const told = [loss(1, 10), loss(21, 30, { value: 3, byType: { count: 10 } }), loss(41, 50), loss(61, 70, { value: 3, byType: { count: 10 } })];
    expect(leftOf(setting({ through: ROWS, there: NEAR_END }), told)).toEqual([41, 61]);
  });
  it("of the same types in another order is of the same types", () => {
    const told = [loss(1, 10, { byType: { state: 4, alarm: 6 } }), loss(21, 30, { byType: { alarm: 5, state: 5 } })];
    expect(leftOf(setting({ through: ROWS, there: NEAR_END }), told)).toEqual([21]);
  });
  it.each([
    ["its rows", 5, 10, [1, 21, 41]],
    ["its record", 30, 60, [1, 41]],
    ["either", 50, 10, [41]],
  ])("whose cursor has yet to pass %s", (_, through, row, left) => {
    expect(leftOf(setting({ through, there: NEAR_END }), [loss(1, 10, { row }), loss(21, 30), loss(41, 50)])).toEqual(left);
  });
  it("void: nothing has to stand in for it", () => {
    expect(leftOf(setting({ through: ROWS, there: [15, ROWS] }), [loss(1, 10, { count: 0 }), loss(41, 50)])).toEqual([41]);
    expect(leftOf(setting({ through: ROWS, there: [15, ROWS] }), [loss(1, 10), loss(41, 50, { count: 0 })])).toEqual([1, 41]); // A void one stands in for none, and may grow.
  });
  it("outside what was looked at: it stays, while there are rows before it", () => {
    const told = [loss(11, 20), loss(21, 30), loss(41, 50), loss(61, 70), loss(81, 90)];
    expect(leftOf(setting({ through: ROWS, there: [5, ROWS] }), told, { after: 40, to: 75 })).toEqual([11, 21, 61, 81]);
    expect(leftOf(setting({ through: ROWS, there: NEAR_END }), told, { after: 40, to: 75 })).toEqual([61, 81]); // Where none are, all before it is looked at.
  });
  it("dead letters in it are forgotten with it", () => {
    const at = setting({ through: ROWS, there: NEAR_END });
    for (const from of [1, 41]) at.books.tables.putDead({ destination: 1, from, to: from + 9, reason: "not authorised", at: unixMs(0) });
    leftOf(at, [loss(1, 10, { value: 0 }), loss(41, 50, { value: 0 })]);
    expect(at.books.tables.deadBetween(1, 0, ROWS).map(({ from }) => from)).toEqual([41]);
  });
  it("however often it was told: what is kept does not grow while rows do not", () => {
    const told = Array.from({ length: 40 }, (_, index) => loss(2 * index + 1, 2 * index + 1));
    expect(leftOf(setting({ through: ROWS, there: [30, 60, ROWS] }), told)).toEqual([29, 59, 79]);
  });
});
