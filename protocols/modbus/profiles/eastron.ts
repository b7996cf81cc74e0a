/** Eastron SDM meters: input registers, 32-bit floats, high word first (modbus.md §7.1). They ship with 2400 or 9600 8N1. */
import { phases, single, total, type Profile } from "./profile.ts";

const F32 = { type: "f32" } as const;
const KILO = { type: "f32", scale: 1_000 } as const;
/** Older firmware answers at most 40 parameters a read. */
const MOST = 80;

export const EASTRON = {
  "eastron-sdm120": {
    models: "Eastron SDM120, SDM220, SDM230", table: "input", order: "ABCD", source: "§7.1", maxBlock: MOST, gap: 16,
    rows: [
      single("voltage", 0x00, F32), single("current", 0x06, F32), single("power", 0x0c, F32), single("apparent_power", 0x12, F32),
      single("reactive_power", 0x18, F32), single("power_factor", 0x1e, F32), single("frequency", 0x46, F32),
      single("energy_import", 0x48, KILO), single("energy_export", 0x4a, KILO), single("energy", 0x156, KILO),
    ],
  },
  "eastron-sdm630": {
    models: "Eastron SDM630", table: "input", order: "ABCD", source: "§7.1", maxBlock: MOST, gap: 16,
    rows: [
      ...phases("voltage", [0x00, 0x02, 0x04], F32), ...phases("current", [0x06, 0x08, 0x0a], F32), ...phases("power", [0x0c, 0x0e, 0x10], F32),
      ...phases("apparent_power", [0x12, 0x14, 0x16], F32), ...phases("reactive_power", [0x18, 0x1a, 0x1c], F32), ...phases("power_factor", [0x1e, 0x20, 0x22], F32),
      total("power", 0x34, F32), total("apparent_power", 0x38, F32), total("reactive_power", 0x3c, F32), total("power_factor", 0x3e, F32),
      single("frequency", 0x46, F32), total("energy_import", 0x48, KILO), total("energy_export", 0x4a, KILO), total("energy", 0x156, KILO),
    ],
  },
} as const satisfies Readonly<Record<string, Profile>>;
