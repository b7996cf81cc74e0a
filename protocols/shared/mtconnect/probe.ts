/**
 * The device model (`/probe`) → devices and their data items, flat (mtconnect.md §9, Probe tree). Read with xml2js in
 * slices. Names are compared without prefix; an envelope may be missing; DOCTYPE is refused before the parser sees it.
 */
import { LinkError } from "../../../agent/contract/errors.ts";
import { isRecord } from "../../../agent/contract/shape.ts";
import { decodeText } from "./text.ts";
import { XmlError, XmlScanner } from "./xml.ts";

export interface ModelItem {
  readonly id: string;
  readonly name: string;
  readonly category: string;
  /** In upper case; vendor types keep their prefix: "x:UNIT". */
  readonly type: string;
  readonly subType: string;
  /** Units of the model; native ones where it names no others. */
  readonly units: string;
  readonly unitsAreNative: boolean;
  /** What the machine itself has it in; "" where the model does not say. */
  readonly nativeUnits: string;
  /** VALUE, DISCRETE, TIME_SERIES, DATA_SET, TABLE. */
  readonly representation: string;
  /** What the adapter calls it, where the model says so. */
  readonly source: string;
  /** The words its constraints allow. */
  readonly allowed: readonly string[];
  /** Kind of the component that holds it: Path, Controller, Rotary, Device, …; Path and Controller cover what lies in them. */
  readonly place: string;
  readonly component: { readonly id: string; readonly kind: string; readonly name: string; readonly nativeName: string };
  /** Number of the control path it lies in, from 1 in the model's order; null outside of any. */
  readonly path: number | null;
}

export interface Device {
  readonly name: string;
  readonly uuid: string;
  readonly items: readonly ModelItem[];
  readonly paths: number;
}

export interface DeviceModel {
  /** The pseudo-device of 1.7 and later agents is left out. */
  readonly devices: readonly Device[];
  /** From the namespace; null when there is none. */
  readonly schema: string | null;
  readonly instance: string | null;
}

interface Node {
  readonly local: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly Node[];
  readonly text: string;
}

/** The largest model recorded has 900. xml2js needs some 3 KB for each. */
const MAXIMUM_ELEMENTS = 100_000;

/** Throws LinkError when it is no device model. `what` names the document. */
export async function decodeModel(bytes: Uint8Array, what: string): Promise<DeviceModel> {
  const text = decodeText(bytes);
  const doctype = /<!DOCTYPE/iu.exec(text);
  if (doctype) throw unsound(what, `a DOCTYPE, which is refused, at character ${doctype.index}`);
  bound(text, what);
  const root = await readTree(text, what);
  if (root.local === "Device") return { devices: [readDevice(root)], schema: null, instance: null };
  if (root.local !== "MTConnectDevices") throw unsound(what, `the root element is <${root.local.slice(0, 60)}>: is this an MTConnect agent?`);
  const listed = root.children.find(({ local }) => local === "Devices")?.children ?? [];
  const header = root.children.find(({ local }) => local === "Header");
  const namespace = Object.values(root.attributes).map((value) => /^urn:mtconnect\.org:MTConnectDevices:(\d+\.\d+)$/u.exec(value)?.[1]).find((version) => version !== undefined);
  return { devices: listed.filter(({ local }) => local === "Device").map(readDevice), schema: namespace ?? null, instance: header?.attributes["instanceId"] ?? null };
}

const unsound = (what: string, found: string, cause?: unknown): LinkError => new LinkError("protocol", "backoff", `${what} is not a device model: ${found}`, { cause });

/** Depth, attributes of a tag, elements: looked at before xml2js, which builds everything before it can be asked. */
function bound(text: string, what: string): void {
  let elements = 0;
  const scanner = new XmlScanner(text, {
    collects: false,
    open() {
      if (++elements > MAXIMUM_ELEMENTS) throw unsound(what, `more than ${MAXIMUM_ELEMENTS} elements`);
    },
    close: () => undefined,
    text: () => undefined,
  });
  try {
    scanner.step(text.length);
  } catch (cause) {
    if (!(cause instanceof XmlError)) throw cause;
    throw unsound(what, `${cause.message}, at character ${cause.offset}: ${hexAt(text, cause.offset) || "(end)"}`, cause);
  }
}

