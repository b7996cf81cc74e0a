/**
 * An adapter's keys → our items, and how many fields each takes: by the Devices.xml, by the `map`, or by both (the map goes
 * first). Without a device model a line cannot be split with certainty (mtconnect.md §11): what the map does not know is
 * taken to have one value, and five where they look like a condition's. Pure.
 */
import type { ShdrConfig, MapEntry } from "./config.ts";
import { selectItems, type ChosenItem } from "../shared/mtconnect/items.ts";
import type { Device, DeviceModel, ModelItem } from "../shared/mtconnect/probe.ts";
import { UNIT_FACTORS, VALUE_KINDS, type ValueKind } from "../shared/mtconnect/signals.ts";

type Width = "one" | "message" | "message or one" | "condition" | "alarm" | "series" | "asset";

interface Named {
  /** Null: known, and not read. */
  readonly item: ChosenItem | null;
  readonly width: Width;
}
export interface Split {
  readonly key: string;
  /** Null: not read. */
  readonly item: ChosenItem | null;
  readonly values: readonly string[];
  readonly isKnown: boolean;
}

export interface Names {
  /** Nothing was configured that could name a key. */
  readonly isEmpty: boolean;
  readonly device: string | null;
  /** The fields of one line, item by item. */
  split(fields: readonly string[], said: Said): readonly Split[];
}
/** What the adapter said about itself. */
export interface Said {
  /** Whose the keys without a prefix are; null: ours. */
  readonly device: string | null;
  /** Values are in the model's units, not in the machine's own. */
  readonly isConverted: boolean;
}

type Naming = Pick<ShdrConfig, "map" | "devices" | "device" | "path">;

export function namesOf(config: Naming, model: DeviceModel | null): Names {
  const mapped = Object.entries(config.map ?? {}).map(([key, entry]) => [key, itemOf(key, entry)] as const);
  const device = model === null ? null : chosenDevice(model, config);
  const tables = [false, true].map((isConverted) => tableOf(mapped, model, { config, device, isConverted }));
  const others = new Set(model?.devices.filter((other) => other.name !== device?.name).flatMap(({ name, uuid }) => [name, uuid]));
  return {
    isEmpty: mapped.length === 0 && model === null,
    device: device?.name ?? null,
    split: (fields, said) => splitBy(fields, (key) => {
      const table = tables[said.isConverted ? 1 : 0] ?? new Map<string, Named>();
      const own = said.device === null || !others.has(said.device) ? table.get(key) : undefined;
      const colon = own === undefined ? key.indexOf(":") : -1;
      // `device:key`: whose it is without a model, only the whole key in the map or the adapter itself can say.
      const prefix = key.slice(0, Math.max(0, colon));
      const isOurs = colon !== -1 && (device === null ? prefix === said.device : prefix === device.name || prefix === device.uuid);
      return isOurs ? table.get(key.slice(colon + 1)) : own;
    }),
  };
}

const chosenDevice = (model: DeviceModel, config: Naming): Device => selectItems(model, wantedOf(config), config.devices ?? "").device;

const wantedOf = ({ device, path }: Naming) => ({ ...(device !== undefined && { device }), ...(path !== undefined && { path }) });

interface Tabled {
  readonly config: Naming;
  readonly device: Device | null;
  readonly isConverted: boolean;
}

function tableOf(mapped: readonly (readonly [string, ChosenItem])[], model: DeviceModel | null, { config, device, isConverted }: Tabled): ReadonlyMap<string, Named> {
  const table = new Map<string, Named>();
  for (const [key, item] of mapped) table.set(key, { item, width: widthOfMapped(item) });
  if (model === null || device === null) return table;
  // An adapter sends what the machine has; the agent would convert it into the model's units.
  const asSent = { ...model, devices: model.devices.map((one) => (isConverted ? one : { ...one, items: one.items.map(inNativeUnits) })) };
  const taken = new Set(mapped.map(([, { signal, path }]) => `${signal}|${path}`));
  const chosen = new Map(selectItems(asSent, wantedOf(config), config.devices ?? "").items.map((item) => [item.id, item]));
  for (const nameOf of [({ id }: ModelItem) => id, ({ name }: ModelItem) => name, ({ source }: ModelItem) => source]) {
    for (const item of device.items) {
      const key = nameOf(item);
      if (key === "" || table.has(key)) continue;
      const found = chosen.get(item.id);
      const isReplaced = found !== undefined && found.signal !== "alarm" && taken.has(`${found.signal}|${found.path}`);
      table.set(key, { item: isReplaced ? null : found ?? null, width: widthOf(item) });
    }
  }
  return table;
}

