/** The whole configuration file as one shape, composed with the kinds of sources and destinations this agent has. */
import { optional, withDefault, type Of, type Shape } from "../contract/shape.ts";
import { RECORD_TYPES } from "../contract/record.ts";
import { duration, flag, list, mapOf, object, oneOf, size } from "../contract/shapes.ts";
import { AGENT_KEYS } from "./agent-keys.ts";
import { BUFFER_KEYS } from "./buffer-keys.ts";
import { CALENDAR_KEYS, type CalendarKeys } from "./calendar-keys.ts";
import { kindShape } from "./kind-shape.ts";
import type { Kinds } from "./kinds.ts";
import { RULE_KEYS } from "./machine-keys.ts";
import { identity, line } from "./refined.ts";

const SOURCE_KEYS = {
  name: optional(identity("name of the source, unique within the machine; default: its type")),
  time: withDefault(oneOf(["auto", "source", "shifted", "gateway"], "whose clock dates the records: source: its stamps as they are; shifted: by one constant; gateway: ours; auto: source within the tolerance, else shifted"), "auto"),
  clock_tolerance: withDefault(duration({ description: "how far the source's clock may be off before its stamps are shifted", minimumMs: 100, maximumMs: 86_400_000 }), 5_000, "5s"),
  refill_hold: withDefault(duration({ description: "how long records wait for a source that may still hold what was missed", maximumMs: 86_400_000 }), 600_000, "10m"),
} as const;

const DESTINATION_KEYS = {
  name: identity("name of the destination: the buffer keeps its place under it"),
  confirm: withDefault(flag("true: its bridge confirms what it has stored, and a record given up unconfirmed counts as lost; by itself from its first confirmation on"), false),
  types: optional(list(oneOf(RECORD_TYPES), { description: "which record types go there; default: all. Loss records always do", minItems: 1, maxItems: RECORD_TYPES.length })),
  limit: optional(size({ description: "most of the buffer that may wait for this destination alone; default: the buffer's budget", minimumBytes: 1_000_000, maximumBytes: 1024 ** 4 })),
} as const;

/** A calendar's name, or a calendar written out. */
const shifts: Shape<string | CalendarKeys> = {
  schema: { description: "name of a calendar under calendars:, or a calendar written out; absent: all time is scheduled", anyOf: [{ type: "string" }, CALENDAR_KEYS.schema] },
  read: (value, path, problems) => (typeof value === "object" && value !== null ? CALENDAR_KEYS : identity("name of a calendar")).read(value, path, problems),
};

export function fileShape(kinds: Kinds) {
  const source = kindShape({ noun: "source", shared: SOURCE_KEYS, kinds: kinds.sources });
  const destination = kindShape({ noun: "destination", shared: DESTINATION_KEYS, kinds: kinds.destinations, fallback: "mqtt" });
  const machine = object({
    id: identity("the machine's id, stable for its whole life: records and topics carry it"),
    description: optional(line("what it is")),
    work_center: optional(line("code of the machine in the ERP; never part of a topic", 64)),
    sources: list(source, { description: "how the machine is observed; one source in this release", minItems: 1, maxItems: 16 }),
    ...RULE_KEYS,
    shifts: optional(shifts),
  }, "a machine tool");
  return object({
    agent: optional(AGENT_KEYS),
    buffer: optional(BUFFER_KEYS),
    destinations: list(destination, { description: "where records go", minItems: 1, maxItems: 8 }),
    machines: list(machine, { description: "the machines", minItems: 1, maxItems: 200 }),
    calendars: optional(mapOf(CALENDAR_KEYS, { description: "calendars by name", key: /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._-]{0,63}$/u, keyExpected: "a name of 1 to 64 letters, digits, spaces or . _ -", maxKeys: 50 })),
  });
}

export type FileKeys = Of<ReturnType<typeof fileShape>>;
export type MachineKeys = FileKeys["machines"][number];
