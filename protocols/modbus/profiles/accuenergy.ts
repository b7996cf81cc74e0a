/** Accuenergy meters: holding registers, high word first (modbus.md §7.8). Units of the Acuvim follow its settings. */
import { average, phases, single, total, type Profile } from "./profile.ts";

const F32 = { type: "f32" } as const;
/** Hundredths of a kWh. */
const ENERGY = { type: "s32", scale: 10 } as const;

export const ACCUENERGY = {
  "accuenergy-acudc": {
    models: "Accuenergy AcuDC 240, 243 (direct current)", table: "holding", order: "ABCD", source: "§7.8",
    rows: [
      single("voltage", 0x0200, F32), single("current", 0x0202, F32), single("power", 0x0204, { type: "f32", scale: 1_000 }),
      single("energy_import", 0x0300, ENERGY), single("energy_export", 0x0302, ENERGY), single("charge_import", 0x0308, { type: "s32", scale: 0.01 }),
    ],
  },
  "accuenergy-acuvim2": {
    models: "Accuenergy Acuvim II", table: "holding", order: "ABCD", source: "§7.8",
    rows: [
      single("frequency", 0x4000, F32), ...phases("voltage", [16_386, 16_388, 16_390], F32), average("voltage", 16_392, F32),
      ...phases("current", [16_402, 16_404, 16_406], F32), average("current", 16_408, F32), ...phases("power", [16_412, 16_414, 16_416], F32), total("power", 16_418, F32),
    ],
  },
} as const satisfies Readonly<Record<string, Profile>>;
