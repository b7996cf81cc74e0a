/** The four documents of an agent as text: Devices, Streams, Error. Structure and order as the reference agents write them. */
import type { Dialect } from "./dialect.ts";
import type { Item, Model } from "./model.ts";
import type { Entry } from "./observation.ts";
import { escapeAttribute, escapeText, writeXml } from "./xml.ts";

export interface HeaderFacts {
  readonly creationTime: string;
  readonly instanceId: string;
  readonly bufferSize: number;
  readonly modelChanged: string;
}
export interface Sequences {
  readonly first: number;
  readonly last: number;
  readonly next: number;
}
export interface AgentError {
  readonly status: number;
  readonly code: string;
  readonly text: string;
  /** `MTConnectStreams` and so on: which document was asked for. */
  readonly request?: string;
  readonly uri?: string;
  readonly parameter?: { readonly name: string; readonly fields: readonly (readonly [string, string])[] };
}

const SENDER = "cellgate-simulator";
const CONTAINER = { SAMPLE: "Samples", EVENT: "Events", CONDITION: "Condition" } as const;
const RANK = { SAMPLE: 0, EVENT: 1, CONDITION: 2 } as const;

function open(kind: string, dialect: Dialect, vendors: ReadonlyMap<string, string> | null): string {
  const urn = `urn:mtconnect.org:MTConnect${kind}:${dialect.schema}`;
  let extra = "";
  for (const [prefix, name] of vendors ?? []) extra += ` xmlns:${prefix}="${escapeAttribute(name.replace("Devices:", `${kind}:`))}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<MTConnect${kind} xmlns:m="${urn}" xmlns="${urn}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"${extra} xsi:schemaLocation="${urn} http://schemas.mtconnect.org/schemas/MTConnect${kind}_${dialect.schema}.xsd">`;
}

function header(facts: HeaderFacts, dialect: Dialect, tail: string): string {
  const changed = dialect.since("1.7") ? ` deviceModelChangeTime="${facts.modelChanged}"` : "";
  return `<Header creationTime="${facts.creationTime}" sender="${SENDER}" instanceId="${facts.instanceId}" version="${dialect.software}"${changed}${tail}/>`;
}

export function devicesDocument(model: Model, facts: HeaderFacts, dialect: Dialect, only: number | null): string {
  const devices = model.devices.filter((device) => only === null || device.index === only).map((device) => writeXml(device.element)).join("");
  const head = header(facts, dialect, ` assetBufferSize="1024" assetCount="0" bufferSize="${facts.bufferSize}"`);
  return `${open("Devices", dialect, model.vendors)}${head}<Devices>${devices}</Devices></MTConnectDevices>`;
}

export function streamsDocument(body: string, model: Model, facts: HeaderFacts & { readonly sequences: Sequences }, dialect: Dialect): string {
  const { first, last, next } = facts.sequences;
  const head = header(facts, dialect, ` bufferSize="${facts.bufferSize}" nextSequence="${next}" firstSequence="${first}" lastSequence="${last}"`);
  return `${open("Streams", dialect, model.vendors)}${head}${body === "" ? "<Streams/>" : `<Streams>${body}</Streams>`}</MTConnectStreams>`;
}

export function errorDocument(errors: readonly AgentError[], facts: HeaderFacts, dialect: Dialect): string {
  const head = header(facts, dialect, ` bufferSize="${facts.bufferSize}"`);
  const body = errors.map((error) => (dialect.errorForm === "named" ? namedError(error) : `<Error errorCode="${error.code}">${escapeText(error.text)}</Error>`));
  const inner = dialect.errorForm === "single" ? body[0] ?? "" : `<Errors>${body.join("")}</Errors>`;
  return `${open("Error", dialect, null)}${head}${inner}</MTConnectError>`;
}

const NAMES: Readonly<Record<string, string>> = { INVALID_XPATH: "InvalidXPath", INVALID_URI: "InvalidURI" };
const nameOf = (code: string): string => NAMES[code] ?? code.split("_").map((word) => word.slice(0, 1) + word.slice(1).toLowerCase()).join("");

function namedError(error: AgentError): string {
  const fields = error.parameter?.fields.map(([name, value]) => `<${name}>${escapeText(value)}</${name}>`).join("") ?? "";
  const parameter = error.parameter === undefined ? "" : `<QueryParameter name="${error.parameter.name}">${fields}</QueryParameter>`;
  const request = error.request === undefined ? "" : `<Request>${error.request}</Request>`;
  const uri = error.uri === undefined ? "" : `<URI>${escapeText(error.uri)}</URI>`;
  const name = nameOf(error.code);
  return `<${name} errorCode="${error.code}"><ErrorMessage>${escapeText(error.text)}</ErrorMessage>${parameter}${request}${uri}</${name}>`;
}

/** Gathers rendered observations and writes them grouped by device, component, category and item, as agents do. */
export class StreamsBody {
  private readonly model: Model;
  private readonly texts: (string | undefined)[] = [];
  private readonly items: Item[] = [];
  constructor(model: Model) {
    this.model = model;
  }
  add(entry: Entry): void {
    const before = this.texts[entry.item.index];
    if (before === undefined) this.items.push(entry.item);
    this.texts[entry.item.index] = before === undefined ? entry.xml : before + entry.xml;
  }
  write(): string {
    this.items.sort((a, b) => a.component - b.component || RANK[a.category] - RANK[b.category] || a.index - b.index);
    const out: string[] = [];
    let previous: Item | null = null;
    for (const item of this.items) {
      const sameComponent = previous?.component === item.component;
      if (!sameComponent || previous?.category !== item.category) {
        if (previous !== null) out.push(`</${CONTAINER[previous.category]}>`);
        if (!sameComponent) out.push(this.turn(previous, item));
        out.push(`<${CONTAINER[item.category]}>`);
      }
      out.push(this.texts[item.index] ?? "");
      previous = item;
    }
    if (previous !== null) out.push(`</${CONTAINER[previous.category]}></ComponentStream></DeviceStream>`);
    return out.join("");
  }
  /** Ends the component (and device) before, begins the next. */
  private turn(previous: Item | null, item: Item): string {
    const component = this.model.components[item.component];
    const device = this.model.devices[item.device];
    const name = component?.name === "" ? "" : ` name="${escapeAttribute(component?.name ?? "")}"`;
    const start = `<ComponentStream component="${component?.kind ?? ""}"${name} componentId="${escapeAttribute(component?.id ?? "")}">`;
    const end = previous === null ? "" : "</ComponentStream>";
    if (previous?.device === item.device) return end + start;
    return `${end}${previous === null ? "" : "</DeviceStream>"}<DeviceStream name="${escapeAttribute(device?.name ?? "")}" uuid="${escapeAttribute(device?.uuid ?? "")}">${start}`;
  }
}
