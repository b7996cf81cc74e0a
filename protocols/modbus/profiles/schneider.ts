/**
 * Schneider meters: holding registers, high word first (modbus.md §7.3, §7.4). Their manuals count from 1: 3000 is 2999
 * on the wire.
 */
import { average, phases, single, total, type Profile } from "./profile.ts";

const F32 = { type: "f32" } as const;
const KILO = { type: "f32", scale: 1_000 } as const;
const S64 = { type: "s64" } as const;

export const SCHNEIDER = {
  "schneider-iem3000": {
    models: "Schneider iEM3100, iEM3200, iEM3300 series", table: "holding", order: "ABCD", source: "§7.3",
    rows: [
      ...phases("current", [0x0bb7, 0x0bb9, 0x0bbb], F32), average("current", 0x0bc1, F32), ...phases("voltage", [0x0bd3, 0x0bd5, 0x0bd7], F32),
      ...phases("power", [0x0bed, 0x0bef, 0x0bf1], KILO), total("power", 0x0bf3, KILO), total("reactive_power", 0x0bfb, KILO), total("apparent_power", 0x0c03, KILO),
      single("frequency", 0x0c25, F32), total("energy_import", 0x0c83, S64), total("energy_export", 0x0c87, S64), ...phases("energy_import", [0x0dbd, 0x0dc1, 0x0dc5], S64),
    ],
  },
  "schneider-pm5000": {
    models: "Schneider PM5100, PM5300, PM5500 series", table: "holding", order: "ABCD", source: "§7.4", unconfirmed: true,
    rows: [
      ...phases("current", [2999, 3001, 3003], F32), average("current", 3009, F32), ...phases("voltage", [3027, 3029, 3031], F32),
      ...phases("power", [3053, 3055, 3057], KILO), total("power", 3059, KILO), total("apparent_power", 3075, KILO),
      single("frequency", 3109, F32), total("energy_import", 3203, S64),
    ],
  },
} as const satisfies Readonly<Record<string, Profile>>;
