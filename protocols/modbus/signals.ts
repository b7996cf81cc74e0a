/**
 * Modbus has no vocabulary: a register means what the device's manual says. These are the quantities of the meters and
 * I/O modules that profiles/ knows, in SI units as everywhere (modbus.md §7). Each is given as `point/NAME`.
 */
interface QuantityRow {
  readonly unit: string;
  /** Fact sheet. */
  readonly source: string;
}

export const QUANTITIES = {
  voltage: { unit: "V", source: "§7.1" },
  current: { unit: "A", source: "§7.1" },
  power: { unit: "W", source: "§7.1" },
  apparent_power: { unit: "VA", source: "§7.1" },
  reactive_power: { unit: "var", source: "§7.1" },
  power_factor: { unit: "", source: "§7.1" },
  frequency: { unit: "Hz", source: "§7.1" },
  energy_import: { unit: "Wh", source: "§7.1" },
  energy_export: { unit: "Wh", source: "§7.1" },
  energy: { unit: "Wh", source: "§7.1" },
  charge_import: { unit: "Ah", source: "§7.8" },
  over_power: { unit: "", source: "§7.2" },
  input: { unit: "mA", source: "§7.9" },
  input_volts: { unit: "V", source: "§7.9" },
} as const satisfies Readonly<Record<string, QuantityRow>>;
export type Quantity = keyof typeof QUANTITIES;

/** `power`, "l1" → `power_l1`. */
export const pointName = (quantity: Quantity, part: string): string => (part === "" ? quantity : `${quantity}_${part}`);
