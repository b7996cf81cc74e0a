/**
 * Siemens SENTRON PAC: floats with the high word first, counters as 64-bit floats; a read must begin and end at a value's
 * bounds (modbus.md §7.6).
 */
import { average, phases, single, total, type Profile, type ProfileRow } from "./profile.ts";

const F32 = { type: "f32" } as const;
const F64 = { type: "f64" } as const;

const ROWS: readonly ProfileRow[] = [
  ...phases("voltage", [1, 3, 5], F32), ...phases("current", [13, 15, 17], F32), ...phases("apparent_power", [19, 21, 23], F32),
  ...phases("power", [25, 27, 29], F32), ...phases("reactive_power", [31, 33, 35], F32), ...phases("power_factor", [37, 39, 41], F32),
  average("voltage", 57, F32), average("current", 61, F32), total("apparent_power", 63, F32), total("power", 65, F32),
  total("reactive_power", 67, F32), total("power_factor", 69, F32), total("energy_import", 801, F64), total("energy_export", 809, F64),
];

export const SENTRON = {
  "sentron-pac4200": { models: "Siemens SENTRON PAC3200, PAC4200", table: "holding", order: "ABCD", source: "§7.6", rows: [...ROWS, single("frequency", 55, F32)] },
  // Its frequency lies elsewhere, and readers do not agree where: left out.
  "sentron-pac2200": { models: "Siemens SENTRON PAC2200", table: "holding", order: "ABCD", source: "§7.6", unconfirmed: true, rows: ROWS },
} as const satisfies Readonly<Record<string, Profile>>;
