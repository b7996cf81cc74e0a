/** A silence whose readings have no time of their own: what is published of it once the source is back. Times are seconds after START. */
import { describe, expect, test } from "vitest";
import { second } from "../../../support/timeline.ts";
import { away, CYCLE_IN_THE_HOLE, followed, followsTo, news, told, type Said } from "./hole-told.ts";
import { faults } from "./machine-run.ts";

describe("a source that only our clock dates, back within the hold", () => {
  const MANY: Said = [[100, { execution: "ACTIVE" }], [300, { execution: "PROGRAM_COMPLETED" }], [301, { execution: "READY", part_count: 21 }], [400, { execution: "ACTIVE" }], [600, { execution: "PROGRAM_COMPLETED" }], [601, { execution: "READY", part_count: 22 }], [650, { execution: "ACTIVE" }], [3_000, { spindle_speed: 1 }]];
  test.each([[100], [1]])("what it says of the silence has no time: that is a gap, and its counter goes on (%i readings a batch)", async (size) => {
    const run = await followed(MANY, { timePolicy: "gateway" });
    await followsTo(run, 100, 1);
    await followsTo(run, 200, 0);
    const before = run.ledger.rows.length;
    run.cut();
    run.says(8);
    run.passTo(second(700));
    await run.reads(size);
    run.passTo(second(1_500));
    await run.reads(1);
    expect(news(run, before)).toEqual([
      "connection 1 open 200 …", "state 2 closed RUNNING 100 200", "state 1 open UNKNOWN 200 …", "cycle 1 closed 100 200",
      "connection 2 closed 200 700", "state 2 closed UNKNOWN 200 700", "state 1 open RUNNING 700 …", "count 1 closed 200 700",
    ]);
    expect(run.newest("connection")?.body).toMatchObject({ reason: "link-down" });
    expect(run.newest("count")?.body).toMatchObject({ counter: { from: 20, to: 22 }, delta: 2 });
    expect(faults(run)).toEqual([]);
  });

  test("it says nothing of the silence: nothing happened, and what was so before went on", async () => {
    const run = await followed(MANY, { timePolicy: "gateway" });
    await followsTo(run, 100, 1);
    await followsTo(run, 200, 0);
    const before = run.ledger.rows.length;
    await away(run, 295, 0);
    await run.reads(100);
    await followsTo(run, 300, 1);
    expect(news(run, before)).toEqual(["state 2 closed RUNNING 100 300", "state 1 open READY 300 …"]);
  });

  test("after a restart the gap says that we were not running", async () => {
    const run = await followed(MANY, { timePolicy: "gateway" });
    await followsTo(run, 100, 1);
    await followsTo(run, 200, 0);
    await run.stop(() => {
      run.says(2);
      run.passTo(second(350));
    });
    await run.reads(100);
    expect(run.newest("connection")?.body).toMatchObject({ reason: "agent-stopped", status: "closed" });
    expect(told(run.ledger.rows).filter((text) => text.includes("UNKNOWN"))).toEqual(["state 1 open UNKNOWN 200 …", "state 2 closed UNKNOWN 200 350"]);
  });

  test("a blink shorter than the clock's tolerance is none", async () => {
    const run = await followed(MANY, { timePolicy: "gateway" });
    await followsTo(run, 100, 1);
    await followsTo(run, 298, 0);
    run.cut();
    run.says(2);
    run.passTo(second(302));
    await run.reads(100);
    expect(told(run.ledger.rows).filter((text) => text.startsWith("connection"))).toEqual([]);
  });
});

test("a source without positions, back within the hold: its values as they are now tell nothing of the silence", async () => {
  const run = await followed(CYCLE_IN_THE_HOLE, { forgets: true });
  await followsTo(run, 100, 1);
  await followsTo(run, 200, 0);
  await away(run, 500, 0);
  await run.reads(100);
  expect(told(run.ledger.rows).filter((text) => text.startsWith("connection"))).toEqual(["connection 1 open 200 …", "connection 2 closed 200 500"]);
  expect(run.live("state")).toBe("RUNNING");
});
