/**
 * What is read of one control path: at each poll what decides the state (in one frame, so that it is of one moment), at
 * the slow interval what only accompanies, and on a change what is long. Functions and arguments: focas.md §4, §5.
 */
import type { FocasConfig } from "./config.ts";
import {
  decodeAlarmBits, decodeAlarms, decodeAxes, decodeCommanded, decodeNumber, decodeOperatorMessage, decodeProgramName, decodeProgramNumbers,
  decodeProgramPath, decodeSequence, decodeStatus, timerDecoder, type AlarmRecord, type ProgramNumbers, type Status,
} from "./decode.ts";
import { ask } from "./functions.ts";
import { Item, type Way } from "./item.ts";
import { numbers8 } from "./number8.ts";
import { parameterWays, placeOf, pmcWay, waysOf } from "./point-ways.ts";
import type { FocasPoint } from "./points.ts";
import { TIMERS } from "./signals.ts";

export interface Commanded {
  readonly m: number | null;
  readonly tool: number | null;
}
export interface PointItem {
  readonly point: FocasPoint;
  readonly item: Item<number>;
}
export interface NamedItem<T> {
  readonly name: string;
  readonly item: Item<T>;
}

export interface PathItems {
  readonly path: number;
  /** Names of its axes; positions and loads are cut to so many. */
  readonly axes: readonly string[];
  readonly status: Item<Status>;
  readonly alarmBits: Item<number>;
  readonly programs: Item<ProgramNumbers>;
  readonly sequence: Item<number>;
  readonly commanded: Item<Commanded>;
  readonly parts: Item<number>;
  readonly cycleTime: Item<number>;
  readonly feed: Item<number>;
  readonly spindleSpeed: Item<number>;
  readonly feedOverride: Item<number> | null;
  readonly points: readonly PointItem[];
  readonly mainName: Item<string>;
  readonly runningName: Item<string>;
  readonly alarms: Item<readonly AlarmRecord[]>;
  readonly spindleLoad: Item<number>;
  readonly spindleOverride: Item<number> | null;
  readonly rapidOverride: Item<number> | null;
  readonly target: Item<number>;
  readonly total: Item<number>;
  readonly timers: readonly NamedItem<number>[];
  readonly messages: readonly Item<Uint8Array>[];
  readonly axisValues: readonly NamedItem<readonly (number | null)[]>[];
}

export interface PathFacts {
  readonly path: number;
  readonly axes: readonly string[];
  /** 16i class: other functions come first. */
  readonly isOlder: boolean;
  readonly isStatusKnown: boolean;
  /** This path's points. */
  readonly points: readonly FocasPoint[];
}

const ALL = -1;
const ALARM_COUNT = 10;
const ALARM_TEXT = 64;
/** Modal values by macro: #4113 the M code, #4120 the T code (§5.9). */
const MODAL = { first: 4113, last: 4120 } as const;
const POSITIONS: Readonly<Record<FocasConfig["positions"][number], number>> = { absolute: 4, machine: 1, relative: 6, distance: 7 };

export function itemsOf({ path, axes, isOlder, isStatusKnown, points }: PathFacts, config: FocasConfig): PathItems {
  const timer = { path, isOlder, decode: timerDecoder() };
  const one = <T>(name: string, way: Way<T>): Item<T> => new Item(name, [way]);
  const counter = (name: string, number: number, macro: number | null): Item<number> =>
    new Item(name, [...parameterWays(number, path, isOlder), ...(macro === null ? [] : [{ block: ask("macro", path, macro, macro), bytes: 8, decode: decodeNumber }])]);
  const isFirst = path === (config.path ?? 1);
  /** Of the first path alone: where a builder puts those of others is not known. `usual` holds for path 1. */
  const override = (name: keyof NonNullable<FocasConfig["overrides"]>, usual: string | null): Item<number> | null => {
    const address = isFirst ? config.overrides?.[name] : null;
    const place = address === undefined ? (path === 1 ? usual : null) : address;
    return place === null ? null : one(`${name} override`, pmcWay(place));
  };
  return {
    path, axes,
    status: new Item("status", isStatusKnown ? [{ block: ask("status", path), bytes: 14, decode: decodeStatus }] : []),
    alarmBits: one("alarm bits", { block: ask("alarmBits", path), bytes: 4, decode: decodeAlarmBits }),
    programs: one("program numbers", { block: ask("programNumbers", path), bytes: 8, decode: decodeProgramNumbers }),
    sequence: one("sequence number", { block: ask("sequence", path), bytes: 4, decode: decodeSequence }),
    commanded: commandedItem(path),
    parts: counter("parts (parameter 6711)", 6711, 3901),
    cycleTime: timerItem(timer, TIMERS[3]),
    feed: one("feed", { block: ask("feed", path), bytes: 8, decode: decodeNumber }),
    spindleSpeed: one("spindle speed", { block: ask("spindleSpeed", path), bytes: 8, decode: decodeNumber }),
    feedOverride: override("feed", "G12"),
    points: points.map((point) => ({ point, item: new Item(`${point.signal} (${placeOf(point)})`, waysOf(point, path, isOlder)) })),
    mainName: one("name of the main program", { block: ask("mainProgramPath", path), bytes: 256, decode: decodeProgramPath }),
    runningName: new Item("name of the running program", [
      { block: ask("programPath", path), bytes: 256, decode: decodeProgramPath },
      { block: ask("programName", path), bytes: 40, decode: decodeProgramName },
    ]),
    alarms: one("alarm texts", { block: ask("alarmTexts", path, ALL, ALARM_COUNT, 2, ALARM_TEXT), bytes: ALARM_COUNT * (16 + ALARM_TEXT), decode: (data) => decodeAlarms(data, ALARM_TEXT) }),
    spindleLoad: one("spindle load", { block: ask("spindle", path, 4, 1), bytes: 8, decode: decodeNumber }),
    spindleOverride: override("spindle", "G30"),
    rapidOverride: override("rapid", null),
    target: counter("parts required (parameter 6713)", 6713, 3902),
    total: counter("parts in total (parameter 6712)", 6712, null),
    timers: TIMERS.filter(({ type }) => type !== 3).map((row) => ({ name: row.point, item: timerItem(timer, row) })),
    messages: [0, 1, 2, 3, 4].map((type) => one(`operator message ${type}`, { block: ask("operatorMessage", path, type), bytes: 268, decode: decodeOperatorMessage })),
    axisValues: axisItems(path, axes, config),
  };
}

