/**
 * Which data items of a device are read, and as which signal (signals.ts is the table). Pure. One item for each signal
 * and control path; every condition; what the configuration maps replaces what the table would choose.
 */
import { LinkError } from "../../../agent/contract/errors.ts";
import type { Lookup } from "./observed.ts";
import type { Device, DeviceModel, ModelItem } from "./probe.ts";
import { SIGNAL_ROWS, SPINDLE_ROWS, UNIT_FACTORS, VALUE_KINDS, type ValueKind } from "./signals.ts";

export interface ChosenItem {
  readonly id: string;
  readonly signal: string;
  /** 1 for the first or only path; null for what belongs to none of several: to the machine as a whole. */
  readonly path: number | null;
  /** Condition type of the model. */
  readonly type: string;
  readonly value: ValueKind | "condition";
  readonly factor: number;
  readonly uncertain: boolean;
}

export interface Selection {
  readonly device: Device;
  readonly items: readonly ChosenItem[];
  readonly lookup: Lookup<ChosenItem>;
}

/** What the configuration says of it. */
export interface Wanted {
  readonly device?: string;
  readonly path?: number;
  /** Data item id → our signal. */
  readonly items?: Readonly<Record<string, string>>;
}

/** Throws LinkError, naming what the agent has, when the configured device, path or item is not there. */
export function selectItems(model: DeviceModel, wanted: Wanted, where: string): Selection {
  const device = chooseDevice(model, wanted.device, where);
  if (wanted.path !== undefined && wanted.path > Math.max(1, device.paths)) throw missing(`${where}: device ${device.name} has ${device.paths} control paths, and path ${wanted.path} is configured`);
  const items = chooseItems(device, wanted, where);
  if (items.length === 0) throw missing(`${where}: the model of device ${device.name} has no data item that we read: no execution, no mode, no condition. Map some under items.`);
  return { device, items, lookup: lookupIn(model, device, items) };
}

const missing = (message: string): LinkError => new LinkError("unsupported", "backoff", message);

function chooseDevice({ devices }: DeviceModel, wanted: string | undefined, where: string): Device {
  const listed = devices.map(({ name, uuid }) => `${name} (uuid ${uuid})`).join(", ") || "none";
  // uuid "000" is common on untouched agents: a name goes first.
  const found = wanted === undefined ? devices : [devices.filter(({ name }) => name === wanted), devices.filter(({ uuid }) => uuid === wanted)].find((some) => some.length > 0) ?? [];
  const [first, second] = found;
  if (first === undefined) throw missing(wanted === undefined ? `${where} has no device` : `${where} has no device ${JSON.stringify(wanted)}; it has: ${listed}`);
  if (second !== undefined) throw missing(`${where} has several devices; name one under device: ${listed}`);
  return first;
}

function chooseItems(device: Device, { path, items: mapped = {} }: Wanted, where: string): readonly ChosenItem[] {
  const readable = device.items.filter((item) => path === undefined || item.path === null || item.path === path);
  const pathOf = (item: ModelItem): number | null => (path !== undefined || device.paths <= 1 ? 1 : item.path);
  const chosen = new Map<string, ChosenItem>();
  const taken = new Set<string>();
  for (const [id, signal] of Object.entries(mapped)) {
    const item = device.items.find((one) => one.id === id);
    if (item === undefined) throw missing(`${where}: device ${device.name} has no data item ${JSON.stringify(id)}, which items maps to ${signal}; it has: ${device.items.map((one) => one.id).slice(0, 60).join(", ")}`);
    chosen.set(id, itemAs(signal, item, pathOf(item)));
    taken.add(`${signal}|${pathOf(item)}`).add(signal);
  }
  const candidates = readable.filter(({ id, category, representation }) => !chosen.has(id) && category !== "CONDITION" && (representation === "VALUE" || representation === "DISCRETE"));
  for (const { signal, item } of [...ranked(candidates), ...spindles(candidates)]) {
    const key = `${signal}|${pathOf(item)}`;
    // What stands for the machine as a whole is read where no path says it.
    const said = taken.has(key) || (pathOf(item) === null && taken.has(signal));
    if (said || chosen.has(item.id)) continue;
    taken.add(key).add(signal);
    chosen.set(item.id, itemAs(signal, item, pathOf(item)));
  }
  for (const item of readable) if (item.category === "CONDITION" && !chosen.has(item.id)) chosen.set(item.id, itemAs("alarm", item, pathOf(item)));
  return [...chosen.values()];
}

