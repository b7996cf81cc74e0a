/**
 * Configured points: a native value (register, macro variable, PMC range, node) → one of our signals, or `point/NAME`.
 * A driver adds its own keys (where the value lies) and hands the raw value over; scale, value table and the check that
 * the words are those of the signal are here. What cannot be told is UNAVAILABLE and null, never an invented zero.
 */
import {
  ACCOMPANYING_SIGNALS, CONTROLLER_MODES, DECIDING_SIGNALS, EXECUTIONS, FUNCTIONAL_MODES, type Reading, type Value,
} from "../../agent/contract/observation.ts";
import { fail, optional, type Invalid, type Path, type Problem } from "../../agent/contract/shape.ts";
import { mapOf, number, object, oneOf, text } from "../../agent/contract/shapes.ts";

/** What a reading says of its value: null exactly when unavailable. */
export type Valued =
  | { readonly quality: "GOOD" | "UNCERTAIN"; readonly value: Value }
  | { readonly quality: "UNAVAILABLE"; readonly value: null };
export const UNAVAILABLE: Valued = { quality: "UNAVAILABLE", value: null };

const SIGNALS: readonly string[] = [...DECIDING_SIGNALS, ...ACCOMPANYING_SIGNALS];
const SIGNAL = new RegExp(`^(?:${SIGNALS.join("|")}|point/[A-Za-z0-9_.-]{1,64}(?::[A-Za-z0-9_.-]{1,64})?)$`, "u");
/** Longer texts are cut: a signal is shown and compared, not archived. */
const TEXT_LIMIT = 1_024;

/** Signals with a closed list of words: their points need a value table that leads to these, or a word itself. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  availability: ["AVAILABLE", "UNAVAILABLE"],
  execution: EXECUTIONS,
  controller_mode: CONTROLLER_MODES,
  functional_mode: FUNCTIONAL_MODES,
  emergency_stop: ["ARMED", "TRIGGERED"],
  power_state: ["ON", "OFF"],
  door: ["OPEN", "CLOSED"],
};
const WHOLE: ReadonlySet<string> = new Set(["part_count", "part_count_good", "part_count_bad", "part_count_target"]);
const NUMBERS: ReadonlySet<string> = new Set(["spindle_speed", "spindle_load", "feedrate", "feed_override", "rapid_override", "spindle_override"]);

export const SIGNAL_NAME = text({ description: "our signal, or point/NAME for any other value; point/GROUP:NAME for values that are shown together, in one message", pattern: SIGNAL, expected: `one of ${SIGNALS.join(", ")}, point/NAME or point/GROUP:NAME` });

/** For `object({...POINT_KEYS, …})`. */
export const POINT_KEYS = {
  signal: SIGNAL_NAME,
  unit: optional(text({ description: "of the value after scaling, for people: A, °C, kWh", maxLength: 32 })),
  scale: optional(number({ description: "value = raw × scale + offset" })),
  offset: optional(number({ description: "added after scaling" })),
  values: optional(mapOf(text({ description: "our word", maxLength: 256 }), { description: "value table: raw value → word; what is not in it is not known", maxKeys: 1_000 })),
  alarm: optional(object({
    code: text({ description: "code of the alarm, as the machine's manual has it", maxLength: 64 }),
    text: optional(text({ description: "what it means", maxLength: 256 })),
    severity: optional(oneOf(["WARNING", "FAULT"], "FAULT stops the machine; default FAULT")),
  }, "with signal: alarm: the alarm that is active while the value is not 0 (or not false)")),
} as const;

export interface Point {
  readonly signal: string;
  readonly unit?: string;
  readonly scale?: number;
  readonly offset?: number;
  readonly values?: Readonly<Record<string, string>>;
  readonly alarm?: { readonly code: string; readonly text?: string; readonly severity?: "WARNING" | "FAULT" };
}
/** What a device holds, before scaling. A bigint for what may be beyond 2^53. */
export type Raw = number | bigint | boolean | string;

