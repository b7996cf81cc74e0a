/** What a control may say that the simulated one does not: other series, other paths, numbers that cannot be. */
import { expect, it } from "vitest";
import { run } from "./reading.ts";
import { longs, rawControl, system, words, type RawAnswer } from "./raw-control.ts";

const STATUS = words(1, 2, 0, 0, 0, 0, 0);
const first = (answers: Readonly<Record<number, RawAnswer>>) => ({ path, command }: { readonly path: number; readonly command: number }): RawAnswer => (path === 1 ? answers[command] ?? 1 : 11);

it.each([["15", "M"], ["16", "W"], ["18", "W"]])("a %si %s means something else by its status: it is not read, though it has the usual length", async (type, machine) => {
  await using raw = await rawControl(first({ 0x18: system(type, machine), 0x19: STATUS }));
  const told = await run(raw.port, {}, { until: (_, { length }) => length === 2 });
  for (const signal of ["execution", "controller_mode", "emergency_stop", "alarm"]) expect(told.readings.findLast((one) => one.signal === signal)).toMatchObject({ quality: "UNAVAILABLE", value: null });
  expect(raw.asked.filter(({ command }) => command === 0x19)).toEqual([]);
});

it("a wire EDM of the 30i class has the usual words", async () => {
  await using raw = await rawControl(first({ 0x18: system("31", "W"), 0x19: STATUS }));
  expect((await run(raw.port)).last("execution")).toBe("FEED_HOLD");
});

it("asked for a second path, the first one answers: it has one", async () => {
  const answers: Readonly<Record<number, RawAnswer>> = { 0x18: system("31", "M"), 0x19: STATUS };
  await using raw = await rawControl(({ command }) => answers[command] ?? 1, () => 1);
  const told = await run(raw.port);
  expect(told.error).toBeNull();
  expect(told.readings.find(({ signal }) => signal === "execution")).not.toHaveProperty("path");
});

it("asked for a second path, it cuts the connection: what to do is said", async () => {
  await using raw = await rawControl(({ path }) => (path === 1 ? system("31", "M") : "reset"));
  expect((await run(raw.port)).error?.message).toContain("if it has one path, say path: 1");
});

it("numbers that cannot be are not told, and not asked with", async () => {
  const number8 = Buffer.concat([longs(-3), words(10, 0)]);
  await using raw = await rawControl(first({
    0x18: system("31", "M"), 0x19: STATUS, 0x1c: longs(-5, 0x7fff_ffff), 0x1d: longs(-99), 0x8d: Buffer.concat([longs(6711), words(0, 2), number8, Buffer.alloc(248)]),
  }));
  const told = await run(raw.port);
  for (const signal of ["program", "subprogram", "block", "part_count"]) expect(told.readings.find((one) => one.signal === signal)).toMatchObject({ quality: "UNAVAILABLE", value: null });
  expect(raw.asked.filter(({ command }) => command === 0x06)).toEqual([]);
});

it("answers too short to say anything say nothing, and no message is not read out of them", async () => {
  const one = Buffer.alloc(1);
  await using raw = await rawControl(first({ 0x18: system("31", "M"), ...Object.fromEntries([0x19, 0x1a, 0x1c, 0x1d, 0x24, 0x25, 0x97, 0x8d, 0x15, 0x34, 0x40, 0x23, 0x120].map((command) => [command, one])) }));
  const told = await run(raw.port, {}, { until: (_, { length }) => length === 2 });
  expect(told.readings.filter(({ signal, quality }) => quality !== "UNAVAILABLE" && signal !== "availability").map(({ signal, value }) => [signal, value])).toEqual([]);
});

it("what is refused for a while, in some mode, is there again with the first answer", async () => {
  let polls = 0;
  const answers: Readonly<Record<number, RawAnswer>> = { 0x18: system("31", "M"), 0x19: STATUS, 0x8d: Buffer.concat([longs(6711), words(0, 2), longs(7), words(10, 0), Buffer.alloc(248)]) };
  await using raw = await rawControl(({ path, command, args: [number] }) => {
    if (command === 0x19) polls++;
    if (path !== 1 || (command === 0x8d && number !== 6711) || (polls > 2 && polls < 20)) return path === 1 ? 1 : 11;
    return answers[command] ?? 1;
  });
  const told = await run(raw.port, {}, { until: () => polls >= 26 });
  for (const signal of ["execution", "part_count"]) expect(told.readings.filter((one) => one.signal === signal).map(({ quality }) => quality)).toEqual(["GOOD", "UNAVAILABLE", "GOOD"]);
});

it("a directory that is busy is asked again for the comment", async () => {
  let tries = 0;
  const answers: Readonly<Record<number, RawAnswer>> = { 0x18: system("31", "M"), 0x19: STATUS, 0x1c: longs(7, 7) };
  await using raw = await rawControl(({ path, command }) => {
    if (path !== 1) return 11;
    return command === 0x06 ? (++tries < 3 ? -1 : Buffer.concat([longs(7, 100, 0x2853_2900), Buffer.alloc(60)])) : answers[command] ?? 1;
  });
  const told = await run(raw.port, {}, { until: (_, { length }) => length === 5 });
  expect([told.last("program_comment"), tries]).toEqual(["S", 3]);
});
