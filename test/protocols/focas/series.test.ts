/** One driver, four series: what each has is found by asking, and all give the same signals. Real sockets, simulated controls. */
import { describe, expect, it } from "vitest";
import { SERIES } from "../../../agent/simulate/focas/profile.ts";
import { RUN } from "../../../agent/simulate/focas/control.ts";
import { SIGNAL_ROWS } from "../../../protocols/focas/signals.ts";
import { control, run } from "./reading.ts";

describe.each(SERIES)("%s", (series) => {
  it("tells everything, each in its own way", async () => {
    await using server = await control({ series });
    const { first } = server.control;
    Object.assign(first, { main: 1234, running: 9010, sequence: 120, feed: 600, spindle: 8_000, spindleLoad: 31, lastM: 3, tool: 7 });
    first.run = RUN.start;
    first.directory.set(1234, Buffer.from("(BRACKET OP10)"));
    for (const [number, value] of [[6711, 412], [6712, 90_412], [6713, 500], [6750, 1_000]] as const) first.parameters.set(number, value);
    first.messages[0] = Buffer.from("OIL LEVEL LOW");
    first.messages[4] = Buffer.from("CHECK TOOL 7");
    server.control.setPmc(0, 12, 255 - 80);
    Object.assign(first.axes[1] ?? {}, { position: -12.345, load: 44 });
    const told = await run(server.port, { length_unit: "mm", positions: ["machine"], servo_load: true });
    expect(told.error).toBeNull();
    const values = Object.fromEntries(told.readings.map(({ signal, value }) => [signal, value]));
    expect(values).toMatchObject({
      availability: "AVAILABLE", execution: "ACTIVE", controller_mode: "AUTOMATIC", emergency_stop: "ARMED", alarm: [],
      program: "O1234", subprogram: "O9010", program_comment: "BRACKET OP10", block: "N120", tool: "7",
      part_count: 412, part_count_target: 500, "point/parts_total": 90_412,
      spindle_speed: 8_000, spindle_load: 31, feedrate: 10, feed_override: 80, spindle_override: 100,
      message: "OIL LEVEL LOW; CHECK TOOL 7", "point/machine_Y": -12.345, "point/servo_load_Y": 44,
    });
    for (const time of ["power_on_time", "operating_time", "cutting_time", "cycle_time"]) expect(values[`point/${time}`]).toBeTypeOf("number");
    expect(told.readings.filter(({ quality }) => quality !== "GOOD")).toEqual([]);
    // The table of signals says neither more nor less than is read.
    expect(new Set(told.readings.map(({ signal }) => signal).filter((signal) => !signal.startsWith("point/")))).toEqual(new Set(SIGNAL_ROWS.map(({ signal }) => signal).filter((signal) => signal !== "rapid_override")));
    expect(told.ports.lines).toEqual([]);
    expect(told.peer).toContain(`FANUC ${series === "16i" ? "16i-A" : series}`);
    expect(server.stats).toMatchObject({ opened: 1, writes: 0, refused: 0 });
    await expect.poll(() => server.stats.closed, { interval: 5 }).toBe(1);
  });
});

it("asks for all that decides in one frame, and never again for what was refused", async () => {
  await using server = await control({ series: "16i" });
  const polls = 6;
  await run(server.port, {}, { until: (_, { length }) => length === polls });
  // Parameters of the 30i class, rdcommand and the timers: tried once, when it connected.
  expect(server.asked.get(0x97) ?? 0).toBeLessThanOrEqual(1);
  expect(server.asked.get(0x8d) ?? 0).toBeLessThanOrEqual(8);
  expect(server.asked.get(0x19)).toBe(polls + 1);
});

it("a control without a spindle, without rdcommand, without counter: only those values are not there", async () => {
  await using server = await control({ series: "31i-B" });
  for (const [command, status] of [[0x25, 1], [0x40, 4], [0x97, 1], [0x15, 6], [0x8d, 6], [0x0e, 1], [0x23, 1]] as const) server.refuse.set(command, status);
  const told = await run(server.port, { length_unit: "mm" });
  expect(told.error).toBeNull();
  expect(told.readings.filter(({ quality }) => quality === "UNAVAILABLE").map(({ signal }) => signal).sort()).toEqual(["part_count", "part_count_target", "point/parts_total", "program_comment", "spindle_load", "spindle_speed", "tool"]);
  expect(told.last("execution")).toBe("READY");
  expect(JSON.stringify(told.ports.lines)).toContain("spindle speed");
});

it("the counter by macro where the parameter is refused", async () => {
  await using server = await control();
  server.refuse.set(0x8d, 17);
  server.control.first.parameters.set(6711, 77);
  expect((await run(server.port)).last("part_count")).toBe(77);
});

it("a refusal that passes takes the value away and gives it back", async () => {
  await using server = await control();
  let polls = 0;
  const told = await run(server.port, {}, { until: () => {
    polls++;
    if (polls === 2) server.refuse.set(0x24, -1);
    if (polls === 4) server.refuse.delete(0x24);
    return polls === 6;
  } });
  expect(told.readings.filter(({ signal }) => signal === "feedrate").map(({ value }) => value)).toEqual([0, null, 0]);
  expect(told.error).toBeNull();
});

it("a status in another layout is not guessed at", async () => {
  await using server = await control();
  server.refuse.set(0x19, 1);
  const told = await run(server.port);
  for (const signal of ["execution", "controller_mode", "emergency_stop", "alarm"]) expect(told.readings.findLast((one) => one.signal === signal)).toMatchObject({ quality: "UNAVAILABLE", value: null });
  expect(told.last("part_count")).toBe(0);
});

