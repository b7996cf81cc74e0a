/** The YAML keys of a FOCAS source. Defaults and limits: focas.md §1, §2.7, §5.6, §9. */
import { described, INVALID, optional, withDefault, fail, type Of, type Shape } from "../../agent/contract/shape.ts";
import { duration, flag, integer, list, nullable, object, oneOf } from "../../agent/contract/shapes.ts";
import { host, port } from "../shared/host-shape.ts";
import { PMC_ADDRESS, POINT_SHAPE } from "./points.ts";
import { CODE_PAGES, type CodePage } from "./text.ts";

const PAGES: readonly ("auto" | CodePage)[] = ["auto", ...(Object.keys(CODE_PAGES) as CodePage[])];
const override = (description: string) => optional(described(nullable(PMC_ADDRESS), description));

const KEYS = object({
  host: host("the control's name or IP address"),
  port: port(8193, "TCP port of the control's FOCAS server"),
  path: optional(integer({ description: "the one control path (channel) to read; default: all of them", minimum: 1, maximum: 64 })),
  interval: withDefault(duration({ description: "time from one poll of status, program and counter to the next; a control that answers slowly is asked less often", minimumMs: 100, maximumMs: 60_000 }), 1_000, "1s"),
  slow_interval: withDefault(duration({ description: "time between two readings of what changes slowly: loads, timers, messages, overrides, positions", minimumMs: 500, maximumMs: 600_000 }), 5_000, "5s"),
  timeout: withDefault(duration({ description: "longest wait for the connection and for each answer", minimumMs: 200, maximumMs: 60_000 }), 5_000, "5s"),
  text: withDefault(oneOf(PAGES, "how alarms and messages are encoded; auto: by the control's language (parameter 3281)"), "auto"),
  length_unit: optional(oneOf(["mm", "inch"], "unit of feed on the control's screen; without it mm is taken, and feed is marked uncertain")),
  overrides: optional(object({
    feed: override("feed override, percent = 255 - byte; default: G12 of path 1; null: not read"),
    spindle: override("spindle override, in percent; default: G30 of path 1; null: not read"),
    rapid: override("rapid override, two bits; default: not read"),
  }, "where the machine builder's ladder puts the overrides")),
  positions: withDefault(list(oneOf(["absolute", "machine", "relative", "distance"]), { description: "which positions to read, as point/absolute_X and so on", maxItems: 4 }), []),
  servo_load: withDefault(flag("read the load of each axis, as point/servo_load_X and so on"), false),
  points: withDefault(list(POINT_SHAPE, { description: "further values: macro variables, PMC addresses, parameters, diagnosis numbers", maxItems: 200 }), []),
});
export type FocasConfig = Of<typeof KEYS>;

export const FOCAS_SHAPE: Shape<FocasConfig> = {
  schema: KEYS.schema,
  read(value, at, problems) {
    const config = KEYS.read(value, at, problems);
    if (config === INVALID) return INVALID;
    let invalid = false;
    config.points.forEach((point, index) => {
      const isTwin = point.signal !== "alarm" && config.points.slice(0, index).some((other) => other.signal === point.signal && other.path === point.path);
      if (isTwin) invalid = fail(problems, { path: [...at, "points", index, "signal"], on: "value", found: `the signal ${point.signal} a second time`, expected: "each signal once" }) === INVALID;
      if (config.path !== undefined && point.path !== undefined && point.path !== config.path) invalid = fail(problems, { path: [...at, "points", index, "path"], on: "value", found: `path ${point.path} in a source that reads path ${config.path} alone`, expected: "no path here" }) === INVALID;
    });
    if (config.slow_interval < config.interval) invalid = fail(problems, { path: [...at, "slow_interval"], on: "value", found: "a slow interval shorter than the interval", expected: "at least the interval" }) === INVALID;
    return invalid ? INVALID : config;
  },
};
