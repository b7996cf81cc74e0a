/**
 * Active alarms (focas.md §5.7). A control lists them with text where it can; where it cannot, its bits say of which
 * types there are some, and its status word that there is one. Identity: type, number and axis: one alarm may be active
 * once for each axis. Anything listed is a fault; batteries, fans and the like are warnings (§8).
 */
import type { ActiveAlarm } from "../../agent/contract/observation.ts";
import type { AlarmRecord, Status } from "./decode.ts";

interface AlarmType {
  readonly type: number;
  readonly letters: string;
  readonly name: string;
}
/** source: §5.7, types of the 30i, 31i, 32i, 0i-D, 0i-F. */
const TYPES: readonly AlarmType[] = [
  { type: 0, letters: "SW", name: "parameter write on" }, { type: 1, letters: "PW", name: "power must be turned off" }, { type: 2, letters: "IO", name: "input and output" },
  { type: 3, letters: "PS", name: "program or setting" }, { type: 4, letters: "OT", name: "overtravel" }, { type: 5, letters: "OH", name: "overheat" },
  { type: 6, letters: "SV", name: "servo" }, { type: 7, letters: "SR", name: "data input and output" }, { type: 8, letters: "MC", name: "macro" },
  { type: 9, letters: "SP", name: "spindle" }, { type: 10, letters: "DS", name: "other" }, { type: 11, letters: "IE", name: "malfunction prevention" },
  { type: 12, letters: "BG", name: "background edit" }, { type: 13, letters: "SN", name: "synchronisation" }, { type: 15, letters: "EX", name: "external" },
  { type: 19, letters: "PC", name: "sequence program" },
];
/** source: §5.7, types of the 16i, 18i, 21i, 0i-A to 0i-C. Their numbers stand alone on the screen. */
const OLDER_TYPES: readonly AlarmType[] = [
  { type: 0, letters: "PS", name: "P/S 100" }, { type: 1, letters: "PS", name: "P/S 000" }, { type: 2, letters: "PS", name: "P/S 101" },
  { type: 3, letters: "PS", name: "other P/S" }, { type: 4, letters: "OT", name: "overtravel" }, { type: 5, letters: "OH", name: "overheat" },
  { type: 6, letters: "SV", name: "servo" }, { type: 8, letters: "APC", name: "absolute pulse coder" }, { type: 9, letters: "SP", name: "spindle" },
  { type: 10, letters: "PS", name: "P/S 5000 and following" }, { type: 11, letters: "LASER", name: "laser" }, { type: 13, letters: "RT", name: "rigid tapping" },
  { type: 15, letters: "EX", name: "external" },
];
/** source: §7.1, `alarm` of the status. 0 none, 1 one that the list names. */
const STATES: Readonly<Record<number, Pick<ActiveAlarm, "code" | "severity" | "text">>> = {
  1: { code: "ALARM", severity: "FAULT", text: "alarm (the control does not list which)" },
  2: { code: "BATTERY", severity: "WARNING", text: "battery low" }, 3: { code: "FAN", severity: "WARNING", text: "fan" },
  4: { code: "PS-WARNING", severity: "WARNING", text: "power supply warning" }, 5: { code: "FSSB-WARNING", severity: "WARNING", text: "servo bus (FSSB) warning" },
  6: { code: "INSULATION", severity: "WARNING", text: "insulation warning" }, 7: { code: "ENCODER", severity: "WARNING", text: "encoder warning" },
  8: { code: "PMC-ALARM", severity: "FAULT", text: "alarm of the sequence program (PMC)" },
};

/** Older: the 16i class counts its types otherwise (and has no letters on its screen). */
export const isOlderSeries = (type: string, model: string): boolean => ["16", "18", "21"].includes(type) || (type === "0" && ["", "A", "B", "C"].includes(model));

export interface AlarmSources {
  readonly status: Status;
  readonly bits: number | null;
  /** Null: the control does not list them. */
  readonly records: readonly AlarmRecord[] | null;
  /** The list could not be read now: `records` are those of before. What the bits say by now is believed over them. */
  readonly isOld?: boolean;
  readonly isOlder: boolean;
  readonly axes: readonly string[];
  readonly textOf: (bytes: Uint8Array) => string;
}

/** The whole set, ordered by key. */
export function activeAlarms({ status, bits, records, isOld = false, isOlder, axes, textOf }: AlarmSources): readonly ActiveAlarm[] {
  const types = isOlder ? OLDER_TYPES : TYPES;
  const isSet = (type: number): boolean => ((bits ?? 0) >>> type) % 2 === 1;
  const listed = (records ?? []).filter(({ type }) => !isOld || bits === null || isSet(type));
  const found = new Map<string, ActiveAlarm>();
  for (const record of listed) {
    const letters = types.find(({ type }) => type === record.type)?.letters ?? `T${record.type}`;
    const code = `${letters}${String(record.number).padStart(4, "0")}`;
    const axis = record.axis > 0 ? axes[record.axis - 1] || String(record.axis) : null;
    const key = record.axis > 0 ? `${code}/${record.axis}` : code;
    found.set(key, { key, code, severity: "FAULT", text: `${textOf(record.text)}${axis === null ? "" : ` (axis ${axis})`}`.trim(), nativeType: letters });
  }
  if (records === null || isOld) for (const { type, letters, name } of types) {
    if (isSet(type) && !listed.some((record) => record.type === type)) found.set(`${letters}/${type}`, { key: `${letters}/${type}`, code: letters, severity: "FAULT", text: name, nativeType: letters });
  }
  const state = STATES[status.alarm];
  if (state !== undefined && (status.alarm !== 1 || found.size === 0)) found.set(state.code, { key: state.code, ...state, nativeType: "STATUS" });
  return [...found.values()].sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0));
}
