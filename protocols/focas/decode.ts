/**
 * Data of good answers → values (focas.md §5). None throws: what is shorter or other than described is null, never a
 * guessed number. Text is left as bytes; text.ts knows the control's language.
 */
import { number8, numbers8, NUMBER8 } from "./number8.ts";

const view = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.byteLength);
const ascii = (data: Uint8Array): string => Buffer.from(data).toString("latin1").replaceAll(/[^\x20-\x7e]/gu, " ");

export interface System {
  /** "30", "16", "0": as the control calls itself, trimmed. */
  readonly type: string;
  /** "M", "T", "MM", "W". */
  readonly machine: string;
  /** Software series and version: "D5F3", "11.0". */
  readonly series: string;
  readonly version: string;
  /** An "i" control, and the letter after it: 0i-F is type "0", isI, model "F". Empty: none. */
  readonly isI: boolean;
  readonly model: string;
  /** Controlled axes; null where the control does not say. */
  readonly axes: number | null;
}

/** §5.1 */
export function decodeSystem(data: Uint8Array): System | null {
  if (data.length < 18) return null;
  const letter = data[0] ?? 0;
  const axes = ascii(data.subarray(16, 18)).trim();
  return {
    type: ascii(data.subarray(4, 6)).trim(), machine: ascii(data.subarray(6, 8)).trim(),
    series: ascii(data.subarray(8, 12)).trim(), version: ascii(data.subarray(12, 16)).trim(),
    isI: ((data[1] ?? 0) & 2) !== 0,
    model: letter >= 1 && letter <= 26 ? String.fromCharCode(64 + letter) : "",
    axes: /^\d{1,2}$/u.test(axes) ? Number(axes) : null,
  };
}

export interface Status {
  readonly mode: number;
  readonly run: number;
  readonly motion: number;
  readonly mstb: number;
  readonly emergency: number;
  readonly alarm: number;
  readonly edit: number;
}
/** §5.2. Null: another layout (Series 15, some 16i-W), whose words mean something else. */
export function decodeStatus(data: Uint8Array): Status | null {
  if (data.length !== 14) return null;
  const words = view(data);
  const word = (index: number): number => words.getUint16(index * 2);
  return { mode: word(0), run: word(1), motion: word(2), mstb: word(3), emergency: word(4), alarm: word(5), edit: word(6) };
}

export const decodeU16 = (data: Uint8Array): number | null => (data.length < 2 ? null : view(data).getUint16(0));
export const decodeI32 = (data: Uint8Array): number | null => (data.length < 4 ? null : view(data).getInt32(0));
/** §5.7: bit k is set while an alarm of type k is active. */
export const decodeAlarmBits = (data: Uint8Array): number | null => (data.length < 4 ? null : view(data).getUint32(0));
export const decodeNumber = (data: Uint8Array): number | null => number8(data);

export interface ProgramNumbers {
  readonly running: number;
  readonly main: number;
}
/** O numbers have up to eight digits (§5.3). */
const isProgram = (number: number): boolean => number >= 0 && number <= 99_999_999;
export function decodeProgramNumbers(data: Uint8Array): ProgramNumbers | null {
  if (data.length < 8) return null;
  const [running, main] = [view(data).getInt32(0), view(data).getInt32(4)];
  return isProgram(running) && isProgram(main) ? { running, main } : null;
}
/** §5.3: number of the last N word. */
export function decodeSequence(data: Uint8Array): number | null {
  const number = decodeI32(data);
  return number === null || number < 0 ? null : number;
}

const PARAMETER_HEAD = 8;
/** §5.4, 30i class: one parameter or diagnosis number; with `axis` (from 1) the value of that axis. */
export function decodeParameter(data: Uint8Array, number: number, axis = 0): number | null {
  return data.length < PARAMETER_HEAD + NUMBER8 || view(data).getInt32(0) !== number ? null : number8(data, PARAMETER_HEAD + NUMBER8 * Math.max(0, axis - 1));
}
/** §5.4, 16i class: the value lies in four bytes. Byte, bit and word ones are cut to their type; a real one is not published. */
export function decodeParameterOlder(data: Uint8Array, number: number, axis = 0): number | null {
  const at = PARAMETER_HEAD + 4 * Math.max(0, axis - 1);
  if (data.length < at + 4 || view(data).getInt32(0) !== number) return null;
  const value = view(data).getInt32(at);
  switch (view(data).getUint16(6)) {
    case 0: return (value << 24) >> 24;
    case 1: return value & 0xff;
    case 2: return (value << 16) >> 16;
    case 3: return value;
    default: return null;
  }
}
/** Types of diagnosis numbers are counted otherwise (§5.4). */
export function decodeDiagnosisOlder(data: Uint8Array, number: number, axis = 0): number | null {
  const at = PARAMETER_HEAD + 4 * Math.max(0, axis - 1);
  if (data.length < at + 4 || view(data).getInt32(0) !== number) return null;
  const value = view(data).getInt32(at);
  switch (view(data).getUint16(6)) {
    case 0: case 4: return (value << 24) >> 24;
    case 1: return (value << 16) >> 16;
    case 2: return value;
    case 3: return value & 0xff;
    default: return null;
  }
}

