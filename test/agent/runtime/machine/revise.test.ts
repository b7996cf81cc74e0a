/** What becomes of a record that was published without sight of its machine, once it is known what was. */
import { describe, expect, test } from "vitest";
import type { NewRecord } from "../../../../agent/contract/record.ts";
import { bounded, holeFrom, isNone, NO_HOLE, told } from "../../../../agent/runtime/machine/hole.ts";
import { DOUBTED_LIMIT, published, settled, standingAfter, type Revisions } from "../../../../agent/runtime/machine/revise.ts";
import { testPorts } from "../../../support/ports.ts";
import { play, second, type Row } from "../../../support/timeline.ts";

/** A state as its detector tells it: its revision is what the detector counts. */
function state(id: string, rev: number, end: number | null): NewRecord {
  const rows: Row[] = [[0, { execution: "READY" }]];
  const [found] = play(rows, undefined, { settle: 0 }).revisions.filter(({ type }) => type === "state");
  if (found?.type !== "state") throw new Error("a machine that says READY has a state");
  return { ...found, id, rev, body: { ...found.body, status: end === null ? "open" : "closed", end: end === null ? null : new Date(second(end)).toISOString() } };
}
const blind = (...records: NewRecord[]): Revisions => published({}, records, true).revisions;
const texts = (records: readonly NewRecord[]): string[] => records.map(({ id, rev, body }) => `${id} ${rev} ${body.status} ${body.end === null ? "…" : (Date.parse(body.end) - second(0)) / 1_000}`);

describe("published blind, and concluded again", () => {
  test("the same: it stands, and nothing is published", () => {
    const { records, revisions } = published(blind(state("a", 2, 10)), [state("a", 2, 10)], false);
    expect([texts(records), texts(settled(revisions, {}).records)]).toEqual([[], []]);
  });
  test("another: numbered on from what was published, and so is all that follows of it", () => {
    const first = published(blind(state("a", 2, 10)), [state("a", 2, 20)], false);
    const second_ = published(first.revisions, [state("a", 3, 30)], false);
    expect([...texts(first.records), ...texts(second_.records)]).toEqual(["a 3 closed 20", "a 4 closed 30"]);
  });
  test("what nobody doubts passes as it is", () => {
    expect(texts(published(blind(state("a", 2, 10)), [state("b", 1, null), state("b", 2, 5)], false).records)).toEqual(["b 1 open …", "b 2 closed 5"]);
  });
});

describe("published blind, and not concluded again", () => {
  test("it was open before the hole: it is open again", () => {
    expect(texts(settled(blind(state("a", 2, 10)), standingAfter({}, [state("a", 1, null)])).records)).toEqual(["a 3 open …"]);
  });
  test("it never was: taken back, its body otherwise as it was", () => {
    expect(texts(settled(blind(state("a", 1, null), state("b", 2, 10)), {}).records)).toEqual(["a 2 void …", "b 3 void 10"]);
  });
  test("it is true after all, later: it comes back under its own id", () => {
    const { revisions } = settled(blind(state("a", 1, 10)), {});
    expect(texts(published(revisions, [state("a", 1, 50)], false).records)).toEqual(["a 3 closed 50"]);
  });
});

test("revised while blind, and by a second hole before the first was served: still one number after another", () => {
  const first = published({}, [state("a", 1, null), state("a", 2, 10)], true);
  const taken = settled(first.revisions, {});
  const again = published(taken.revisions, [state("a", 1, 20)], true);
  const corrected = published(again.revisions, [state("a", 1, 30)], false);
  expect([first, taken, again, corrected].flatMap(({ records }) => texts(records))).toEqual(["a 1 open …", "a 2 closed 10", "a 3 void 10", "a 4 closed 20", "a 5 closed 30"]);
});

test("more published blind than is kept to be compared: the hole is given up, and numbers are still not used twice", () => {
  const kept = { state: { stamp: {} as never, detect: null }, cursor: null, standing: {}, live: [] };
  let hole = holeFrom<null>(NO_HOLE, second(0), kept);
  const { log, lines } = testPorts();
  for (let one = 0; one < DOUBTED_LIMIT; one += 1) hole = told(hole, [state(`s${one}`, 1, one)], null).hole;
  expect(bounded(hole, log)).toBe(hole);
  const after = bounded(told(hole, [state(`s${DOUBTED_LIMIT}`, 1, 1)], null).hole, log);
  expect([isNone(after), after.kept, lines.map(({ level }) => level)]).toEqual([false, null, ["error"]]);
  expect(texts(told(after, [state(`s${DOUBTED_LIMIT}`, 1, 5)], null).records)).toEqual([`s${DOUBTED_LIMIT} 2 closed 5`]);
});