function commandedItem(path: number): Item<Commanded> {
  const modal = ask("macro", path, MODAL.first, MODAL.last);
  return new Item<Commanded>("M and T code", [
    { block: ask("commanded", path, ALL, 1), bytes: 160, decode: (data) => {
      const by = decodeCommanded(data);
      return by === null ? null : { m: by.get("M") ?? null, tool: by.get("T") ?? null };
    } },
    { block: modal, bytes: 64, decode: (data) => {
      const values = numbers8(data);
      const [m = null, tool = null] = [values[0], values[MODAL.last - MODAL.first]];
      return m === null && tool === null ? null : { m, tool };
    } },
  ]);
}

/** ms. Minutes and the rest lie in two parameters where there is no timer call. */
function timerItem({ path, isOlder, decode }: Pick<PathFacts, "path" | "isOlder"> & { readonly decode: Way<number>["decode"] }, { point, type, minutes, ms }: (typeof TIMERS)[number]): Item<number> {
  const call: Way<number> = { block: ask("timer", path, type), bytes: 8, decode };
  const first = ms ?? minutes;
  const both = parameterWays(first, path, isOlder).map((way): Way<number> => {
    const { block } = way;
    const values = [first, Math.max(first, minutes), ...block.values.slice(2)];
    const count = (values[1] ?? first) - first + 1;
    return { block: { ...block, values }, bytes: way.bytes * count, decode: (data) => timeOf(way, data, { minutes: count > 1, number: minutes, path, isOlder }) };
  });
  return new Item(`${point} timer`, [call, ...both]);
}

interface MinutesAt {
  /** The minutes follow, in a record of their own. */
  readonly minutes: boolean;
  readonly number: number;
  readonly path: number;
  readonly isOlder: boolean;
}
function timeOf(way: Way<number>, data: Uint8Array, { minutes, number, path, isOlder }: MinutesAt): number | null {
  if (!minutes) {
    const only = way.decode(data);
    return only === null ? null : only * 60_000;
  }
  const size = Math.trunc(data.length / 2);
  const rest = way.decode(data.subarray(0, size));
  const whole = parameterWays(number, path, isOlder).find(({ block }) => block.command === way.block.command)?.decode(data.subarray(size)) ?? null;
  return rest === null || whole === null ? null : whole * 60_000 + rest;
}

function axisItems(path: number, axes: readonly string[], config: FocasConfig): PathItems["axisValues"] {
  const decode = (data: Uint8Array): readonly (number | null)[] => decodeAxes(data, axes.length);
  const positions = config.positions.map((name) => ({ name, item: new Item(`${name} positions`, [{ block: ask("position", path, POSITIONS[name], ALL), bytes: 256, decode }]) }));
  // The sign of a load is its direction (§5.6).
  const load = (data: Uint8Array): readonly (number | null)[] => decode(data).map((value) => value && Math.abs(value));
  return config.servo_load ? [...positions, { name: "servo_load", item: new Item("servo load", [{ block: ask("servoLoad", path, 1), bytes: 256, decode: load }]) }] : positions;
}

/** At each poll: what decides, together in one frame. The points follow it. */
export const everyPoll = (items: PathItems): readonly Item<unknown>[] => [
  items.status, items.alarmBits, items.programs, items.sequence, items.commanded, items.parts, items.cycleTime, items.feed, items.spindleSpeed,
  ...(items.feedOverride === null ? [] : [items.feedOverride]),
];

export const nowAndThen = (items: PathItems): readonly Item<unknown>[] => [
  items.spindleLoad, ...[items.spindleOverride, items.rapidOverride].filter((item) => item !== null), ...items.axisValues.map(({ item }) => item),
  items.target, items.total, ...items.timers.map(({ item }) => item), ...items.messages,
];
