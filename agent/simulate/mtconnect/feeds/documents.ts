/**
 * Recorded MTConnectStreams documents (one, or consecutive pages) → a feed that serves the same observations with their
 * own sequences, stamps and instance. The model is the probe given, or is put together from the items seen.
 * Facts: mtconnect.md §3, §6, §9.
 */
import { modelOf, readModel, schemaOf, typeName, vendorsOf, type Model } from "../model.ts";
import { stampMs, type SimulatedObservation } from "../observation.ts";
import { descendants, readXml, writeXml, type XmlElement } from "../xml.ts";
import type { Feed, Step } from "./feed.ts";

export interface RecordedDocument {
  readonly where: string;
  readonly text: string;
}

interface Seen {
  readonly device: XmlElement;
  readonly component: XmlElement;
  readonly category: "SAMPLE" | "EVENT" | "CONDITION";
  readonly element: XmlElement;
  readonly sequence: number;
}

const CATEGORY: Readonly<Record<string, Seen["category"]>> = { Samples: "SAMPLE", Events: "EVENT", Condition: "CONDITION" };

/** `probe`: the Devices document recorded with them. Items it lacks are added to the device they were seen in. */
export function documentFeed(documents: readonly RecordedDocument[], probe?: RecordedDocument): Feed {
  const roots = documents.map(({ text, where }) => ({ root: readXml(text, where), where }));
  const first = roots[0];
  if (first === undefined) throw new Error("no recorded document was given");
  const instances = new Set(roots.map(({ root }) => headerOf(root).get("instanceId") ?? ""));
  if (instances.size > 1) throw new Error(`the documents are from ${instances.size} agent instances (${[...instances].join(", ")}); their sequences do not belong together`);
  const bySequence = new Map<number, Seen>();
  for (const { root, where } of roots) {
    for (const seen of observationsOf(root, where)) if (!bySequence.has(seen.sequence)) bySequence.set(seen.sequence, seen);
  }
  const seen = [...bySequence.values()].sort((a, b) => a.sequence - b.sequence);
  const start = seen[0];
  if (start === undefined) throw new Error(`${first.where}: holds no observation`);
  const startMs = stampMs(start.element.attributes.get("timestamp") ?? "");
  const [instanceId = ""] = instances;
  return {
    model: probe === undefined ? seenModel(seen, first.root) : completedModel(readModel(probe.text, probe.where), seen),
    steps: stepsOf(seen, startMs), startMs, instanceId, recorded: true, notes: [],
    schema: schemaOf(first.root) ?? "1.3",
  };
}

export const isStreamsDocument = (text: string): boolean => /<(?:[\w.-]+:)?MTConnectStreams[\s>]/u.test(text.slice(0, 4096));

const headerOf = (root: XmlElement): ReadonlyMap<string, string> => root.children.find((child) => child.local === "Header")?.attributes ?? new Map<string, string>();

function* observationsOf(root: XmlElement, where: string): Generator<Seen> {
  if (root.local !== "MTConnectStreams") throw new Error(`${where}: is a ${root.local}, not an MTConnectStreams document`);
  for (const device of descendants(root)) {
    if (device.local !== "DeviceStream") continue;
    for (const component of device.children) {
      for (const container of component.children) {
        const category = CATEGORY[container.local];
        if (category === undefined) continue;
        for (const element of container.children) yield { device, component, category, element, sequence: Number(element.attributes.get("sequence")) };
      }
    }
  }
}

function stepsOf(seen: readonly Seen[], startMs: number): Step[] {
  let at = startMs;
  return seen.map(({ element, category, sequence, device }) => {
    const stamp = element.attributes.get("timestamp") ?? "";
    at = Math.max(at, stampMs(stamp));
    const native = element.attributes.get("nativeCode");
    const conditionId = element.attributes.get("conditionId");
    const observation: SimulatedObservation = {
      item: element.attributes.get("dataItemId") ?? "", device: device.attributes.get("uuid") || (device.attributes.get("name") ?? ""),
      at: stamp, sequence, xml: writeXml(unprefixed(element)), value: category === "CONDITION" ? element.local : element.text,
      ...(native === undefined ? {} : { nativeCode: native }), ...(conditionId === undefined ? {} : { conditionId }),
    };
    return { atMs: at - startMs, observations: [observation] };
  });
}

