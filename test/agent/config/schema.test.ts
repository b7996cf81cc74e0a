/** The JSON Schema accepts what `check` accepts and refuses what an editor can see to be wrong. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { describe, expect, it } from "vitest";
import { configurationSchema } from "../../../agent/config/json-schema.ts";
import { GOOD, KINDS } from "./kinds.ts";

const validate = new Ajv2020({ allErrors: true, strict: true, strictTypes: "log", strictRequired: false, logger: false }).compile(configurationSchema(KINDS));
const accepts = (text: string): boolean => validate(parse(text));
const FULL = `${GOOD}    cycle: {parts_per_cycle: 2, ignore_programs: ["O9*"], spindle_minimum: 50 rpm}
    downtime: {threshold: 90s, reasons: [{state: ALARM, code: A}]}
    shifts: {shifts: [{code: day, start: "06:00", end: "14:00"}], exceptions: [{date: "2026-12-25", name: Christmas}]}
  - {id: VMC-4, sources: [{type: contact, line: "17", time: gateway}], shifts: week}
calendars:
  week: {shifts: [{code: day, start: "06:00", end: "24:00", days: [mon]}], breaks: [{name: lunch, start: "12:00", end: "12:30"}], break_mode: strict}
`;

describe("the configuration's JSON Schema", () => {
  it("accepts good files", () => {
    expect(accepts(GOOD) || validate.errors).toBe(true);
    expect(accepts(FULL) || validate.errors).toBe(true);
  });
  it.each([
    ["an unknown key", ["site: lyon", "sitee: lyon"]],
    ["a bare number as a duration", ["threshold: 90s", "threshold: 90"]],
    ["an unknown type of source", ["type: contact", "type: contacts"]],
    ["another kind's key", ['line: "17"', "url: http://x"]],
    ["a missing id", ["id: VMC-3\n    sources", "sources"]],
    ["an unknown state", ["state: ALARM", "state: ALARMS"]],
    ["an unknown day", ["days: [mon]", "days: [monday]"]],
    ["a time that does not exist", ['end: "14:00"', 'end: "25:00"']],
    ["a password in plain text", ["url: mqtt://broker", "url: mqtt://broker\n    password: hunter2"]],
    ["a speed without a unit", ["50 rpm", "50"]],
  ])("refuses %s", (_, [from = "", to = ""]) => {
    expect(FULL).toContain(from);
    expect(accepts(FULL.replace(from, to))).toBe(false);
  });
  it("accepts the shape of the shipped example's own groups", () => {
    const example = parse(readFileSync(join(import.meta.dirname, "../../../agent/config/example.yaml"), "utf8")) as { machines: { sources: unknown }[]; destinations: unknown };
    const adapted = { ...example, destinations: [{ name: "erp", url: "mqtt://x" }], machines: example.machines.map((machine) => ({ ...machine, sources: [{ type: "contact", line: "17" }] })) };
    expect(validate(adapted) || validate.errors).toBe(true);
  });
});
