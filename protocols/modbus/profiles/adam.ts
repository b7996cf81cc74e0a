/**
 * Advantech ADAM analogue inputs: eight registers, 0 to 65535 over the range that the channels are set to; there is one
 * profile a range (modbus.md §7.9). The ADAM-4117 must be switched to the Modbus protocol.
 */
import type { Profile, ProfileRow } from "./profile.ts";

const CHANNELS = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const inputs = (quantity: "input" | "input_volts", low: number, high: number): readonly ProfileRow[] =>
  CHANNELS.map((channel) => ({ quantity, part: String(channel), address: channel, type: "u16", scale: (high - low) / 65_535, offset: low }));
const module = (range: string, rows: readonly ProfileRow[]): Profile => ({ models: `Advantech ADAM-6017, ADAM-4117, channels set to ${range}`, table: "input", order: "ABCD", source: "§7.9", unconfirmed: true, rows });

export const ADAM = {
  "adam-6017-4-20ma": module("4 to 20 mA", inputs("input", 4, 20)),
  "adam-6017-0-20ma": module("0 to 20 mA", inputs("input", 0, 20)),
  "adam-6017-20ma": module("-20 to 20 mA", inputs("input", -20, 20)),
  "adam-6017-10v": module("-10 to 10 V", inputs("input_volts", -10, 10)),
} as const satisfies Readonly<Record<string, Profile>>;
