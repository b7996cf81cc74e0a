/** What a simulated control answers to each function (focas.md §4, §5). A function that its series does not have is status 1. */
import { type SimulatedControl, type SimulatedPath } from "./control.ts";
import type { Profile } from "./profile.ts";
import { i32, NONSENSE, number8, u16, type Asked } from "./wire.ts";

/** Data of a good answer, or a status that is not 0; `broken`: the whole frame is refused (§2.5). */
export type Said = Buffer | number | "broken";

const STATUS = { function: 1, number: 3, attribute: 4, option: 6, path: 11 } as const;
/** Commands that would change the control (§4), and any that comes with data. */
const WRITES: ReadonlySet<number> = new Set([0x01, 0x03, 0x05, 0x09, 0x0c, 0x16, 0x46, 0xb5, 0xb6, 0xba, 0x8002]);
export const isWrite = ({ command, dataLength }: Asked): boolean => WRITES.has(command) || dataLength > 0;

interface Parts {
  readonly control: SimulatedControl;
  readonly profile: Profile;
  readonly asked: Asked;
  readonly path: SimulatedPath;
  readonly args: Asked["args"];
}
type Function = (parts: Parts) => Said;

export function say(control: SimulatedControl, profile: Profile, asked: Asked): Said {
  const path = control.paths[asked.path - 1];
  if (path === undefined) return STATUS.path;
  const parts: Parts = { control, profile, asked, path, args: asked.args };
  if (asked.device === 2) return asked.command === 0x8001 ? pmcRange(parts) : STATUS.function;
  return (FUNCTIONS[asked.command] ?? (() => STATUS.function))(parts);
}

const padded = (text: string, size: number): Buffer => Buffer.concat([Buffer.from(text, "latin1"), Buffer.alloc(size)]).subarray(0, size);
const words = (...values: readonly number[]): Buffer => Buffer.concat(values.map(u16));
const newerOnly = (run: Function): Function => (parts) => (parts.profile.isOlder ? STATUS.function : run(parts));
const olderOnly = (run: Function): Function => (parts) => (parts.profile.isOlder ? run(parts) : STATUS.function);

const FUNCTIONS: Readonly<Record<number, Function>> = {
  0x18: system,
  0x19: ({ path }) => words(path.aut, path.run, path.motion, path.mstb, path.emergency, path.alarm, path.edit),
  0xe1: () => Buffer.alloc(4),
  0x98: () => words(1),
  0x1a: ({ path }) => i32(path.alarms.reduce((bits, { type }) => bits | (1 << type), 0)),
  0x1c: ({ path }) => Buffer.concat([i32(path.running), i32(path.main)]),
  0x1d: ({ path }) => i32(path.sequence),
  0x20: ({ path, args: [most] }) => (most < 8 ? STATUS.number : Buffer.concat([i32(path.sequence), Buffer.from(`${path.block}\n`, "latin1")]).subarray(0, most)),
  0x23: alarmRecords,
  0x24: ({ path, profile }) => number8(path.feed, profile.feedDecimals),
  0x25: ({ path }) => number8(path.spindle),
  0x26: ({ path, profile, args: [selector, axis] }) => ([0, 1, 2, 3, 4, 6, 7].includes(selector) ? perAxis(path, profile, axis, (one) => number8(selector === 7 || selector === 3 ? 0 : one.position, 3)) : STATUS.attribute),
  0x0e: olderOnly(parameters),
  0x30: olderOnly(parameters),
  0x8d: newerOnly(parameters),
  0x93: newerOnly(parameters),
  0x15: macros,
  0x120: timer,
  0xcf: newerOnly(({ path }) => Buffer.concat([i32(path.running), padded(path.name ?? `O${path.running}`, 36)])),
  0xfc: newerOnly(({ path }) => padded(`//CNC_MEM/USER/PATH1/${path.name ?? `O${path.running}`}`, 256)),
  0xb9: newerOnly(({ path }) => padded(`//CNC_MEM/USER/PATH1/${path.name ?? `O${path.main}`}`, 256)),
  0x06: directory,
  0x34: operatorMessage,
  0x40: ({ path, args: [item, spindle] }) => (item === 4 ? spindles(path, spindle) : STATUS.attribute),
  0x56: ({ path, profile, args: [item] }) => (item === 1 ? perAxis(path, profile, -1, (one) => number8(one.load)) : STATUS.attribute),
  0x89: ({ path }) => Buffer.concat(path.axes.map(({ name }) => padded(name, 4))),
  0xa4: ({ path, args: [kind] }) => words(kind === 1 ? 1 : path.axes.length),
  0x97: newerOnly(commanded),
};

function system({ path, profile: { system: { info, type, machine, series, software }, slots } }: Parts): Buffer {
  return Buffer.concat([u16(info), u16(slots), Buffer.from(`${type}${machine}${series}${software}${String(path.axes.length).padStart(2, "0")}`, "latin1")]);
}

function perAxis(path: SimulatedPath, { slots, nonsense }: Profile, axis: number, number: (axis: SimulatedPath["axes"][number]) => Buffer): Said {
  const one = path.axes[axis - 1];
  if (axis !== -1) return one === undefined ? (nonsense ? NONSENSE : STATUS.attribute) : number(one);
  const rest = Array.from({ length: slots - path.axes.length }, () => (nonsense ? NONSENSE : number8(0)));
  return Buffer.concat([...path.axes.map(number), ...rest]);
}