const hexAt = (text: string, offset: number): string => Buffer.from(text.slice(offset, offset + 32), "utf8").subarray(0, 32).toString("hex");

async function readTree(text: string, what: string): Promise<Node> {
  // Through `default`: the built program has the CommonJS package in a part of its own, which has no other export.
  const { default: { Parser } } = await import("xml2js");
  // `async` hands the text over in pieces, with the event loop between them.
  const parser = new Parser({ explicitRoot: true, explicitChildren: true, preserveChildrenOrder: true, explicitCharkey: true, charsAsChildren: false, async: true, chunkSize: 64 * 1024 });
  try {
    const tree: unknown = await parser.parseStringPromise(text);
    const root = isRecord(tree) ? Object.entries(tree)[0] : undefined;
    if (root === undefined) throw new Error("there is no element in it");
    return readNode(root[1], root[0]);
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    const near = textAt(text, said);
    throw unsound(what, `${said.split("\n")[0] ?? ""}, at character ${near.offset}: ${near.hex || "(end)"}`, cause);
  }
}

/** The parser names the place as "Line: 3", "Column: 7", both from 0. */
function textAt(text: string, said: string): { readonly offset: number; readonly hex: string } {
  let offset = 0;
  for (let line = Number(/Line: (\d+)/u.exec(said)?.[1] ?? 0); line > 0; line--) offset = text.indexOf("\n", offset) + 1;
  offset = Math.min(text.length, offset + Number(/Column: (\d+)/u.exec(said)?.[1] ?? 0));
  return { offset, hex: hexAt(text, offset) };
}

function readNode(node: unknown, name: string): Node {
  const fields = isRecord(node) ? node : {};
  const children: unknown = fields["$$"];
  const attributes = isRecord(fields["$"]) ? Object.entries(fields["$"]).filter((entry): entry is [string, string] => typeof entry[1] === "string") : [];
  return {
    local: localName(name),
    attributes: Object.fromEntries(attributes),
    children: Array.isArray(children) ? children.map((child: unknown) => readNode(child, isRecord(child) && typeof child["#name"] === "string" ? child["#name"] : "")) : [],
    text: typeof fields["_"] === "string" ? fields["_"].trim() : "",
  };
}

const localName = (name: string): string => name.slice(name.indexOf(":") + 1);

function readDevice(node: Node): Device {
  const items: ModelItem[] = [];
  const seen = { paths: 0 };
  walk(node, { place: "Device", path: null, covered: false }, seen, items);
  return { name: node.attributes["name"] ?? "", uuid: node.attributes["uuid"] ?? "", items, paths: seen.paths };
}

interface Around {
  readonly place: string;
  readonly path: number | null;
  /** True below a Path or Controller: what lies deeper still belongs to it. */
  readonly covered: boolean;
}

function walk(component: Node, around: Around, seen: { paths: number }, items: ModelItem[]): void {
  for (const group of component.children) {
    if (group.local === "DataItems") for (const node of group.children) if (node.local === "DataItem") items.push(readItem(node, component, around));
    if (group.local !== "Components") continue;
    for (const child of group.children) {
      const isPath = child.local === "Path";
      const decides = isPath || child.local === "Controller";
      walk(child, {
        place: decides || !around.covered ? child.local : around.place,
        path: isPath ? ++seen.paths : around.path,
        covered: around.covered || decides,
      }, seen, items);
    }
  }
}

function readItem(node: Node, component: Node, { place, path }: Around): ModelItem {
  const of = (name: string): string => node.attributes[name]?.trim() ?? "";
  const type = of("type");
  const units = of("units");
  const constraints = node.children.find(({ local }) => local === "Constraints");
  return {
    id: of("id"), name: of("name"), category: of("category").toUpperCase(),
    type: type.includes(":") ? type : type.toUpperCase(), subType: of("subType"),
    units: units || of("nativeUnits"), unitsAreNative: units === "", nativeUnits: of("nativeUnits"), representation: of("representation").toUpperCase() || "VALUE",
    source: node.children.find(({ local }) => local === "Source")?.text ?? "",
    allowed: constraints?.children.filter(({ local }) => local === "Value").map(({ text }) => text) ?? [],
    place, path,
    component: { id: component.attributes["id"] ?? "", kind: component.local, name: component.attributes["name"] ?? "", nativeName: component.attributes["nativeName"] ?? "" },
  };
}
