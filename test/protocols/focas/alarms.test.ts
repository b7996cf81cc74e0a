/** Alarms and messages: identity, text in the control's language, what is left where the list is refused. */
import { expect, it } from "vitest";
import type { ActiveAlarm } from "../../../agent/contract/observation.ts";
import { control, run } from "./reading.ts";

const alarmsOf = async (port: number, keys: Readonly<Record<string, unknown>> = {}): Promise<readonly ActiveAlarm[]> => {
  const value = (await run(port, keys)).last("alarm");
  if (typeof value !== "object" || value === null) throw new Error("no set of alarms");
  return value;
};

it("one alarm of each axis is an alarm of its own, with the axis in words", async () => {
  await using server = await control();
  server.control.first.alarms = [1, 2].map((axis) => ({ number: 401, type: 6, axis, text: Buffer.from("SERVO V-READY OFF") }));
  expect(await alarmsOf(server.port)).toEqual([
    { key: "SV0401/1", code: "SV0401", severity: "FAULT", text: "SERVO V-READY OFF (axis X)", nativeType: "SV" },
    { key: "SV0401/2", code: "SV0401", severity: "FAULT", text: "SERVO V-READY OFF (axis Y)", nativeType: "SV" },
  ]);
});

it.each([
  [1, "shift-jis", Buffer.from([0x83, 0x54, 0x81, 0x5b, 0x83, 0x7b]), "サーボ"],
  [1, "shift-jis", Buffer.from([0xbb, 0xb0, 0xce, 0xde]), "ｻｰﾎﾞ"],
  [15, "gbk", Buffer.from([0xb1, 0xa3, 0xbb, 0xa4]), "保护"],
  [16, "cyrillic", Buffer.from([0xce, 0xf8, 0xe8, 0xe1, 0xea, 0xe0]), "Ошибка"],
  [17, "turkish", Buffer.from([0xfe, 0xde]), "şŞ"],
  [2, "western", Buffer.from([0x54, 0xfc, 0x72]), "Tür"],
])("language %i is read as %s", async (language, page, bytes, text) => {
  await using server = await control();
  server.control.first.parameters.set(3281, language);
  server.control.first.alarms = [{ number: 1000, type: 15, text: bytes }];
  server.control.first.messages[2] = bytes;
  const told = await run(server.port);
  expect(told.last("alarm")).toMatchObject([{ code: "EX1000", text }]);
  expect(told.last("message")).toBe(text);
  server.control.first.parameters.set(3281, 0);
  expect(await alarmsOf(server.port, { text: page })).toMatchObject([{ text }]);
});

it("text that is no text of its language, and longer than its field, is cut and shown", async () => {
  await using server = await control();
  server.control.first.alarms = [{ number: 1, type: 3, text: Buffer.alloc(90, 0xff) }];
  const [alarm] = await alarmsOf(server.port, { text: "gbk" });
  expect(alarm?.text).toMatch(/^\ufffd+$/u);
});

it("ten alarms, then none: the set is whole each time", async () => {
  await using server = await control();
  const { first } = server.control;
  first.alarms = Array.from({ length: 12 }, (_, index) => ({ number: 100 + index, type: 3, text: Buffer.from(`P${index}`) }));
  const told = await run(server.port, {}, { until: (_, { length }) => {
    if (length === 2) first.alarms = [];
    return length === 4;
  } });
  expect(told.readings.filter(({ signal }) => signal === "alarm").map(({ value }) => (Array.isArray(value) ? value.length : value))).toEqual([10, 0]);
});

it("without the list: one for each type of the bits; without those: that there is one", async () => {
  await using server = await control();
  server.control.first.alarms = [{ number: 1, type: 3, text: Buffer.alloc(0) }, { number: 2, type: 9, text: Buffer.alloc(0) }];
  server.refuse.set(0x23, 1);
  expect((await alarmsOf(server.port)).map(({ code }) => code)).toEqual(["PS", "SP"]);
  server.refuse.set(0x1a, 1);
  expect((await alarmsOf(server.port)).map(({ code, severity }) => [code, severity])).toEqual([["ALARM", "FAULT"]]);
});

it("a low battery is a warning, and stops nothing", async () => {
  await using server = await control();
  server.control.first.condition = 2;
  expect(await alarmsOf(server.port)).toEqual([{ key: "BATTERY", code: "BATTERY", severity: "WARNING", text: "battery low", nativeType: "STATUS" }]);
});

it("the list is asked for when the bits change, not with each poll", async () => {
  await using server = await control();
  server.control.first.alarms = [{ number: 1, type: 3, text: Buffer.from("A") }];
  await run(server.port, { slow_interval: "60s" }, { until: (_, { length }) => {
    if (length === 3) server.control.first.alarms = [...server.control.first.alarms, { number: 7, type: 6, text: Buffer.from("B") }];
    return length === 8;
  } });
  expect(server.asked.get(0x23)).toBe(2);
});

it("a list that cannot be read once is no end of its alarms: the bits say which types are left, and which came", async () => {
  await using server = await control();
  const { first } = server.control;
  const [protect, servo] = [{ number: 75, type: 3, text: Buffer.from("PROTECT") }, { number: 401, type: 6, text: Buffer.from("V-READY OFF") }];
  const told = await run(server.port, {}, { until: (_, { length }) => {
    if (length === 1) first.alarms = [protect];
    if (length === 3) server.refuse.set(0x23, -1);
    if (length === 10) first.alarms = [protect, servo];
    if (length === 12) first.alarms = [servo];
    if (length === 14) server.refuse.delete(0x23);
    return length === 16;
  } });
  const codes = told.readings.filter(({ signal }) => signal === "alarm").map(({ value }) => (Array.isArray(value) ? value.map(({ code }: ActiveAlarm) => code).join(" ") : value));
  expect(codes).toEqual(["", "PS0075", "PS0075 SV", "SV", "SV0401"]);
});

it("each path has a set of alarms of its own", async () => {
  await using server = await control({ paths: 2 });
  for (const path of server.control.paths) path.alarms = [{ number: 1, type: 3, text: Buffer.from("A") }];
  const told = await run(server.port, { points: [1, 2].map((path) => ({ signal: "alarm", macro: 500, path, alarm: { code: "OIL" } })) });
  const items = told.readings.filter(({ signal }) => signal === "alarm").map(({ item }) => item);
  expect(items).toHaveLength(4);
  expect(new Set(items).size).toBe(4);
});

it("one more of a type that was there is seen when the list is read again: its change may be so old", async () => {
  await using server = await control();
  const { first } = server.control;
  first.alarms = [{ number: 1, type: 3, text: Buffer.from("A") }];
  const told = await run(server.port, {}, { until: (_, { length }) => {
    if (length === 2) first.alarms = [...first.alarms, { number: 2, type: 3, text: Buffer.from("B") }];
    if (length === 8) first.alarms = [];
    return length === 10;
  } });
  const [, more, none] = told.readings.filter(({ signal }) => signal === "alarm").map(({ uncertaintyMs }) => uncertaintyMs ?? 0);
  expect(more).toBeGreaterThan(400);
  expect(none).toBeLessThan(400);
});
