/** What a machine shows as current, through lost links, holes and restarts. Times are seconds after START. */
import { describe, expect, test } from "vitest";
import { fault, second } from "../../../support/timeline.ts";
import { away, begun, CYCLE_IN_THE_HOLE, followsTo, type Said } from "./hole-told.ts";
import type { Run } from "./machine-run.ts";

test("a cable back within the hold: the board shows again what it showed, though nothing changed", async () => {
  const run = await begun(CYCLE_IN_THE_HOLE);
  await followsTo(run, 200, 1);
  run.cut();
  expect(run.live("state")).toBe("UNKNOWN");
  await run.reads(100);
  expect(run.live("state")).toBe("RUNNING");
});

describe("current values", () => {
  const WITH_DOOR: Said = [[100, { execution: "ACTIVE", door: "CLOSED" }], [2_000, { execution: "READY" }], [3_000, { execution: "ACTIVE" }]];
  const shown = (run: Run): unknown[] => ["state", "availability", "execution", "door", "part_count", "spindle_speed"].map((name) => run.live(name));

  test("when the link is lost: its machine is not available, whatever it said last; back within the hold it is again", async () => {
    const run = await begun(WITH_DOOR);
    await followsTo(run, 200, 2);
    expect(shown(run)).toEqual(["RUNNING", "AVAILABLE", "ACTIVE", "CLOSED", 20, 0]);
    run.cut();
    expect(shown(run).slice(0, 2)).toEqual(["UNKNOWN", "UNAVAILABLE"]);
    await run.reads(100);
    expect(shown(run)).toEqual(["RUNNING", "AVAILABLE", "ACTIVE", "CLOSED", 20, 0]);
  });

  test("after the hold nothing old is shown as current; what did not change is shown again when the source is back", async () => {
    const run = await begun(WITH_DOOR);
    await followsTo(run, 200, 2);
    await away(run, 1_500, 0);
    expect(shown(run)).toEqual(["UNKNOWN", "UNAVAILABLE", null, null, null, null]);
    await run.reads(100);
    expect(shown(run)).toEqual(["RUNNING", "AVAILABLE", "ACTIVE", "CLOSED", 20, 0]);
  });

  test.each([["without", { forgets: true }], ["with", {}]] as const)("that no alarm is active is not known without sight either, and known again after it (a source %s positions)", async (_, source) => {
    const run = await begun([[50, { alarm: [fault("1")] }], [60, { alarm: [] }], [100, { execution: "ACTIVE" }]], source);
    await followsTo(run, 50, 1);
    await followsTo(run, 60, 1);
    await followsTo(run, 200, 1);
    expect(run.live("alarms")).toEqual([]);
    await away(run, 1_500, 0);
    expect(run.live("alarms")).toBeNull();
    await run.reads(100);
    expect(run.live("alarms")).toEqual([]);
  });

  test("after a restart they are unknown until the source is back, then all of them are shown, changed or not", async () => {
    const run = await begun(WITH_DOOR);
    await followsTo(run, 200, 2);
    await run.stop();
    expect(shown(run).slice(0, 2)).toEqual(["UNKNOWN", "UNAVAILABLE"]);
    await run.reads(100);
    expect(shown(run)).toEqual(["RUNNING", "AVAILABLE", "ACTIVE", "CLOSED", 20, 0]);
  });

  test("a restart in the hold, and one in the hole: nothing old is shown, and all of it again at the end", async () => {
    const run = await begun(WITH_DOOR);
    await followsTo(run, 200, 2);
    run.cut();
    await run.stop();
    await away(run, 1_500, 0);
    expect(shown(run)).toEqual(["UNKNOWN", "UNAVAILABLE", null, null, null, null]);
    run.kill();
    run.passTo(second(3_000));
    expect(shown(run)).toEqual(["UNKNOWN", "UNAVAILABLE", null, null, null, null]);
    await run.reads(100);
    expect(shown(run)).toEqual(["RUNNING", "AVAILABLE", "ACTIVE", "CLOSED", 20, 0]);
  });
});
