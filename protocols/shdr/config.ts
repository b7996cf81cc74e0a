/** The YAML keys of an SHDR source. Defaults and limits: mtconnect.md §11. */
import { fail, INVALID, isRecord, optional, withDefault, type Invalid, type Of, type Path, type Problem, type Shape } from "../../agent/contract/shape.ts";
import { duration, integer, mapOf, object, text } from "../../agent/contract/shapes.ts";
import { host, port } from "../shared/host-shape.ts";
import { UNIT_FACTORS } from "../shared/mtconnect/signals.ts";
import { SIGNAL_NAME } from "../shared/points.ts";

const UNITS = [...new Set(Object.values(UNIT_FACTORS).flatMap((units) => Object.keys(units)))];

const NAMED = object({
  signal: SIGNAL_NAME,
  path: optional(integer({ description: "control path (channel) it belongs to; default 1", minimum: 1, maximum: 64 })),
  unit: optional(text({ description: `what the adapter sends it in, where it is not our unit: ${UNITS.join(", ")}`, maxLength: 64 })),
  values: optional(mapOf(text({ description: "the word it means", maxLength: 256 }), { description: "adapter's word → ours, where this builder has his own", maxKeys: 200 })),
}, "a signal with more to say about it");

/** A signal alone, or a group. */
const ENTRY: Shape<Of<typeof NAMED>> = {
  schema: { anyOf: [SIGNAL_NAME.schema, NAMED.schema] },
  read(value, path, problems) {
    if (!isRecord(value)) {
      const signal = SIGNAL_NAME.read(value, path, problems);
      return signal === INVALID ? INVALID : { signal };
    }
    const named = NAMED.read(value, path, problems);
    if (named === INVALID || named.unit === undefined) return named;
    const units = Object.keys(UNIT_FACTORS[named.signal] ?? {});
    if (units.includes(named.unit)) return named;
    const expected = units.length === 0 ? "no unit: only feedrate and spindle_speed are converted" : `one of ${units.join(", ")}`;
    return fail(problems, { path: [...path, "unit"], on: "value", found: `the unit ${JSON.stringify(named.unit)} for ${named.signal}`, expected });
  },
};

const KEYS = object({
  host: host("the adapter's computer: a name or an IP address"),
  port: port(7878, "the adapter's port"),
  devices: optional(text({ description: "the Devices.xml that belongs to the adapter: a file on this gateway", maxLength: 4_096 })),
  device: optional(text({ description: "name or uuid of the device in that file; not needed when it has only one", maxLength: 256 })),
  path: optional(integer({ description: "the one control path (channel) of that file to read; default: all of them", minimum: 1, maximum: 64 })),
  map: optional(mapOf(ENTRY, { description: "adapter's key → our signal; goes before what the file says", maxKeys: 500 })),
  timeout: withDefault(duration({ description: "longest wait for the connection", minimumMs: 100, maximumMs: 300_000 }), 10_000, "10s"),
  patience: withDefault(duration({ description: "how much longer than two heartbeats an adapter may be silent", minimumMs: 0, maximumMs: 600_000 }), 10_000, "10s"),
});

export type ShdrConfig = Of<typeof KEYS>;
export type MapEntry = Of<typeof NAMED>;

export const SHDR_SHAPE: Shape<ShdrConfig> = {
  schema: KEYS.schema,
  read(value, path, problems) {
    const config = KEYS.read(value, path, problems);
    if (config === INVALID) return INVALID;
    for (const key of ["device", "path"] as const)
      if (config[key] !== undefined && config.devices === undefined) return fail(problems, { path: [...path, key], on: "value", found: `${key} without devices`, expected: "devices: FILE beside it; in a map each entry has its own path" });
    return twice(config.map ?? {}, [...path, "map"], problems) ?? config;
  },
};

/** Two keys that feed one signal of one path would take turns in it. Conditions are sets of their own. */
function twice(map: Readonly<Record<string, MapEntry>>, path: Path, problems: Problem[]): Invalid | null {
  const taken = new Map<string, string>();
  for (const [key, { signal, path: of = 1 }] of Object.entries(map)) {
    const before = taken.get(`${signal}|${of}`);
    if (signal !== "alarm" && before !== undefined) return fail(problems, { path: [...path, key], on: "value", found: `${signal}, which ${JSON.stringify(before)} is already`, expected: "each signal once for each path" });
    taken.set(`${signal}|${of}`, key);
  }
  return null;
}

/** The adapter as people name it. */
export const whereOf = ({ host: name, port: number }: Pick<ShdrConfig, "host" | "port">): string => `${name.includes(":") ? `[${name}]` : name}:${number}`;
