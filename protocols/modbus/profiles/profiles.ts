/** All devices known by name, and their rows as points. */
import type { ModbusPoint } from "../point-shape.ts";
import { pointName, QUANTITIES } from "../signals.ts";
import { ACCUENERGY } from "./accuenergy.ts";
import { ADAM } from "./adam.ts";
import { CARLO_GAVAZZI } from "./carlo-gavazzi.ts";
import { CHINT } from "./chint.ts";
import { EASTRON } from "./eastron.ts";
import type { Profile } from "./profile.ts";
import { PZEM } from "./pzem.ts";
import { SCHNEIDER } from "./schneider.ts";
import { SENTRON } from "./sentron.ts";
import { WAGO } from "./wago.ts";

export const PROFILES: Readonly<Record<string, Profile>> = { ...EASTRON, ...PZEM, ...SCHNEIDER, ...CARLO_GAVAZZI, ...SENTRON, ...WAGO, ...ACCUENERGY, ...ADAM, ...CHINT };
export const PROFILE_NAMES: readonly string[] = Object.keys(PROFILES);

/** Names of a profile's values, for `only:`. */
export const valueNames = ({ rows }: Profile): readonly string[] => rows.map(({ quantity, part }) => pointName(quantity, part));

/** `prefix` tells several meters of one machine apart, or puts values together: `spindle_`, `meter:`. */
export function profilePoints({ table, order, rows }: Profile, { prefix = "", only }: { readonly prefix?: string; readonly only?: readonly string[] }): readonly ModbusPoint[] {
  return rows.filter(({ quantity, part }) => only?.includes(pointName(quantity, part)) ?? true).map(({ quantity, part, address, type, scale, offset, bit }) => {
    const { unit } = QUANTITIES[quantity];
    return {
      signal: `point/${prefix}${pointName(quantity, part)}`, table, order, address, type,
      ...(unit !== "" && { unit }), ...(scale !== undefined && { scale }), ...(offset !== undefined && { offset }), ...(bit !== undefined && { bit }),
    };
  });
}