interface Candidate {
  readonly signal: string;
  readonly item: ModelItem;
}

/** In order of preference within each signal. */
function ranked(items: readonly ModelItem[]): readonly Candidate[] {
  return SIGNAL_ROWS.flatMap((row) => items.flatMap((item) => {
    const subType = row.subTypes.indexOf(item.subType);
    const place = row.places.includes(item.place) ? row.places.indexOf(item.place) : row.places.indexOf("*");
    return item.type !== row.type || subType === -1 || place === -1 ? [] : [{ signal: row.signal, item, row: SIGNAL_ROWS.indexOf(row), subType, place }];
  })).sort((a, b) => a.place - b.place || a.subType - b.subType || a.row - b.row);
}

/** The axis whose speed is the spindle's, best first: by kind, by what its mode allows, by name (mtconnect.md §7). */
function spindles(items: readonly ModelItem[]): readonly Candidate[] {
  const rankOf = ({ component }: ModelItem): number => {
    const modes = items.find((item) => item.component.id === component.id && item.type === "ROTARY_MODE")?.allowed ?? [];
    const named = /^s(?:\d|p|$)|spindle/iu;
    if (component.kind === "Spindle" || (modes.length === 1 && modes[0] === "SPINDLE")) return 0;
    if (named.test(component.name) || named.test(component.nativeName)) return 1;
    if (modes.includes("SPINDLE")) return 2;
    return modes.length === 0 && /^c/iu.test(component.name) ? 3 : 4;
  };
  const rotary = items.filter(({ component }) => component.kind === "Rotary" || component.kind === "Spindle");
  const speeds = SPINDLE_ROWS.flatMap((row, rowIndex) => rotary.flatMap((item) => {
    const subType = row.subTypes.indexOf(item.subType);
    return item.type === row.type && subType !== -1 ? [{ signal: row.signal, item, rank: rankOf(item), subType, rowIndex }] : [];
  })).sort((a, b) => a.rank - b.rank || a.rowIndex - b.rowIndex || a.subType - b.subType);
  const axis = speeds.find(({ signal }) => signal === "spindle_speed")?.item.component.id;
  return speeds.filter(({ item }) => item.component.id === axis);
}

function itemAs(signal: string, item: ModelItem, path: number | null): ChosenItem {
  const condition = item.category === "CONDITION";
  const kind = Object.entries(VALUE_KINDS).find(([name]) => name === signal)?.[1] ?? { kind: item.category === "SAMPLE" ? "free" : "text" };
  const factors = UNIT_FACTORS[signal];
  const factor = factors?.[item.units];
  return {
    id: item.id, signal: condition ? "alarm" : signal, path, type: item.type,
    value: condition ? "condition" : kind,
    factor: factor ?? 1,
    uncertain: factors !== undefined && (factor === undefined || item.unitsAreNative),
  };
}

/** Ids are unique in a document; where an agent breaks that, the device's name or uuid decides. */
function lookupIn(model: DeviceModel, device: Device, items: readonly ChosenItem[]): Lookup<ChosenItem> {
  const byId = new Map(items.map((item) => [item.id, item]));
  const ambiguous = model.devices.some((other) => other !== device && other.items.some(({ id }) => byId.has(id)));
  const { name: ownName, uuid: ownUuid } = device;
  return ambiguous
    ? (id, name, uuid) => (name === ownName || (uuid === ownUuid && name === null) ? byId.get(id) ?? null : null)
    : (id) => byId.get(id) ?? null;
}
