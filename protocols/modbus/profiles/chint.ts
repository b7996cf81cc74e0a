/** Chint DTSU666: holding registers, floats with the high word first, some in tenths and thousandths (modbus.md §7.10). */
import { phases, single, total, type Profile } from "./profile.ts";

const TENTH = { type: "f32", scale: 0.1 } as const;
const THOUSANDTH = { type: "f32", scale: 0.001 } as const;
const KILO = { type: "f32", scale: 1_000 } as const;

export const CHINT = {
  "chint-dtsu666": {
    models: "Chint DTSU666", table: "holding", order: "ABCD", source: "§7.10",
    rows: [
      ...phases("voltage", [0x2006, 0x2008, 0x200a], TENTH), ...phases("current", [0x200c, 0x200e, 0x2010], THOUSANDTH),
      total("power", 0x2012, TENTH), ...phases("power", [0x2014, 0x2016, 0x2018], TENTH), total("power_factor", 0x202a, THOUSANDTH),
      single("frequency", 0x2044, { type: "f32", scale: 0.01 }), total("energy_import", 0x101e, KILO), total("energy_export", 0x1028, KILO),
    ],
  },
} as const satisfies Readonly<Record<string, Profile>>;
