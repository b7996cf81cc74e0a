/** The YAML keys of a Haas source: a network port, or a serial one. Defaults and limits: haas.md §1, §3. */
import { CONTROLLER_MODES, EXECUTIONS } from "../../agent/contract/observation.ts";
import { fail, INVALID, optional, withDefault, type Of, type Shape } from "../../agent/contract/shape.ts";
import { duration, flag, integer, list, mapOf, object, oneOf } from "../../agent/contract/shapes.ts";
import { host, port } from "../shared/host-shape.ts";
import { checkPoint, POINT_KEYS } from "../shared/points.ts";
import { SERIAL_LINE_KEYS, SERIAL_PATH } from "../shared/serial.ts";
import { HIGHEST_VARIABLE } from "./questions.ts";

const SERIAL = object({
  path: SERIAL_PATH,
  baud: withDefault(SERIAL_LINE_KEYS.baud, 9_600),
  parity: withDefault(SERIAL_LINE_KEYS.parity, "even"),
  stop_bits: SERIAL_LINE_KEYS.stop_bits,
  data_bits: withDefault(SERIAL_LINE_KEYS.data_bits, "7"),
  xon: withDefault(flag("XON/XOFF, as Setting 14 has it"), true),
}, "RS-232 of an older control, instead of host: as its Settings 11 to 14 and 37 say");

const VARIABLE = object({
  ...POINT_KEYS,
  variable: integer({ description: "number of the macro or system variable", minimum: 1, maximum: HIGHEST_VARIABLE }),
}, "one variable (Q600), read slowly and never written");

const KEYS = object({
  host: optional(host("the control's address, where its Setting 143 is a port number")),
  port: port(5051, "the number of Setting 143"),
  serial: optional(SERIAL),
  dialect: withDefault(oneOf(["auto", "ngc", "classic"], "how it is asked: ngc: ?Q100; classic: Q100; auto: tried out"), "auto"),
  interval: withDefault(duration({ description: "period of the polls", minimumMs: 100, maximumMs: 600_000 }), 1_000, "1s"),
  timeout: withDefault(duration({ description: "longest wait for one answer", minimumMs: 100, maximumMs: 60_000 }), 2_000, "2s"),
  pause: withDefault(duration({ description: "least pause between an answer and the next question", maximumMs: 10_000 }), 20, "20ms"),
  counter: withDefault(integer({ description: "which M30 counter is the part counter", minimum: 1, maximum: 2 }), 1),
  words: optional(mapOf(oneOf(EXECUTIONS), { description: "status word of this control → what it means, where ours does not know it", maxKeys: 100 })),
  modes: optional(mapOf(oneOf(CONTROLLER_MODES), { description: "mode word of this control → what it means, where ours does not know it", maxKeys: 100 })),
  variables: optional(list(VARIABLE, { description: "macro and system variables as signals", maxItems: 50 })),
});

export type HaasConfig = Of<typeof KEYS>;

export const HAAS_SHAPE: Shape<HaasConfig> = {
  schema: KEYS.schema,
  read(value, path, problems) {
    const config = KEYS.read(value, path, problems);
    if (config === INVALID) return INVALID;
    if ((config.host === undefined) === (config.serial === undefined)) return fail(problems, { path, on: "key", found: config.host === undefined ? "neither host nor serial" : "host and serial together", expected: "one of them: host: for a network port, serial: {path: …} for RS-232" });
    const variables = config.variables ?? [];
    for (const [index, variable] of variables.entries()) {
      if (checkPoint(variable, [...path, "variables", index], problems) !== null) return INVALID;
      const isTaken = variable.signal !== "alarm" && variables.slice(0, index).some(({ signal }) => signal === variable.signal);
      if (isTaken) return fail(problems, { path: [...path, "variables", index, "signal"], on: "value", found: `${variable.signal} a second time`, expected: "each signal from one variable" });
    }
    return config;
  },
};

/** The control as people name it. */
export const whereOf = ({ host: name, port: number, serial }: HaasConfig): string => (serial !== undefined ? serial.path : `${name?.includes(":") === true ? `[${name}]` : name ?? ""}:${number}`);
