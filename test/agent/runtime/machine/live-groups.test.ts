/** Values that are shown together: one message for the group, whatever of it changed. */
import { expect, it } from "vitest";
import { groupOf } from "../../../../agent/contract/finding.ts";
import { unixMs } from "../../../../agent/contract/time.ts";
import { createBoard } from "../../../../agent/runtime/link/board.ts";
import { LiveValues } from "../../../../agent/runtime/machine/machine-live.ts";
import { liveUpdates } from "../../../../buffer/mqtt/sparkplug/updates.ts";

it("a name of a group, of a further path, and of none", () => {
  expect(groupOf("point/meter:voltage")).toEqual({ group: "point/meter", member: "voltage" });
  expect(groupOf("point/meter:voltage/2")).toEqual({ group: "point/meter/2", member: "voltage" });
  expect([groupOf("point/voltage"), groupOf("point/voltage/2"), groupOf("execution/2"), groupOf("point/:x")]).toEqual([null, null, null, null]);
});

it("one message, with all that is known; what is lost is null in it", async () => {
  const board = createBoard();
  const told: (readonly [string, unknown])[] = [];
  board.onChange((changed) => { for (const one of changed) if (one.scope === "live") told.push([one.name, one.payload]); });
  const live = new LiveValues("VMC-3", board);
  const at = (ms: number): ReturnType<typeof unixMs> => unixMs(Date.UTC(2026, 0, 5) + ms);
  const take = (name: string, value: number | null, ms: number): void => { live.take({ kind: "live", name, value, at: at(ms) }); };
  take("point/meter:voltage", 230, 0);
  take("point/meter:current", 5, 1_000);
  take("point/alone", 1, 0);
  live.show();
  await Promise.resolve();
  expect(told.splice(0)).toEqual([["point/alone", { value: 1, at: "2026-01-05T00:00:00.000Z" }], ["point/meter", { values: { voltage: 230, current: 5 }, at: "2026-01-05T00:00:01.000Z" }]]);
  take("point/meter:voltage", 231, 2_000);
  live.show();
  await Promise.resolve();
  expect(told.splice(0)).toEqual([["point/meter", { values: { voltage: 231, current: 5 }, at: "2026-01-05T00:00:02.000Z" }]]);
  live.lose(at(3_000));
  live.show();
  await Promise.resolve();
  expect(told).toEqual([["point/alone", { value: null, at: "2026-01-05T00:00:03.000Z" }], ["point/meter", { values: { voltage: null, current: null }, at: "2026-01-05T00:00:03.000Z" }]]);
});

it("a SCADA host sees each as a metric of its own", () => {
  const updates = liveUpdates({ scope: "live", machine: "VMC-3", name: "point/meter", payload: { values: { voltage: 230.5, over_power: false, current: null }, at: "2026-01-05T00:00:00.000Z" } });
  expect(updates.map(({ metric, datatype, value, quality }) => [metric, datatype, value, quality])).toEqual([["Points/meter/voltage", "Double", 230.5, "good"], ["Points/meter/over_power", "Boolean", false, "good"], ["Points/meter/current", "String", null, "bad"]]);
});
