/** Long stretches of which a destination wants nothing: what adjoins is one, what is short or damaged is none, what lies outside is all the rest. */
import Database from "better-sqlite3";
import { describe, expect, it, onTestFinished } from "vitest";
import { openGaps, type Gaps } from "../../../buffer/room/gaps.ts";
import { SCHEMA } from "../../../buffer/ledger/schema.ts";

const [BRIDGE, OTHER] = [1, 2];
function gapsOn(): { readonly gaps: Gaps; readonly db: Database.Database } {
  const db = new Database(":memory:");
  onTestFinished(() => void db.close());
  db.exec(SCHEMA);
  return { gaps: openGaps(db), db };
}
const outside = (gaps: Gaps, after: number, to: number, destination = BRIDGE): readonly (readonly number[])[] => [...gaps.outside(destination, after, to)].map((part) => [part.after, part.to]);
const stored = (db: Database.Database): unknown => db.prepare("SELECT destination, from_seq, to_seq FROM gap ORDER BY destination, from_seq").raw().all();

describe("gaps", () => {
  it("nothing noted: all of a stretch is outside", () => {
    const { gaps } = gapsOn();
    expect([gaps.has(BRIDGE), outside(gaps, 0, 1_000)]).toEqual([false, [[0, 1_000]]]);
  });
  it("one in the middle: both sides of it, each up to its edge", () => {
    const { gaps } = gapsOn();
    gaps.note(BRIDGE, 201, 500);
    expect([gaps.has(BRIDGE), gaps.has(OTHER)]).toEqual([true, false]);
    expect(outside(gaps, 0, 1_000)).toEqual([[0, 200], [500, 1_000]]);
    expect(outside(gaps, 0, 1_000, OTHER)).toEqual([[0, 1_000]]);
  });
  it.each([
    ["begins in it", 300, 1_000, [[500, 1_000]]],
    ["begins at its edge", 200, 1_000, [[500, 1_000]]],
    ["ends in it", 0, 400, [[0, 200]]],
    ["ends before it", 0, 150, [[0, 150]]],
    ["lies in it", 250, 450, []],
    ["begins with its last row", 499, 501, [[500, 501]]],
    ["lies behind it", 600, 700, [[600, 700]]],
  ])("a stretch that %s", (_, after, to, parts) => {
    const { gaps } = gapsOn();
    gaps.note(BRIDGE, 201, 500);
    expect(outside(gaps, after, to)).toEqual(parts);
  });
  it("many: the parts between them, in order", () => {
    const { gaps } = gapsOn();
    for (const from of [1_001, 2_001, 3_001]) gaps.note(BRIDGE, from, from + 499);
    expect(outside(gaps, 0, 4_000)).toEqual([[0, 1_000], [1_500, 2_000], [2_500, 3_000], [3_500, 4_000]]);
  });
  it("a short one is not noted: it is read through", () => {
    const { gaps } = gapsOn();
    gaps.note(BRIDGE, 1, 100);
    expect(gaps.has(BRIDGE)).toBe(false);
    gaps.note(BRIDGE, 1, 101);
    expect(outside(gaps, 0, 200)).toEqual([[101, 200]]);
  });
  it.each([
    ["behind it", 501, 520, [[BRIDGE, 201, 520]]],
    ["before it", 190, 200, [[BRIDGE, 190, 500]]],
    ["over it", 150, 600, [[BRIDGE, 150, 600]]],
    ["in it", 250, 260, [[BRIDGE, 201, 500]]],
    ["over its end", 450, 700, [[BRIDGE, 201, 700]]],
  ])("what adjoins becomes one, however short: %s", (_, from, to, one) => {
    const { gaps, db } = gapsOn();
    gaps.note(BRIDGE, 201, 500);
    gaps.note(BRIDGE, from, to);
    expect(stored(db)).toEqual(one);
  });
  it("what joins two leaves one row", () => {
    const { gaps, db } = gapsOn();
    gaps.note(BRIDGE, 1, 200);
    gaps.note(BRIDGE, 301, 500);
    gaps.note(OTHER, 301, 500);
    gaps.note(BRIDGE, 201, 300);
    expect(stored(db)).toEqual([[BRIDGE, 1, 500], [OTHER, 301, 500]]);
  });
  it("slice by slice over a long outage: one row, not one a slice", () => {
    const { gaps, db } = gapsOn();
    for (let after = 0; after < 1_000_000; after += 1_000) gaps.note(BRIDGE, after + 1, after + 1_000);
    expect(stored(db)).toEqual([[BRIDGE, 1, 1_000_000]]);
  });
  it("is gone when the cursor has passed all of it, and not before", () => {
    const { gaps, db } = gapsOn();
    gaps.note(BRIDGE, 201, 500);
    gaps.note(BRIDGE, 801, 1_000);
    gaps.forget(BRIDGE, 499);
    expect(stored(db)).toHaveLength(2);
    gaps.forget(BRIDGE, 900);
    expect(stored(db)).toEqual([[BRIDGE, 801, 1_000]]);
  });
  it("a damaged one is none: what is there is read, and noting it again mends it", () => {
    const { gaps, db } = gapsOn();
    gaps.note(BRIDGE, 201, 500);
    db.prepare("UPDATE gap SET to_seq = 5000").run();
    expect(outside(gaps, 300, 6_000)).toEqual([[300, 6_000]]);
    gaps.note(BRIDGE, 201, 500);
    expect(outside(gaps, 0, 6_000)).toEqual([[0, 200], [500, 6_000]]);
  });
});