/** Served in the default namespace: a prefix that meant MTConnect goes, a vendor's stays. */
const unprefixed = (element: XmlElement): XmlElement => (element.name.startsWith("m:") ? { ...element, name: element.local } : element);

const element = (name: string, attributes: Readonly<Record<string, string | undefined>>, children: readonly XmlElement[]): XmlElement => ({
  name, local: name.slice(name.indexOf(":") + 1), children, text: "",
  attributes: new Map(Object.entries(attributes).filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== "")),
});

function itemElement({ element: observed, category }: Seen): XmlElement {
  const name = observed.name.startsWith("m:") ? observed.local : observed.name;
  const type = category === "CONDITION" ? observed.attributes.get("type") : typeName(name.replace(/(?:TimeSeries|DataSet|Table|Discrete)$/u, ""));
  const representation = { TimeSeries: "TIME_SERIES", DataSet: "DATA_SET", Table: "TABLE", Discrete: "DISCRETE" }[/(?:TimeSeries|DataSet|Table|Discrete)$/u.exec(name)?.[0] ?? ""];
  const from = (key: string): string | undefined => observed.attributes.get(key);
  return element("DataItem", { id: from("dataItemId"), name: from("name"), category, type, subType: from("subType"), representation }, []);
}

/** Each component directly under its device: the nesting is not in a Streams document. */
function seenModel(seen: readonly Seen[], root: XmlElement): Model {
  const devices = new Map<string, Map<string, { readonly of: XmlElement; readonly items: Map<string, XmlElement> }>>();
  const deviceOf = new Map<string, XmlElement>();
  for (const one of seen) {
    const key = one.device.attributes.get("uuid") ?? one.device.attributes.get("name") ?? "";
    deviceOf.set(key, one.device);
    const components = devices.get(key) ?? new Map<string, { readonly of: XmlElement; readonly items: Map<string, XmlElement> }>();
    devices.set(key, components);
    const componentId = one.component.attributes.get("componentId") ?? "";
    const component = components.get(componentId) ?? { of: one.component, items: new Map<string, XmlElement>() };
    components.set(componentId, component);
    component.items.set(one.element.attributes.get("dataItemId") ?? "", itemElement(one));
  }
  return modelOf([...devices].map(([key, components]) => deviceElement(deviceOf.get(key), [...components.values()])), vendorsOf(root));
}

function deviceElement(device: XmlElement | undefined, components: readonly { readonly of: XmlElement; readonly items: ReadonlyMap<string, XmlElement> }[]): XmlElement {
  const own = components.find(({ of }) => of.attributes.get("component") === "Device" || of.attributes.get("component") === "Agent");
  const items = (part: { readonly items: ReadonlyMap<string, XmlElement> } | undefined): XmlElement[] => (part === undefined ? [] : [element("DataItems", {}, [...part.items.values()])]);
  const below = components.filter((part) => part !== own).map((part) => element(part.of.attributes.get("component") ?? "Controller", { id: part.of.attributes.get("componentId"), name: part.of.attributes.get("name") }, items(part)));
  const name = device?.attributes.get("name") ?? "";
  return element(name === "Agent" ? "Agent" : "Device", { id: own?.of.attributes.get("componentId") ?? name, name, uuid: device?.attributes.get("uuid") }, [...items(own), element("Components", {}, below)]);
}

function completedModel(model: Model, seen: readonly Seen[]): Model {
  const known = new Set(model.items.map((item) => item.id));
  const missing = new Map(seen.filter((one) => !known.has(one.element.attributes.get("dataItemId") ?? "")).map((one) => [one.element.attributes.get("dataItemId"), one]));
  if (missing.size === 0) return model;
  const names = new Set(model.devices.map((device) => device.name));
  const strangers = [...missing.values()].filter((one) => !names.has(one.device.attributes.get("name") ?? ""));
  const devices = model.devices.map(({ element: device, name }) => {
    const own = [...missing.values()].filter((one) => one.device.attributes.get("name") === name).map(itemElement);
    return own.length === 0 ? device : { ...device, children: [...device.children, element("DataItems", {}, own)] };
  });
  return modelOf([...devices, ...seenModel(strangers, element("MTConnectStreams", {}, [])).devices.map((device) => device.element)], model.vendors);
}