/** What does not fit together in one point: called by the driver's shape after its keys were read. */
export function checkPoint(point: Point, path: Path, problems: Problem[]): Invalid | null {
  const wrong = (key: string, found: string, expected: string): Invalid => fail(problems, { path: [...path, key], on: "value", found, expected });
  const words = WORDS[point.signal];
  if ((point.signal === "alarm") !== (point.alarm !== undefined)) return wrong("signal", point.signal === "alarm" ? "the signal alarm without a group alarm" : `a group alarm with the signal ${point.signal}`, "signal: alarm together with alarm: {code: …, text: …}");
  if (point.values !== undefined && (point.scale !== undefined || point.offset !== undefined)) return wrong("values", "a value table together with scale or offset", "one of them: the table takes the raw value");
  if (words !== undefined && point.values === undefined) return wrong("signal", `${point.signal} without a value table`, `values: {RAW: WORD, …} with the words ${words.join(", ")}`);
  if (words === undefined) return null;
  for (const [raw, word] of Object.entries(point.values ?? {})) if (!words.includes(word)) return fail(problems, { path: [...path, "values", raw], on: "value", found: `the word ${JSON.stringify(word)}`, expected: `one of ${words.join(", ")}` });
  return null;
}

/** The value of a point, or UNAVAILABLE where the raw value has none. `null` is what could not be read. */
export function pointValue(point: Point, raw: Raw | null): Valued {
  if (raw === null || (typeof raw === "number" && !Number.isFinite(raw))) return UNAVAILABLE;
  if (point.alarm !== undefined) return { quality: "GOOD", value: isOn(raw) ? [alarmOf(point, point.alarm)] : [] };
  if (point.values !== undefined) return worded(point.values, raw);
  if (typeof raw === "string") return textual(point, raw);
  if (typeof raw === "boolean") return WHOLE.has(point.signal) || NUMBERS.has(point.signal) ? UNAVAILABLE : { quality: "GOOD", value: raw };
  return numeric(point, raw);
}

/** `item` tells one native value from another that feeds the same signal. */
export const pointReading = (point: Point, item: string, raw: Raw | null): Reading => ({ kind: "reading", signal: point.signal, item, ...pointValue(point, raw) });

const isOn = (raw: Raw): boolean => (typeof raw === "string" ? raw.trim() !== "" && raw.trim() !== "0" : Boolean(raw));

const alarmOf = ({ signal }: Point, { code, text: said = "", severity = "FAULT" }: NonNullable<Point["alarm"]>) =>
  ({ key: code, code, severity, text: said, nativeType: signal });

/** A raw value that the table does not have is not known; its table may be incomplete, so the link says nothing of it. */
function worded(values: NonNullable<Point["values"]>, raw: Raw): Valued {
  const key = typeof raw === "boolean" ? String(Number(raw)) : String(raw).trim();
  const word = Object.hasOwn(values, key) ? values[key] : typeof raw === "boolean" && Object.hasOwn(values, String(raw)) ? values[String(raw)] : undefined;
  return word === undefined ? UNAVAILABLE : { quality: "GOOD", value: word };
}

function textual({ signal }: Point, raw: string): Valued {
  const trimmed = raw.trim();
  if (!WHOLE.has(signal) && !NUMBERS.has(signal)) return { quality: "GOOD", value: trimmed.slice(0, TEXT_LIMIT) };
  const value = trimmed === "" ? Number.NaN : Number(trimmed);
  return Number.isFinite(value) && (!WHOLE.has(signal) || Number.isSafeInteger(value)) ? { quality: "GOOD", value } : UNAVAILABLE;
}

function numeric({ signal, scale = 1, offset = 0 }: Point, raw: number | bigint): Valued {
  const value = clean(Number(raw), scale, offset);
  if (!Number.isFinite(value)) return UNAVAILABLE;
  if (WHOLE.has(signal) && !Number.isSafeInteger(value)) return UNAVAILABLE;
  // Rounded, and more likely a mark for "no value" than one (modbus.md §2).
  const isRounded = typeof raw === "bigint" && !Number.isSafeInteger(Number(raw));
  return { quality: isRounded ? "UNCERTAIN" : "GOOD", value };
}

/**
 * 231 × 0.1 is 23.1, not 23.1 and sixteen digits of binary rest. A product is right to 15 digits; of a sum that is small
 * beside its parts less is left. Whole numbers have no rest.
 */
function clean(raw: number, scale: number, offset: number): number {
  const value = raw * scale + offset;
  if ((scale === 1 && offset === 0) || [raw, scale, offset].every(Number.isInteger)) return value;
  return Number(value.toPrecision(offset === 0 ? 15 : 12));
}