/** Only what the map holds is there; asked for one number after the other (§5.4). */
function parameters({ path, profile, args: [first, last, axis] }: Parts): Said {
  if (last < first) return "broken";
  const records: Buffer[] = [];
  for (let number = first; number <= last; number++) {
    const value = parameterOf(path, number);
    if (value === undefined) return STATUS.number;
    const places = Array.from({ length: profile.slots - 1 }, () => (profile.isOlder ? i32(0) : number8(0)));
    records.push(Buffer.concat([i32(number), u16(axis), u16(3), profile.isOlder ? i32(value) : number8(value), ...places]));
  }
  return Buffer.concat(records);
}

/** The times count by themselves (§5.4). */
function parameterOf(path: SimulatedPath, number: number): number | undefined {
  switch (number) {
    case 6751: case 6753: return path.operatedMs % 60_000;
    case 6752: case 6754: return Math.trunc(path.operatedMs / 60_000);
    case 6757: return path.cycleMs % 60_000;
    case 6758: return Math.trunc(path.cycleMs / 60_000);
    default: return path.parameters.get(number);
  }
}

function macros({ path, args: [first, last] }: Parts): Said {
  if (last < first) return "broken";
  const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  const modal: Readonly<Record<number, number>> = { 3901: path.parameters.get(6711) ?? 0, 3902: path.parameters.get(6713) ?? 0, 4113: path.lastM, 4114: path.sequence, 4120: path.tool };
  return Buffer.concat(numbers.map((number) => number8(modal[number] ?? path.macros.get(number) ?? null, 3 * Number(path.macros.has(number)))));
}

/** Minutes and milliseconds, in the byte order of the series (§5.10). */
function timer({ path, profile, control, args: [type] }: Parts): Said {
  if (profile.timer === "none") return STATUS.function;
  const ms = { 0: Math.trunc(control.clock.now().monoMs), 1: path.operatedMs, 2: path.operatedMs, 3: path.cycleMs, 4: 0 }[type];
  if (ms === undefined) return STATUS.number;
  const bytes = Buffer.concat([i32(Math.trunc(ms / 60_000)), i32(ms % 60_000)]);
  return profile.timer === "big" ? bytes : bytes.swap32();
}

function alarmRecords({ path, args: [type, most, mode, room] }: Parts): Said {
  if (mode !== 2 || (room !== 32 && room !== 64)) return STATUS.attribute;
  const listed = path.alarms.filter((alarm) => type === -1 || alarm.type === type).slice(0, most);
  return Buffer.concat(listed.map(({ number, type, axis = 0, text }) => {
    const place = Buffer.alloc(room, 0x20);
    text.copy(place, 0, 0, room);
    return Buffer.concat([i32(number), i32(type), i32(axis), i32(text.length), place]);
  }));
}

/** The programs from a number on (§4). */
function directory({ path, args: [first, most, kind] }: Parts): Said {
  if (kind !== 1 && kind !== 2) return STATUS.attribute;
  const found = [...path.directory].filter(([number]) => number >= first).sort(([one], [other]) => one - other).slice(0, most);
  return Buffer.concat(found.map(([number, comment]) => Buffer.concat([i32(number), i32(1_000), Buffer.concat([comment, Buffer.alloc(64)]).subarray(0, 64)])));
}

function operatorMessage({ path, args: [type] }: Parts): Said {
  const text = path.messages[type];
  if (text === undefined) return STATUS.number;
  return Buffer.concat([i32(text === null ? -1 : 2_000 + type), i32(type), i32(text === null ? 0 : text.length + 1), Buffer.concat([text ?? Buffer.alloc(0), Buffer.alloc(256)]).subarray(0, 256)]);
}

const spindles = (path: SimulatedPath, spindle: number): Said =>
  (spindle === -1 ? Buffer.concat([number8(path.spindleLoad), ...Array.from({ length: 7 }, () => number8(0))]) : spindle === 1 ? number8(path.spindleLoad) : STATUS.attribute);

function commanded({ path }: Parts): Buffer {
  const record = (letter: string, value: number): Buffer => Buffer.concat([Buffer.from(letter, "latin1"), Buffer.alloc(1), u16(0), i32(value), i32(0)]);
  return Buffer.concat([record("D", 0), record("F", path.feed), record("M", path.lastM), record("N", path.sequence), record("O", path.main), record("S", path.spindle), record("T", path.tool)]);
}

/** Last address inclusive; one element alone on some. Words lie in memory least byte first, and come most first (§5.14). */
function pmcRange({ control, profile, args: [first, last, area, width] }: Parts): Said {
  const size = { 0: 1, 1: 2, 2: 4 }[width];
  const bytes = control.pmc.get(area) ?? Buffer.alloc(1_024);
  if (last < first) return "broken";
  if (size === undefined || (last - first + 1) % size !== 0 || area < 0 || area > 12) return STATUS.attribute;
  if (first < 0 || last >= bytes.length) return STATUS.number;
  const told = Buffer.from(bytes.subarray(first, profile.shortPmc ? first + size : last + 1));
  return size === 1 ? told : size === 2 ? told.swap16() : told.swap32();
}
