/** Carlo Gavazzi meters: 32-bit integers with the low word first (modbus.md §7.5). Their two layouts differ from 0x2E on. */
import { phases, single, total, type Profile, type ProfileRow } from "./profile.ts";

const TENTH = { type: "s32", scale: 0.1 } as const;
const THOUSANDTH = { type: "s32", scale: 0.001 } as const;
const FACTOR = { type: "s16", scale: 0.001 } as const;
/** Tenths of a kWh. */
const ENERGY = { type: "s32", scale: 100 } as const;

const SAME: readonly ProfileRow[] = [
  ...phases("voltage", [0x00, 0x02, 0x04], TENTH), ...phases("current", [0x0c, 0x0e, 0x10], THOUSANDTH),
  ...phases("power", [0x12, 0x14, 0x16], TENTH), total("power", 0x28, TENTH),
];

export const CARLO_GAVAZZI = {
  "carlo-gavazzi-em24": {
    models: "Carlo Gavazzi EM24 with RS-485", table: "input", order: "CDAB", source: "§7.5",
    rows: [
      ...SAME, ...phases("power_factor", [0x32, 0x33, 0x34], FACTOR), total("power_factor", 0x35, FACTOR), single("frequency", 0x37, { type: "s16", scale: 0.1 }),
      total("energy_import", 0x42, ENERGY), ...phases("energy_import", [0x46, 0x48, 0x4a], ENERGY), total("energy_export", 0x5c, ENERGY),
    ],
  },
  "carlo-gavazzi-em340": {
    models: "Carlo Gavazzi EM24 Ethernet, EM330, EM340, ET330, ET340", table: "input", order: "CDAB", source: "§7.5",
    rows: [
      ...SAME, ...phases("power_factor", [0x2e, 0x2f, 0x30], FACTOR), total("power_factor", 0x31, FACTOR), single("frequency", 0x33, { type: "s16", scale: 0.1 }),
      total("energy_import", 0x34, ENERGY), ...phases("energy_import", [0x40, 0x42, 0x44], ENERGY), total("energy_export", 0x4e, ENERGY),
    ],
  },
} as const satisfies Readonly<Record<string, Profile>>;
