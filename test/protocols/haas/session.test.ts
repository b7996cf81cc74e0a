/** Polls of a simulated control over real sockets: what is read, what others on the line say, and what goes wrong. */
import { connect as tcp } from "node:net";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { Control } from "../../../agent/simulate/haas/control.ts";
import { startHaasPort } from "../../../agent/simulate/haas/port.ts";
import { testPorts } from "../../support/ports.ts";
import { IDLE, idleControl, of, run } from "./reading.ts";

const clock = systemClock();
const at = (port: number) => ({ host: "127.0.0.1", port });
/** Nothing was written, whatever the test did. */
const onlyAsked = (control: Control): void => {
  expect([control.writes, control.questions > 0]).toEqual([0, true]);
};

/** Before it answers, `disturb` is called: with true where the question is the wanted one. */
class Disturbed extends Control {
  readonly #disturb: (isWanted: boolean) => void;
  readonly #wanted: string;
  constructor(disturb: (isWanted: boolean) => void, wanted: string) {
    super({ dialect: "ngc", clock });
    this.#disturb = disturb;
    this.#wanted = wanted;
  }
  override answer(line: string): string | null {
    const isWanted = line.includes(this.#wanted);
    this.#disturb(isWanted);
    return super.answer(line);
  }
}

describe("what is read", () => {
  it("of an NGC: states first, then what changes", async () => {
    const control = idleControl();
    await using port = await startHaasPort(control, { clock });
    const result = await run(at(port.port), {
      until(_, all) {
        if (all.length === 7) control.set({ execution: "ACTIVE" });
        if (all.length === 9) control.set({ execution: "FEED_HOLD" });
        if (all.length === 11) control.set({ execution: "READY", part_count: "381" });
        return all.length === 13;
      },
    });
    expect(result.peer).toBe(`Haas VF-2SS at 127.0.0.1:${port.port}, serial number 1234567, software 100.17.000.2037`);
    expect(result.batches[0]?.items).toMatchObject([
      { signal: "tool", value: "4", initial: true, path: 1 }, { signal: "part_count", value: 380, initial: true }, { signal: "controller_mode", value: "AUTOMATIC", initial: true },
      { signal: "execution", value: "READY", initial: true }, { signal: "alarm", value: [], item: "status" }, { signal: "program", value: "O00123", initial: true },
    ]);
    expect(result.batches.every(({ caughtUp, cursor, sourceNow }) => caughtUp && cursor === undefined && sourceNow === undefined)).toBe(true);
    expect([of(result, "execution"), of(result, "part_count")]).toEqual([["READY", "ACTIVE", "FEED_HOLD", "READY"], [380, 381]]);
    expect(result.readings.filter(({ signal, initial }) => signal === "execution" && initial !== true).filter(({ uncertaintyMs = 0 }) => uncertaintyMs < 1 || !Number.isInteger(uncertaintyMs))).toEqual([]);
    expect(of(result, "point/power_on_time")[0]).toBeGreaterThanOrEqual(6_282 * 3_600);
    expect(result.readings.filter(({ initial, signal }) => initial !== true && !signal.startsWith("point/")).map(({ signal }) => signal)).toEqual(["execution", "execution", "part_count", "execution"]);
    onlyAsked(control);
  });

  it("of a classic control: BUSY is running, and its program's name stands from before", async () => {
    const control = idleControl({ dialect: "classic" });
    await using port = await startHaasPort(control, { clock });
    const result = await run({ ...at(port.port), dialect: "classic" }, {
      until(_, all) {
        if (all.length === 1) control.set({ execution: "ACTIVE" });
        return all.length === 3;
      },
    });
    expect([of(result, "execution"), of(result, "program"), of(result, "controller_mode")]).toEqual([["READY", "ACTIVE"], ["O00123"], ["AUTOMATIC"]]);
  });

  it("a program that runs since before we connected has no name", async () => {
    const control = idleControl({ dialect: "classic" });
    control.set({ execution: "ACTIVE" });
    await using port = await startHaasPort(control, { clock });
    const result = await run({ ...at(port.port), dialect: "auto" }, { until: (_, all) => all.length === 2 });
    expect(result.readings.find(({ signal }) => signal === "program")).toMatchObject({ quality: "UNAVAILABLE", value: null });
  });

  it("ALARM ON is an alarm without a name, and stopped", async () => {
    const control = idleControl();
    control.alarm(true);
    await using port = await startHaasPort(control, { clock });
    const result = await run(at(port.port), {
      until(_, all) {
        if (all.length === 1) control.alarm(false);
        return all.length === 3;
      },
    });
    expect(of(result, "execution")).toEqual(["STOPPED", "READY"]);
    expect(of(result, "alarm")).toMatchObject([[{ key: "ALARM ON", severity: "FAULT", code: "" }], []]);
  });

  it("a word that nobody knows: running while the motion timer moves, else itself, as uncertain; or as the YAML says", async () => {
    const real = systemClock(20);
    const control = new Control({ dialect: "ngc", clock: real, runningWord: "CYCLING" });
    control.set({ execution: "ACTIVE", controller_mode: "AUTOMATIC", program: "O1", part_count: "1" });
    await using port = await startHaasPort(control, { clock });
    const result = await run(at(port.port), { ports: testPorts({ network: real }), until: (_, all) => all.length === 4 });
    expect(result.said.filter((text) => text.startsWith("execution"))).toEqual(["execution CYCLING ?", "execution ACTIVE"]);
    const told = await run({ ...at(port.port), words: { cycling: "ACTIVE" } }, { until: () => true });
    expect(of(told, "execution")).toEqual(["ACTIVE"]);
  });

  it.each([["MANUAL", "MANUAL"], ["MANUAL_DATA_INPUT", "MANUAL_DATA_INPUT"], ["EDIT", "EDIT"]])("mode %s", async (mode, wanted) => {
    for (const dialect of ["ngc", "classic"] as const) {
      const control = idleControl({ dialect });
      control.set({ controller_mode: mode });
      await using port = await startHaasPort(control, { clock });
      expect(of(await run(at(port.port), { until: () => true }), "controller_mode")).toEqual([wanted]);
    }
  });

  it("a variable for a signal that the driver has by itself takes its place", async () => {
    const control = idleControl();
    control.setVariable(3901, "77");
    await using port = await startHaasPort(control, { clock });
    const result = await run({ ...at(port.port), variables: [{ variable: 3901, signal: "part_count" }] }, { until: (_, all) => all.length === 3 });
    expect(of(result, "part_count")).toEqual([77]);
  });

  it("a mode that nobody knows is kept, as uncertain, or is what the YAML says", async () => {
    class Starting extends Control {
      override answer(line: string): string | null {
        return line.includes("Q104") ? "MODE, STARTUP_MODE" : super.answer(line);
      }
    }
    const starting = new Starting({ dialect: "ngc", clock });
    starting.set(IDLE);
    await using port = await startHaasPort(starting, { clock });
    expect((await run(at(port.port), { until: () => true })).said).toContain("controller_mode STARTUP_MODE ?");
    expect((await run({ ...at(port.port), modes: { startup_mode: "MANUAL" } }, { until: () => true })).said).toContain("controller_mode MANUAL");
  });

  it("variables: in turn, with scale and words; unset ones are unavailable", async () => {
    const control = idleControl();
    control.setVariable(3027, "7500");
    control.setVariable(1098, "315");
    control.setVariable(1007, "1");
    await using port = await startHaasPort(control, { clock });
    const variables = [{ variable: 3027, signal: "spindle_speed" }, { variable: 1098, signal: "spindle_load", scale: 0.1 }, { variable: 1007, signal: "emergency_stop", values: { 0: "ARMED", 1: "TRIGGERED" } }, { variable: 100, signal: "point/never_set" }];
    const result = await run({ ...at(port.port), variables }, { until: (_, all) => all.length === 2 });
    expect([of(result, "spindle_speed"), of(result, "spindle_load"), of(result, "emergency_stop"), of(result, "point/never_set")]).toEqual([[7_500], [31.5], ["TRIGGERED"], [null]]);
    expect(result.readings.find(({ signal }) => signal === "spindle_speed")).toMatchObject({ item: "Q600 3027" });
    onlyAsked(control);
  });
});

describe("framings", () => {
  it.each([["doubled prompts", { doublePrompt: true }], ["one byte at a time", { fragments: true }], ["first questions answered by themselves", { firstUnknown: 2 }], ["slow answers", { delayMs: 30 }], ["the first question lost", { loses: 1 }]])("%s", async (_, troubles) => {
    for (const dialect of ["ngc", "classic"] as const) {
      const control = idleControl({ dialect });
      await using port = await startHaasPort(control, { clock });
      Object.assign(port.lines.troubles, troubles);
      const result = await run({ ...at(port.port), dialect }, { until: (_batch, all) => all.length === 2 });
      expect([result.error, of(result, "execution"), of(result, "part_count")]).toEqual([null, ["READY"], [380]]);
      onlyAsked(control);
    }
  });
});

describe("others on the line", () => {
  it("a third client is cut off, and told so", async () => {
    await using port = await startHaasPort(idleControl(), { clock });
    const [one, two] = [tcp(port.port, "127.0.0.1"), tcp(port.port, "127.0.0.1")];
    await expect.poll(() => port.clients, { interval: 2 }).toBe(2);
    expect((await run(at(port.port))).error).toMatchObject({ fault: "lost" });
    one.destroy();
    two.destroy();
  });

  it("the answers to another client's questions are not ours", async () => {
    const control = idleControl();
    control.setVariable(3027, "7500");
    control.setVariable(666, "1");
    await using port = await startHaasPort(control, { clock });
    port.lines.troubles.delayMs = 5;
    const other = tcp(port.port, "127.0.0.1");
    other.on("data", () => undefined);
    const chatter = (): void => void other.write("?Q600 666\r\n?Q403\r\n?Q303\r\n?Q999\r\n?Q102\r\n");
    const timer = setInterval(chatter, 60);
    try {
      const result = await run({ ...at(port.port), timeout: "2s", variables: [{ variable: 3027, signal: "spindle_speed" }] }, { until: (_, all) => all.length === 12 });
      expect(result.error).toBeNull();
      // Never the other's variable: ours, or not known.
      expect(of(result, "spindle_speed").filter((value) => value !== 7_500 && value !== null)).toEqual([]);
      expect([of(result, "execution"), of(result, "part_count"), of(result, "tool"), of(result, "program")]).toEqual([["READY"], [380], ["4"], ["O00123"]]);
    } finally {
      clearInterval(timer);
      other.destroy();
    }
  });

  it("an answer that looks like ours before ours: the variable is not believed, three times over it is unavailable", async () => {
    const control = new Disturbed((isWanted) => { if (isWanted) port.lines.say("MACRO, 1.0"); }, "Q600");
    control.set(IDLE);
    control.setVariable(3027, "7500");
    await using port = await startHaasPort(control, { clock });
    const result = await run({ ...at(port.port), variables: [{ variable: 3027, signal: "spindle_speed" }] }, { until: (_, all) => all.length === 5 });
    expect(of(result, "spindle_speed")).toEqual([null]);
  });
});

describe("what goes wrong", () => {
  it("an answer that comes too late is never taken for the next one", async () => {
    let late = 0;
    const control = new Disturbed((isWanted) => { port.lines.troubles.delayMs = isWanted && late-- > 0 ? 400 : 0; }, "Q402");
    control.set(IDLE);
    await using port = await startHaasPort(control, { clock });
    const result = await run({ ...at(port.port), timeout: "300ms" }, {
      until(_, all) {
        if (all.length === 2) late = 1;
        if (all.length === 3) control.set({ part_count: "381" });
        if (all.length === 5) control.set({ part_count: "382" });
        return all.length === 8;
      },
    });
    expect(result.error).toBeNull();
    expect([of(result, "part_count"), of(result, "execution"), of(result, "controller_mode")]).toEqual([[380, 381, 382], ["READY"], ["AUTOMATIC"]]);
  });

  it("a question that is refused or never answered makes its value unavailable after three polls, and no other", async () => {
    class Deaf extends Control {
      override answer(line: string): string | null {
        if (line.includes("Q104")) return null;
        return line.includes("Q402") ? "?, ?Q402" : super.answer(line);
      }
    }
    const control = new Deaf({ dialect: "ngc", clock });
    control.set({ execution: "READY", program: "O1" });
    await using port = await startHaasPort(control, { clock });
    const result = await run({ ...at(port.port), timeout: "100ms" }, {
      until(_, all) {
        if (all.length === 3) control.set({ execution: "ACTIVE" });
        return all.length === 6;
      },
    });
    expect(result.error).toBeNull();
    expect([of(result, "controller_mode"), of(result, "part_count"), of(result, "execution")]).toEqual([[null], [null], ["READY", "ACTIVE"]]);
    expect(result.batches.slice(0, 2).flatMap(({ items }) => items).filter((item) => item.kind === "reading" && item.value === null)).toEqual([]);
  });

  it("a control that says nothing any more is lost after three questions", async () => {
    const control = idleControl();
    await using port = await startHaasPort(control, { clock });
    const { error } = await run({ ...at(port.port), timeout: "100ms" }, {
      until(_, all) {
        port.lines.troubles.hangs = all.length >= 2;
        return false;
      },
    });
    expect(error).toMatchObject({ fault: "timeout" });
    expect(error?.message).toContain("does not answer (Q");
  });

  it("a port that answers something else, or nothing, is told with what to look at", async () => {
    await using port = await startHaasPort(idleControl(), { clock });
    port.lines.troubles.firstUnknown = 1_000;
    expect((await run(at(port.port))).error?.message).toMatch(/answers Q100 with ".*Q100": is this the port of Setting 143/u);
    port.lines.troubles.hangs = true;
    expect((await run({ ...at(port.port), timeout: "100ms" })).error?.message).toMatch(/does not answer Q100: is Setting 143 this port's number/u);
  });

  it("counts that go down, and names with commas", async () => {
    const control = idleControl();
    control.set({ program: "PART 7, OP 2" });
    await using port = await startHaasPort(control, { clock });
    const result = await run({ ...at(port.port), counter: 2 }, {
      until(_, all) {
        if (all.length === 1) control.set({ part_count: "0" });
        return all.length === 2;
      },
    });
    expect([of(result, "program"), of(result, "part_count")]).toEqual([["PART 7, OP 2"], [380, 0]]);
  });
});
