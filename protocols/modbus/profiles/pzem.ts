/** Peacefair PZEM meters: input registers, 32 bits with the low word first, 9600 8N1, one block of ten (modbus.md §7.2). */
import { single, type Profile } from "./profile.ts";

export const PZEM = {
  "pzem-016": {
    models: "PZEM-004T v3.0, PZEM-014, PZEM-016", table: "input", order: "CDAB", source: "§7.2",
    rows: [
      single("voltage", 0, { type: "u16", scale: 0.1 }), single("current", 1, { type: "u32", scale: 0.001 }), single("power", 3, { type: "u32", scale: 0.1 }),
      single("energy_import", 5, { type: "u32" }), single("frequency", 7, { type: "u16", scale: 0.1 }), single("power_factor", 8, { type: "u16", scale: 0.01 }),
      // 0xFFFF while the power is over the threshold, else 0.
      { quantity: "over_power", part: "", address: 9, type: "bool", bit: 0 },
    ],
  },
  "pzem-017": {
    models: "PZEM-003, PZEM-017 (direct current)", table: "input", order: "CDAB", source: "§7.2",
    rows: [
      single("voltage", 0, { type: "u16", scale: 0.01 }), single("current", 1, { type: "u16", scale: 0.01 }),
      single("power", 2, { type: "u32", scale: 0.1 }), single("energy_import", 4, { type: "u32" }),
    ],
  },
} as const satisfies Readonly<Record<string, Profile>>;