const inNativeUnits = (item: ModelItem): ModelItem => (item.nativeUnits === "" ? item : { ...item, units: item.nativeUnits, unitsAreNative: false });

function itemOf(key: string, { signal, path = 1, unit, values = {} }: MapEntry): ChosenItem {
  const usual: ValueKind = Object.entries(VALUE_KINDS).find(([name]) => name === signal)?.[1] ?? { kind: "free" };
  const aliases = Object.fromEntries(Object.entries(values).map(([word, meant]) => [word.toUpperCase(), meant.toUpperCase()]));
  const kind: ValueKind = usual.kind === "words" ? { ...usual, aliases: { ...usual.aliases, ...aliases } } : usual;
  return { id: key, signal, path, type: "SYSTEM", value: signal === "alarm" ? "condition" : kind, factor: unit === undefined ? 1 : UNIT_FACTORS[signal]?.[unit] ?? 1, uncertain: false };
}

const widthOfMapped = ({ signal, value }: ChosenItem): Width => (value === "condition" ? "condition" : signal === "message" ? "message or one" : "one");

function widthOf({ category, type, representation }: ModelItem): Width {
  if (category === "CONDITION") return "condition";
  if (representation === "TIME_SERIES") return "series";
  if (type === "MESSAGE") return "message";
  if (type === "ALARM") return "alarm";
  return type === "ASSET_CHANGED" || type === "ASSET_REMOVED" ? "asset" : "one";
}

const FIELDS: Readonly<Record<Exclude<Width, "message or one">, number>> = { one: 1, message: 2, condition: 5, alarm: 5, series: 3, asset: 2 };
const LEVEL = /^(?:normal|warning|fault|unavailable)$/iu;

function splitBy(fields: readonly string[], find: (key: string) => Named | undefined): readonly Split[] {
  const found: Split[] = [];
  for (let at = 0; at < fields.length; ) {
    const key = fields[at] ?? "";
    const named = find(key);
    const rest = fields.length - at - 1;
    const first = fields[at + 1] ?? "";
    // `x|UNAVAILABLE|execution|READY|…`: what follows are items of their own. What is not known has no code.
    const next = fields[at + 2] ?? "";
    const goesOn = find(next) !== undefined || (next !== "" && first.toUpperCase() === "UNAVAILABLE");
    const width = named === undefined ? unknownWidth(first, rest, goesOn) : knownWidth(named.width, { first, rest, goesOn });
    if (key !== "" && rest > 0) found.push({ key, item: named?.item ?? null, values: fields.slice(at + 1, at + 1 + width), isKnown: named !== undefined });
    at += 1 + width;
  }
  return found;
}

/** A lone UNAVAILABLE stands for wide ones, too. */
function knownWidth(width: Width, { first, rest, goesOn }: { readonly first: string; readonly rest: number; readonly goesOn: boolean }): number {
  // `logic|NORMAL|404`: empty fields at the end may be left out.
  if (width === "condition") return LEVEL.test(first) && !(goesOn && (rest < FIELDS.condition || first.toUpperCase() === "UNAVAILABLE")) ? Math.min(FIELDS.condition, rest) : 1;
  if (rest === 1) return 1;
  // All others have a key and a value: what is left over tells whether a code is in front of the text.
  if (width === "message or one") return rest % 2 === 0 ? FIELDS.message : 1;
  return Math.min(FIELDS[width], rest);
}

/** A condition is alone on its line, and normally has all its fields. */
const unknownWidth = (first: string, rest: number, goesOn: boolean): number => (LEVEL.test(first) && rest === FIELDS.condition && !goesOn ? FIELDS.condition : 1);
