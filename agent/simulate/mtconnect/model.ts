/**
 * The device model a simulated agent serves: read from a Devices.xml (with or without envelope, namespace or prefix),
 * or put together from the items that a recorded document mentions. Facts: mtconnect.md §1, §9.
 */
import { descendants, localName, readXml, type XmlElement } from "./xml.ts";

export type Category = "SAMPLE" | "EVENT" | "CONDITION";

export interface Item {
  readonly index: number;
  readonly id: string;
  readonly name: string;
  readonly source: string;
  readonly category: Category;
  readonly type: string;
  readonly subType: string;
  readonly representation: string;
  readonly device: number;
  readonly component: number;
}
export interface Component {
  /** Element name, "Device" for the device itself. */
  readonly kind: string;
  readonly id: string;
  readonly name: string;
  readonly device: number;
}
export interface Device {
  readonly index: number;
  readonly name: string;
  readonly uuid: string;
  readonly element: XmlElement;
}
export interface Model {
  readonly devices: readonly Device[];
  readonly components: readonly Component[];
  readonly items: readonly Item[];
  readonly itemOf: ReadonlyMap<XmlElement, Item>;
  /** xmlns of vendor prefixes, as the model's root declares them. */
  readonly vendors: ReadonlyMap<string, string>;
  /** Schema version of the document it came from; null where that had no namespace. */
  readonly schema: string | null;
}

const STANDARD = new Set(["m", "xsi"]);

/** `only` keeps one device (name or uuid). Throws when the text holds no device, or not that one. */
export function readModel(text: string, where: string, only?: string): Model {
  const root = readXml(text, where);
  const found = localName(root.name) === "Device" ? [root] : [...descendants(root)].filter((element) => element.local === "Device" || element.local === "Agent");
  const named = (element: XmlElement): boolean => only === undefined || element.attributes.get("name") === only || element.attributes.get("uuid") === only;
  const chosen = found.filter(named);
  if (chosen.length === 0) {
    const names = found.map((element) => element.attributes.get("name") ?? "?").join(", ");
    throw new Error(only === undefined ? `${where}: holds no Device` : `${where}: has no device "${only}"; it has: ${names}`);
  }
  return { ...modelOf(chosen, vendorsOf(root)), schema: schemaOf(root) };
}

/** From the namespace's last part (mtconnect.md §9). */
export function schemaOf(root: XmlElement): string | null {
  for (const [name, value] of root.attributes) {
    const version = name.startsWith("xmlns") ? /^urn:mtconnect\.org:MTConnect\w+:(\d\.\d+)$/u.exec(value)?.[1] : undefined;
    if (version !== undefined) return version;
  }
  return null;
}

export function vendorsOf(root: XmlElement): Map<string, string> {
  const vendors = new Map<string, string>();
  for (const [name, value] of root.attributes) {
    const prefix = name.startsWith("xmlns:") ? name.slice(6) : "";
    if (prefix !== "" && !STANDARD.has(prefix) && !value.startsWith("urn:mtconnect.org:")) vendors.set(prefix, value);
  }
  return vendors;
}

/** From Device (or Agent) elements. */
export function modelOf(elements: readonly XmlElement[], vendors: ReadonlyMap<string, string>): Model {
  const devices: Device[] = [];
  const components: Component[] = [];
  const items: Item[] = [];
  const itemOf = new Map<XmlElement, Item>();
  const walk = (element: XmlElement, device: number, component: number): void => {
    for (const child of element.children) {
      if (child.local === "DataItem") {
        const item = itemFrom(child, items.length, device, component);
        items.push(item);
        itemOf.set(child, item);
      } else if (element.local === "Components") {
        components.push({ kind: child.name, id: child.attributes.get("id") ?? "", name: child.attributes.get("name") ?? "", device });
        walk(child, device, components.length - 1);
      } else walk(child, device, component);
    }
  };
  for (const element of elements) {
    const device: Device = { index: devices.length, name: element.attributes.get("name") ?? "", uuid: element.attributes.get("uuid") ?? "", element };
    devices.push(device);
    components.push({ kind: element.local, id: element.attributes.get("id") ?? "", name: device.name, device: device.index });
    walk(element, device.index, components.length - 1);
  }
  return { devices, components, items, itemOf, vendors, schema: null };
}

function itemFrom(element: XmlElement, index: number, device: number, component: number): Item {
  const attribute = (name: string): string => element.attributes.get(name) ?? "";
  const category = attribute("category");
  return {
    index, device, component,
    id: attribute("id"),
    name: attribute("name"),
    source: element.children.find((child) => child.local === "Source")?.text.trim() ?? "",
    category: category === "SAMPLE" || category === "CONDITION" ? category : "EVENT",
    type: attribute("type"),
    subType: attribute("subType"),
    representation: attribute("representation") || "VALUE",
  };
}

const pascal = (words: string): string => words.split("_").map((word) => (["PH", "AC", "DC", "URI", "MTCONNECT"].includes(word) ? word : word.slice(0, 1) + word.slice(1).toLowerCase())).join("");
const SUFFIX: Readonly<Record<string, string>> = { TIME_SERIES: "TimeSeries", DATA_SET: "DataSet", TABLE: "Table", DISCRETE: "Discrete" };

/** Element name of an observation: EXECUTION → Execution, x:PALLET_NUMBER → x:PalletNumber, LOAD as TIME_SERIES → LoadTimeSeries. */
export function elementName(item: Item): string {
  const colon = item.type.indexOf(":");
  const prefix = colon < 0 ? "" : item.type.slice(0, colon + 1);
  return prefix + pascal(item.type.slice(colon + 1)) + (SUFFIX[item.representation] ?? "");
}
/** The reverse, for models made of documents. A guess where the type is written without breaks. */
export function typeName(element: string): string {
  const colon = element.indexOf(":");
  return element.slice(0, colon + 1) + element.slice(colon + 1).replaceAll(/([a-z0-9])([A-Z])/gu, "$1_$2").toUpperCase();
}