/** §5.10, as ms, in one order of its bytes; null: it does not fit. */
function timerIn(data: Uint8Array, little: boolean): number | null {
  if (data.length < 8) return null;
  const [minutes, ms] = [view(data).getInt32(0, little), view(data).getInt32(4, little)];
  return minutes >= 0 && ms >= 0 && ms < 60_000 ? minutes * 60_000 + ms : null;
}
/** The order differs between controls. The first timer that fits in one order alone decides; until then the smaller time is taken. */
export function timerDecoder(): (data: Uint8Array) => number | null {
  let isLittle: boolean | null = null;
  return (data) => {
    const [big, little] = [timerIn(data, false), timerIn(data, true)];
    if ((big === null) !== (little === null)) isLittle ??= big === null;
    if (isLittle !== null) return isLittle ? little : big;
    return big === null || little === null ? null : Math.min(big, little);
  };
}

/** §5.9: what the program last commanded, by address letter; T the tool, M the M code. Of several in one block the first: the others' places are not described. */
export function decodeCommanded(data: Uint8Array): ReadonlyMap<string, number> | null {
  const SIZE = 12;
  const found = new Map<string, number>();
  for (let at = 0; at + SIZE <= data.length; at += SIZE) {
    const letter = String.fromCharCode(data[at] ?? 0);
    const decimals = view(data).getInt32(at + 8);
    if (/^[A-Z]$/u.test(letter) && !found.has(letter) && decimals >= 0 && decimals <= 9) found.set(letter, view(data).getInt32(at + 4) / 10 ** decimals);
  }
  return found.size === 0 ? null : found;
}

/** §4: names of axes, "X", "Z2"; the two last bytes of each are not stable. */
export function decodeAxisNames(data: Uint8Array): readonly string[] {
  return Array.from({ length: Math.trunc(data.length / 4) }, (_, index) => ascii(data.subarray(index * 4, index * 4 + 2)).trim());
}

/** Text up to its first NUL, as bytes. */
function beforeNul(data: Uint8Array): Uint8Array {
  const end = data.indexOf(0);
  return end < 0 ? data : data.subarray(0, end);
}
/** §5.3: a path or a name, NUL-terminated: "//CNC_MEM/USER/PATH1/O2001" → "O2001". Null: empty. */
export const decodeProgramPath = (data: Uint8Array): string | null => ascii(beforeNul(data)).trim().split("/").at(-1) || null;
export const decodeProgramName = (data: Uint8Array): string | null => (data.length < 40 ? null : decodeProgramPath(data.subarray(4, 40)));

/** §4: the comment of one program; null: the directory begins with another one. */
export function decodeDirectory(data: Uint8Array, number: number): Uint8Array | null {
  return data.length < 72 || view(data).getUint32(0) !== number ? null : beforeNul(data.subarray(8, 72));
}

/** §5.3: the block that is executed: newer controls add what follows it, so the first line that is not empty. */
export function decodeBlockText(data: Uint8Array): string | null {
  if (data.length < 4) return null;
  return Buffer.from(beforeNul(data.subarray(4))).toString("latin1").split(/[\r\n]+/u).map((line) => line.trim()).find((line) => line !== "") ?? "";
}

export interface AlarmRecord {
  readonly number: number;
  readonly type: number;
  /** 0: of no axis. */
  readonly axis: number;
  readonly text: Uint8Array;
}
/** §5.7, with room for `textBytes` of text in each record. Records numbered -1 are empty. */
export function decodeAlarms(data: Uint8Array, textBytes: number): readonly AlarmRecord[] {
  const size = 16 + textBytes;
  return Array.from({ length: Math.trunc(data.length / size) }, (_, index): AlarmRecord => {
    const record = data.subarray(index * size, (index + 1) * size);
    const length = Math.min(textBytes, Math.max(0, view(record).getInt32(12)));
    return { number: view(record).getInt32(0), type: view(record).getInt32(4), axis: view(record).getInt32(8), text: beforeNul(record.subarray(16, 16 + length)) };
  }).filter(({ number }) => number !== -1);
}

/** §5.8: one message; empty: none; null: not told. A newer control chains several records, each after its length (LIKELY): the first is taken. */
export function decodeOperatorMessage(data: Uint8Array): Uint8Array | null {
  if (data.length < 12) return null;
  const [number, length] = [view(data).getInt32(0), view(data).getInt32(8)];
  return number === -1 || length <= 0 ? new Uint8Array(0) : beforeNul(data.subarray(12, 12 + Math.min(length, 256)));
}

/** §5.5, §5.6: one number for each axis or spindle; only the first `count` are there. */
export const decodeAxes = (data: Uint8Array, count: number): readonly (number | null)[] => numbers8(data).slice(0, count);