it("feed in a unit that nobody named is uncertain; inches are turned into mm", async () => {
  await using server = await control();
  server.control.first.feed = 60;
  expect((await run(server.port)).readings.find(({ signal }) => signal === "feedrate")).toMatchObject({ quality: "UNCERTAIN", value: 1 });
  expect((await run(server.port, { length_unit: "inch" })).readings.find(({ signal }) => signal === "feedrate")).toMatchObject({ quality: "GOOD", value: 25.4 });
});

describe("several paths", () => {
  it("each speaks for itself, with its number", async () => {
    await using server = await control({ paths: 2 });
    const [one, two] = server.control.paths;
    Object.assign(one ?? {}, { main: 1, running: 1 });
    Object.assign(two ?? {}, { main: 2, running: 2, emergency: 1 });
    if (one) one.run = RUN.start;
    two?.parameters.set(6711, 9);
    const told = await run(server.port);
    expect(told.peer).toContain("2 paths");
    expect([told.last("execution", 1), told.last("program", 1), told.last("emergency_stop", 1)]).toEqual(["ACTIVE", "O0001", "ARMED"]);
    expect([told.last("execution", 2), told.last("program", 2), told.last("emergency_stop", 2), told.last("part_count", 2)]).toEqual(["STOPPED", "O0002", "TRIGGERED", 9]);
    expect(told.last("availability")).toBe("AVAILABLE");
  });

  it("bound to one of them, it is the machine's only one", async () => {
    await using server = await control({ paths: 2 });
    Object.assign(server.control.paths[1] ?? {}, { main: 2222, running: 2222 });
    const told = await run(server.port, { path: 2 });
    expect(told.last("program")).toBe("O2222");
    expect(told.peer).toContain("path 2");
    expect(told.readings.filter(({ path }) => path !== undefined)).toEqual([]);
  });

  it("a path that is not there is said so", async () => {
    await using server = await control();
    expect((await run(server.port, { path: 3 })).error?.message).toContain("has it a path 3?");
    await expect.poll(() => server.stats.closed, { interval: 5 }).toBe(1);
  });
});

describe("points", () => {
  it("macro, PMC byte, bit, word and long, parameter, diagnosis; one may take a signal's place", async () => {
    await using server = await control();
    const { first } = server.control;
    first.macros.set(520, 12.5);
    first.macros.set(521, null);
    first.parameters.set(308, 41);
    for (const [address, byte] of [[100, 0b1000], [200, 0xfe], [201, 0xff], [202, 0x05], [203, 0x00]] as const) server.control.setPmc(address === 100 ? 5 : 9, address, byte);
    const told = await run(server.port, { points: [
      { signal: "point/pressure", macro: 520, scale: 2 }, { signal: "point/vacant", macro: 521 }, { signal: "door", pmc: "R100.3", values: { 0: "OPEN", 1: "CLOSED" } },
      { signal: "point/byte", pmc: "D201" }, { signal: "point/word", pmc: "D200", as: "word", signed: true }, { signal: "point/long", pmc: "D200", as: "long" },
      { signal: "point/temperature", diagnosis: 308, axis: 1 }, { signal: "point/none", parameter: 9_999 }, { signal: "part_count", macro: 520, scale: 2 },
    ] });
    expect(Object.fromEntries(told.readings.filter(({ signal }) => /^(?:point\/(?!p|o|c|cy)|point\/pressure|door|part_count$)/u.test(signal)).map(({ signal, value }) => [signal, value]))).toEqual({
      "point/pressure": 25, "point/vacant": null, door: "CLOSED", "point/byte": 255, "point/word": -2, "point/long": 0x0005_fffe, "point/temperature": 41, "point/none": null, part_count: 25,
    });
  });

  it.each(["31i-B", "0i-F"] as const)("%s: neighbours are read as one range, or one by one where that is answered short", async (series) => {
    await using server = await control({ series });
    for (let number = 500; number < 510; number++) server.control.first.macros.set(number, number / 10);
    for (let address = 0; address < 40; address++) server.control.setPmc(5, address, address);
    const points = [
      ...[500, 501, 503, 507].map((macro) => ({ signal: `point/m${macro}`, macro })),
      ...["R0", "R1", "R7.2", "R39"].map((pmc) => ({ signal: `point/${pmc}`, pmc })), ...["R10", "R12", "R15"].map((pmc) => ({ signal: `point/w${pmc}`, pmc, as: "word" })),
    ];
    const polls = 4;
    const told = await run(server.port, { points, overrides: { feed: null, spindle: null } }, { until: (_, { length }) => length === polls });
    const values = Object.fromEntries(told.readings.map(({ signal, value }) => [signal, value]));
    expect(values).toMatchObject({
      "point/m500": 50, "point/m501": 50.1, "point/m503": 50.3, "point/m507": 50.7, "point/R0": 0, "point/R1": 1, "point/R7.2": 1, "point/R39": 39,
      "point/wR10": 0x0b0a, "point/wR12": 0x0d0c, "point/wR15": 0x100f,
    });
    // Three ranges and R15, which does not line up with the other words; on the other one each byte and word by itself.
    expect(server.asked.get(0x15)).toBe(polls);
    expect(server.asked.get(0x8001)).toBe(series === "31i-B" ? 3 * polls + 1 : 7 * polls + 2 + 1);
  });

  it("one number of a range that is not there costs only itself", async () => {
    await using server = await control();
    for (const number of [6_711, 6_712]) server.control.first.parameters.set(number, 1);
    server.control.setPmc(5, 1_020, 7);
    const told = await run(server.port, { points: [{ signal: "point/in", pmc: "R1020" }, { signal: "point/out", pmc: "R1030" }] }, { until: (_, { length }) => length === 2 });
    expect([told.error, told.last("point/in"), told.last("point/out")]).toEqual([null, 7, null]);
  });
});
