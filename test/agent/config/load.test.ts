/** Good files: what they mean, and what they leave out. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeConfiguration, loadConfiguration } from "../../../agent/config/load.ts";
import type { Configuration } from "../../../agent/config/model.ts";
import { mqttDestination } from "../../../buffer/mqtt/destination.ts";
import { MTCONNECT_SHAPE } from "../../../protocols/mtconnect/config.ts";
import { GOOD, HOST, KINDS } from "./kinds.ts";

const EXAMPLE = join(import.meta.dirname, "../../../agent/config/example.yaml");

function decoded(text: string): Configuration {
  const loaded = decodeConfiguration(text, "test.yaml", KINDS, HOST);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems, null, 1));
  return loaded.configuration;
}

describe("a minimal file", () => {
  it("gets every default", () => {
    const { agent, destinations, machines } = decoded(GOOD);
    expect(agent).toEqual({ id: "cell-7", site: "lyon", timezone: "Europe/Berlin", dataDir: "/var/lib/cellgate", clockWaitMs: 300_000, environment: "production" });
    expect(destinations).toEqual([{ kind: "mqtt", name: "erp", confirm: false, types: null, limitBytes: null, config: { url: "mqtt://broker", topic: "{site}/{machine}" }, line: 5 }]);
    expect(machines).toEqual([{
      id: "VMC-3",
      line: 8,
      sources: [{ kind: "mtconnect", name: "mtconnect", config: { url: "http://10.0.7.21:8082", history: "current", poll: 1_000 }, time: "auto", clockToleranceMs: 5_000, refillHoldMs: 600_000, line: 10 }],
      rules: {
        agent: "cell-7", machine: "VMC-3", timezone: "Europe/Berlin", mainPath: 1,
        state: { minimumMs: 0 },
        cycle: { minimumMs: 0, counterJoinMs: 5_000, partsPerCycle: 1, quantity: "auto", programs: [], spindleMinimumRpm: 10, restartWithinMs: 0 },
        count: { maximumStep: 100, confirmReports: 2, confirmAfterMs: 300_000 },
        downtime: { thresholdMs: 120_000, microStopMs: 300_000, waitingCounts: false, reasons: [] },
        alarm: { rejoinMs: 5_000 },
        calendar: null,
      },
    }]);
  });

  it("takes the agent's id from the host", () => {
    expect(decoded(GOOD.replace("  id: cell-7\n", "")).agent.id).toBe("edge-1");
    const loaded = decodeConfiguration(GOOD.replace("  id: cell-7\n", ""), "test.yaml", KINDS, { name: "-", timezone: "Europe/Berlin" });
    expect(loaded.ok ? [] : loaded.problems).toMatchObject([{ line: 1, found: expect.stringContaining('host\'s name "-"') as string }]);
  });

  it("is frozen all the way down", () => {
    const { machines } = decoded(GOOD);
    const rules = machines[0]?.rules;
    expect(Object.isFrozen(machines) && Object.isFrozen(rules) && Object.isFrozen(rules?.cycle.programs)).toBe(true);
    expect(Object.isFrozen(machines[0]?.sources[0]?.config)).toBe(true);
  });

  it("reads the same with a byte order mark and Windows line ends", () => {
    expect(decoded(`\uFEFF${GOOD.replaceAll("\n", "\r\n")}`)).toEqual(decoded(GOOD));
  });
});

describe("the shipped example", () => {
  const loaded = loadConfiguration(EXAMPLE, {
    sources: [{ kind: "mtconnect", shape: MTCONNECT_SHAPE, create: () => { throw new Error("unused"); } }],
    destinations: [mqttDestination],
  });
  const configuration = loaded.ok ? loaded.configuration : null;

  it("is good, without warnings", () => {
    expect(loaded).toMatchObject({ ok: true, warnings: [] });
  });

  it("means what it says", () => {
    const rules = configuration?.machines[0]?.rules;
    expect(configuration?.agent.owner).toEqual({ name: "Cell 7 maintenance", contact: "+33 4 00 00 00 00", escalation: "plant IT" });
    expect(configuration?.destinations[0]?.config).toMatchObject({ url: ["mqtts://broker.example.com:8883"], password: { file: "/etc/cellgate/secrets/mqtt" } });
    expect(rules?.cycle.programs, "rules of their own come before the ignored").toEqual([{ match: "O9*", kind: "probe" }, { match: "O1234", kind: "production", partsPerCycle: 2 }, { match: "WARMUP*", kind: "warmup" }]);
    expect(rules?.downtime.reasons).toEqual([{ state: "ESTOP", code: "E01", text: "Emergency stop" }, { alarm: "*TOOL*", code: "T01", text: "Tool" }]);
    const workdays = ["mon", "tue", "wed", "thu", "fri"];
    expect(rules?.calendar).toEqual({
      name: "two-shift", version: expect.stringMatching(/^[0-9a-f]{12}$/) as string, timezone: "Europe/Paris", breakMode: "credit",
      shifts: [{ code: "early", startMinute: 360, endMinute: 840, days: workdays }, { code: "late", startMinute: 840, endMinute: 1320, days: workdays }],
      breaks: [
        { name: "lunch", startMinute: 690, endMinute: 720, days: [...workdays, "sat", "sun"] },
        { name: "dinner", startMinute: 1080, endMinute: 1110, days: [...workdays, "sat", "sun"] },
      ],
      exceptions: [{ date: "2026-12-25", name: "Christmas", shifts: [] }],
    });
  });

  it("says in which lines things stand", () => {
    const lines = readFileSync(EXAMPLE, "utf8").split("\n");
    expect(lines[(configuration?.machines[0]?.line ?? 0) - 1]).toContain("- id: VMC-3");
    expect(lines[(configuration?.machines[0]?.sources[0]?.line ?? 0) - 1]).toContain("type: mtconnect");
    expect(lines[(configuration?.destinations[0]?.line ?? 0) - 1]).toContain("- name: erp-bridge");
  });
});

describe("calendars", () => {
  const withShifts = (shifts: string): Configuration => decoded(`${GOOD}    shifts: ${shifts}\n`);
  const NIGHT = '{shifts: [{code: night, start: "22:00", end: "06:00", days: [sun, mon]}]}';

  it("may be written at the machine, and have the machine's name then", () => {
    expect(withShifts(NIGHT).machines[0]?.rules.calendar).toMatchObject({ name: "VMC-3", timezone: "Europe/Berlin", shifts: [{ startMinute: 1320, endMinute: 360 }] });
  });
  it("have a version that depends on what they say, not on how it is written", () => {
    const version = (text: string): string | undefined => withShifts(text).machines[0]?.rules.calendar?.version;
    expect(version('{timezone: Europe/Berlin, shifts: [{days: [sun, mon], end: 06:00, start: 22:00, code: night}]}')).toBe(version(NIGHT));
    expect(version(NIGHT.replace("06:00", "06:15"))).not.toBe(version(NIGHT));
    expect(version(NIGHT.replace("{shifts", "{break_mode: strict, shifts"))).not.toBe(version(NIGHT));
  });
  it("take 24:00 as midnight", () => {
    expect(withShifts('{shifts: [{code: late, start: "16:00", end: "24:00"}]}').machines[0]?.rules.calendar?.shifts[0]).toMatchObject({ startMinute: 960, endMinute: 0 });
  });
  it("may follow each other around the clock, over the end of the week", () => {
    expect(withShifts('{shifts: [{code: a, start: "06:00", end: "18:00", days: [sat, sun]}, {code: b, start: "18:00", end: "06:00", days: [sat, sun]}, {code: c, start: "06:00", end: "06:00", days: [mon]}]}').machines[0]?.rules.calendar?.shifts).toHaveLength(3);
  });
});

describe("anchors and aliases", () => {
  it("may stand for a value", () => {
    const text = GOOD.replace("- {type", "- &s {type").concat("    cycle: &cycle {parts_per_cycle: 4}\n  - id: VMC-4\n    sources: [*s]\n    cycle: *cycle\n");
    expect(decoded(text).machines.map(({ rules }) => rules.cycle.partsPerCycle)).toEqual([4, 4]);
  });
  it("a mistake in what they stand for is told once, where it is written", () => {
    const loaded = decodeConfiguration(GOOD.concat("    cycle: &cycle {parts_per_cycle: x}\n  - id: VMC-4\n    sources: [{type: contact, line: a}]\n    cycle: *cycle\n"), "t.yaml", KINDS, HOST);
    expect(loaded.ok ? [] : loaded.problems).toMatchObject([{ line: 11, path: "machines[0].cycle.parts_per_cycle" }]);
  });
});

describe("the file itself", () => {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-config-"));
  const write = (name: string, content: string | Buffer): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  it.each([
    ["not there", () => join(folder, "absent.yaml"), "no such file"],
    ["a folder", () => folder, "a folder"],
    ["empty", () => write("empty.yaml", ""), "nothing: the file is empty"],
    ["comments only", () => write("comments.yaml", "# nothing yet\n"), "nothing: the file is empty"],
    ["not UTF-8", () => write("latin.yaml", Buffer.from("agent: {site: Fr\xe4se}", "latin1")), "bytes that are not UTF-8"],
    ["binary", () => write("binary.yaml", Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2])), "a control character"],
    ["10 MB", () => write("large.yaml", Buffer.alloc(10_000_000, "a: b\n")), "a file of more than 1 MiB"],
  ])("%s: one problem in words", (_, file, found) => {
    const loaded = loadConfiguration(file(), KINDS, HOST);
    expect(loaded.ok ? [] : loaded.problems).toMatchObject([{ line: 0, found: expect.stringContaining(found) as string }]);
  });
});
