/**
 * The scripted shift as a machine's PLC tells it over Modbus: unit 1, words of its own in holding registers, doors, power
 * and an alarm as bits; and as unit 2 the energy meter at its supply (the layout of an Eastron SDM630, modbus.md §7.1).
 */
import { scriptedShift, type Shift, type ShiftStep } from "../shift.ts";
import { floatWords, longWords, SimulatedDevice, textWords } from "./device.ts";

export const PLC_UNIT = 1;
export const METER_UNIT = 2;

const EXECUTION = ["READY", "ACTIVE", "FEED_HOLD", "PROGRAM_STOPPED", "OPTIONAL_STOP", "STOPPED", "PROGRAM_COMPLETED", "INTERRUPTED"] as const;
const MODE = ["AUTOMATIC", "MANUAL", "MANUAL_DATA_INPUT", "EDIT", "SEMI_AUTOMATIC"] as const;
const FUNCTIONAL = ["PRODUCTION", "SETUP", "TEARDOWN", "MAINTENANCE"] as const;

type Set = (plc: SimulatedDevice, value: string) => void;
const word = (address: number, words: readonly string[]): Set => (plc, value) => {
  const code = words.indexOf(value);
  if (code < 0) throw new Error(`the scripted shift says "${value}", which the simulated PLC has no number for`);
  plc.setRegisters("holdings", address, [code]);
};
const scaled = (address: number, factor: number): Set => (plc, value) => { plc.setRegisters("holdings", address, [Math.round(Number(value) * factor)]); };
const text = (address: number, registers: number): Set => (plc, value) => { plc.setRegisters("holdings", address, textWords(value, registers)); };
const bit = (address: number, on: string): Set => (plc, value) => { plc.discretes.set(address, value === on); };

/** Where each signal lies. `availability` is the connection itself. */
const PLC_MAP: Readonly<Record<string, Set>> = {
  availability: () => undefined,
  execution: word(0, EXECUTION),
  controller_mode: word(1, MODE),
  part_count: (plc, value) => { plc.setRegisters("holdings", 2, longWords(Number(value))); },
  emergency_stop: bit(3, "TRIGGERED"),
  functional_mode: word(4, FUNCTIONAL),
  spindle_speed: scaled(5, 1),
  spindle_load: scaled(6, 10),
  feedrate: scaled(7, 10),
  feed_override: scaled(8, 1),
  rapid_override: scaled(9, 1),
  spindle_override: scaled(10, 1),
  tool: scaled(11, 1),
  program: text(16, 8),
  program_comment: text(24, 16),
  message: text(40, 16),
  door: bit(0, "OPEN"),
  power_state: bit(1, "ON"),
};
const ALARM_BIT = 2;

export interface ShiftDevices {
  readonly shift: Shift;
  readonly devices: ReadonlyMap<number, SimulatedDevice>;
  readonly perform: (step: ShiftStep) => void;
}

export function shiftDevices(seed = 1): ShiftDevices {
  const shift = scriptedShift(seed);
  const [plc, meter] = [new SimulatedDevice(), new SimulatedDevice()];
  for (let address = 0; address < 64; address++) plc.holdings.set(address, 0);
  for (let address = 0; address < 16; address++) plc.discretes.set(address, false);
  for (let address = 0; address < 0x16c; address++) meter.inputs.set(address, 0);
  let [wattHours, lastMs, watts] = [0, 0, 0];
  const measure = (atMs: number): void => {
    wattHours += (watts * (atMs - lastMs)) / 3_600_000;
    lastMs = atMs;
    // 300 W for the control, and what the spindle's load asks of a 7.5 kW drive.
    watts = 300 + ((plc.holdings.get(6) ?? 0) / 1_000) * 7_500;
    for (const phase of [0, 2, 4]) {
      meter.setRegisters("inputs", phase, floatWords(230));
      meter.setRegisters("inputs", 0x06 + phase, floatWords(watts / 3 / 230));
      meter.setRegisters("inputs", 0x0c + phase, floatWords(watts / 3));
    }
    meter.setRegisters("inputs", 0x34, floatWords(watts));
    meter.setRegisters("inputs", 0x46, floatWords(50));
    meter.setRegisters("inputs", 0x48, floatWords(wattHours / 1_000));
    meter.setRegisters("inputs", 0x156, floatWords(wattHours / 1_000));
  };
  return {
    shift,
    devices: new Map([[PLC_UNIT, plc], [METER_UNIT, meter]]),
    perform({ atMs, signals, alarm }) {
      for (const [signal, value] of Object.entries(signals)) {
        const set = PLC_MAP[signal];
        if (set === undefined) throw new Error(`the scripted shift speaks of "${signal}", which the simulated PLC does not have`);
        set(plc, value);
      }
      if (alarm !== undefined) plc.discretes.set(ALARM_BIT, alarm.active);
      measure(atMs);
    },
  };
}

const table = (words: readonly string[]): Readonly<Record<string, string>> => Object.fromEntries(words.map((name, code) => [code, name]));

/** How a source of the YAML reads them: its `devices`. */
export const SHIFT_DEVICES: readonly Readonly<Record<string, unknown>>[] = [
  {
    unit: PLC_UNIT,
    points: [
      { address: 0, signal: "execution", values: table(EXECUTION) },
      { address: 1, signal: "controller_mode", values: table(MODE) },
      { address: 2, type: "u32", signal: "part_count" },
      { address: 4, signal: "functional_mode", values: table(FUNCTIONAL) },
      { address: 5, signal: "spindle_speed" },
      { address: 6, signal: "spindle_load", scale: 0.1 },
      { address: 7, signal: "feedrate", scale: 0.1 },
      { address: 8, signal: "feed_override" },
      { address: 9, signal: "rapid_override" },
      { address: 10, signal: "spindle_override" },
      { address: 11, signal: "tool" },
      { address: 16, type: "ascii", length: 8, signal: "program" },
      { address: 24, type: "ascii", length: 16, signal: "program_comment" },
      { address: 40, type: "ascii", length: 16, signal: "message" },
      { table: "discrete", address: 0, signal: "door", values: { 0: "CLOSED", 1: "OPEN" } },
      { table: "discrete", address: 1, signal: "power_state", values: { 0: "OFF", 1: "ON" } },
      { table: "discrete", address: ALARM_BIT, signal: "alarm", alarm: { code: "1012", text: "SPINDLE OVERLOAD" } },
      { table: "discrete", address: 3, signal: "emergency_stop", values: { 0: "ARMED", 1: "TRIGGERED" } },
    ],
  },
  { unit: METER_UNIT, profile: "eastron-sdm630", only: ["power_total", "energy_import_total", "current_l1"] },
];
