/** Configured points: a macro variable, PMC address, parameter or diagnosis number → a signal or `point/NAME`, as the YAML has them. */
import { INVALID, fail, optional, withDefault, type Of, type Shape } from "../../agent/contract/shape.ts";
import { flag, integer, object, oneOf, text } from "../../agent/contract/shapes.ts";
import { checkPoint, POINT_KEYS } from "../shared/points.ts";

/** Area, byte, bit. */
export const ADDRESS = /^([GFYXARTKCDE])(\d{1,5})(?:\.([0-7]))?$/u;
export const PMC_ADDRESS = text({ description: "address in the sequence program: R100, or R100.3 for one bit of it", pattern: ADDRESS, expected: "an address such as R100, D200 or, for one bit, R100.3; areas G, F, Y, X, A, R, T, K, C, D, E" });

const KEYS = object({
  ...POINT_KEYS,
  macro: optional(integer({ description: "macro variable, without #", minimum: 1, maximum: 99_999 })),
  pmc: optional(PMC_ADDRESS),
  as: withDefault(oneOf(["byte", "word", "long"], "of pmc: how many bytes; word is two, long is four"), "byte"),
  signed: withDefault(flag("of pmc: the highest bit is a sign"), false),
  parameter: optional(integer({ description: "parameter number", minimum: 0, maximum: 99_999 })),
  diagnosis: optional(integer({ description: "diagnosis number", minimum: 0, maximum: 99_999 })),
  axis: optional(integer({ description: "of parameter and diagnosis: of which axis, from 1", minimum: 1, maximum: 32 })),
  path: optional(integer({ description: "control path; default: the first that is read", minimum: 1, maximum: 64 })),
});
export type FocasPoint = Of<typeof KEYS>;

export const POINT_SHAPE: Shape<FocasPoint> = {
  schema: KEYS.schema,
  read(value, path, problems) {
    const point = KEYS.read(value, path, problems);
    if (point === INVALID) return INVALID;
    const places = (["macro", "pmc", "parameter", "diagnosis"] as const).filter((key) => point[key] !== undefined);
    if (places.length !== 1) return fail(problems, { path, on: "key", found: places.length === 0 ? "a point that says nowhere where it lies" : `a point that lies in ${places.join(" and ")}`, expected: "one of macro, pmc, parameter, diagnosis" });
    if (point.pmc?.includes(".") === true && point.as !== "byte") return fail(problems, { path: [...path, "as"], on: "value", found: `one bit as a ${point.as}`, expected: "no as with a bit" });
    return checkPoint(point, path, problems) === INVALID ? INVALID : point;
  },
};
