/** Wago 879-30x0 meters: holding registers, floats with the high word first (modbus.md §7.7). */
import { average, phases, single, total, type Profile } from "./profile.ts";

const F32 = { type: "f32" } as const;
const KILO = { type: "f32", scale: 1_000 } as const;

export const WAGO = {
  "wago-879": {
    models: "Wago 879-3000, 879-3020, 879-3040", table: "holding", order: "ABCD", source: "§7.7",
    rows: [
      average("voltage", 0x5000, F32), ...phases("voltage", [0x5002, 0x5004, 0x5006], F32), single("frequency", 0x5008, F32),
      total("current", 0x500a, F32), ...phases("current", [0x500c, 0x500e, 0x5010], F32),
      total("power", 0x5012, KILO), ...phases("power", [0x5014, 0x5016, 0x5018], KILO), total("reactive_power", 0x501a, KILO), total("apparent_power", 0x5022, KILO),
      total("power_factor", 0x502a, F32), ...phases("power_factor", [0x502c, 0x502e, 0x5030], F32),
      total("energy_import", 0x600c, KILO), ...phases("energy_import", [0x6012, 0x6014, 0x6016], KILO), total("energy_export", 0x6018, KILO),
    ],
  },
} as const satisfies Readonly<Record<string, Profile>>;
