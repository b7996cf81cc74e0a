/**
 * What a client asked for, checked as an agent checks it: device prefix, kind of document, parameters with their limits.
 * Answers are either a request that can be served or the errors of the reference agents (mtconnect.md §2, §5).
 */
import type { Dialect } from "./dialect.ts";
import type { AgentError } from "./documents.ts";
import type { Model } from "./model.ts";
import type { Ring } from "./ring.ts";
import { selectItems } from "./xpath.ts";

export interface Request {
  readonly kind: "probe" | "current" | "sample" | "assets";
  readonly device: number | null;
  /** Item marks; null: everything. */
  readonly filter: Uint8Array | null;
  readonly from: number;
  readonly to: number | null;
  readonly count: number;
  readonly at: number | null;
  /** ms; null: one document. */
  readonly interval: number | null;
  readonly heartbeat: number;
}

export interface RequestContext {
  readonly model: Model;
  readonly ring: Ring;
  readonly dialect: Dialect;
  /** Item marks of a path, remembered by the caller. */
  readonly select: (path: string) => Uint8Array | null;
}

const DOCUMENT = { probe: "MTConnectDevices", current: "MTConnectStreams", sample: "MTConnectStreams", assets: "MTConnectAssets" } as const;
type Kind = keyof typeof DOCUMENT;

export function readRequest(url: string, context: RequestContext): Request | readonly AgentError[] {
  const { pathname, searchParams } = new URL(url, "http://agent");
  const uri = shownUri(pathname, searchParams);
  const segments = pathname.split("/").filter((segment) => segment !== "").map((segment) => decodeURIComponent(segment));
  const last = segments.at(-1) ?? "probe";
  const kind = last === "probe" || last === "current" || last === "sample" || last === "assets" ? last : null;
  if (segments[0] === "asset" || segments[1] === "asset") return [{ status: 404, code: "ASSET_NOT_FOUND", text: `Cannot find asset for assetId: ${last}`, request: DOCUMENT.assets, uri }];
  const names = kind === null || segments.length === 0 ? segments : segments.slice(0, -1);
  if (names.length > 1) return [{ status: 404, code: "INVALID_URI", text: `127.0.0.1: Cannot find handler for: GET ${pathname}`, uri }];
  const request = DOCUMENT[kind ?? "probe"];
  const device = names[0] === undefined ? null : context.model.devices.findIndex((one) => one.name === names[0] || one.uuid === names[0]);
  if (device === -1) return [{ status: 404, code: "NO_DEVICE", text: `Could not find the device '${names[0] ?? ""}'`, request, uri }];
  return readQuery(kind ?? "probe", device, new Query(searchParams, context, request, uri));
}

function readQuery(kind: Kind, device: number | null, query: Query): Request | readonly AgentError[] {
  const { ring, dialect } = query.context;
  const old = !dialect.since("2.0");
  const span: Limits = { signed: true, minimum: 0, maximum: LONGEST_MS };
  const interval = query.number("interval", span) ?? (dialect.since("1.4") ? null : query.number("frequency", span));
  const heartbeat = query.number("heartbeat", { signed: true, minimum: old ? 10 : 2, maximum: old ? 600_000 : LONGEST_MS }) ?? 10_000;
  const count = query.number("count", { signed: true, minimum: old ? 1 : -ring.size, maximum: ring.size, nonZero: true }) ?? 100;
  const fromName = !dialect.since("1.2") && query.has("start") ? "start" : "from";
  const from = kind === "sample" ? query.number(fromName, { signed: false, minimum: ring.first, maximum: ring.next }) : null;
  const to = kind === "sample" && !old ? query.number("to", { signed: false, minimum: (from ?? ring.first) + 1, maximum: ring.next }) : null;
  const at = kind === "current" && (interval === null || old) ? query.number("at", { signed: false, minimum: ring.first, maximum: ring.last }) : null;
  if (at !== null && interval !== null) query.fail({ status: 400, code: "INVALID_REQUEST", text: "You cannot specify both the at and frequency arguments to a current request" });
  const filter = query.filter(device);
  if (query.errors.length > 0) return query.errors;
  return { kind, device, filter, from: from ?? (count < 0 ? ring.last : ring.first), to, count, at, interval, heartbeat };
}

interface Limits {
  readonly signed: boolean;
  readonly minimum: number;
  readonly maximum: number;
  readonly nonZero?: boolean;
}
const LONGEST_MS = 2 ** 31 - 1;

/** Reads parameters and gathers what is wrong with them. */
class Query {
  readonly errors: AgentError[] = [];
  readonly context: RequestContext;
  private readonly parameters: URLSearchParams;
  private readonly request: string;
  private readonly uri: string;
  constructor(parameters: URLSearchParams, context: RequestContext, request: string, uri: string) {
    this.parameters = parameters;
    this.context = context;
    this.request = request;
    this.uri = uri;
  }
  has(name: string): boolean {
    return this.parameters.has(name);
  }
  fail(error: AgentError): void {
    this.errors.push({ request: this.request, uri: this.uri, ...error });
  }
  /** The parameter within its limits, both inclusive; null when absent or wrong. */
  number(name: string, limits: Limits): number | null {
    const { minimum, maximum } = limits;
    const format = limits.signed ? "int32" : "uint64";
    const text = this.parameters.get(name);
    if (text === null) return null;
    const { dialect } = this.context;
    if (!(format === "uint64" ? /^\d+$/u : /^-?\d+$/u).test(text)) {
      const wanted = format === "uint64" ? "unsigned integer" : "integer";
      if (!dialect.since("2.0")) this.fail({ status: 400, code: "QUERY_ERROR", text: `'${name}' must be a positive integer.` });
      else this.errors.push({ status: 400, code: "INVALID_PARAMETER_VALUE", text: `query parameter '${name}': cannot convert string '${text}' to ${wanted}`, uri: this.uri, parameter: { name, fields: [["Format", format], ["Type", "integer"], ["Value", text]] } });
      return null;
    }
    const value = Number(text);
    const zero = value === 0 && limits.nonZero === true;
    if (value >= minimum && value <= maximum && !zero) return value;
    const words = zero ? "other than 0" : value < minimum ? `greater than ${minimum - 1}` : `less than ${maximum + 1}`;
    const fields = [["Maximum", String(maximum)], ["Minimum", String(minimum)], ["Value", text]] as const;
    this.fail({ status: 400, code: "OUT_OF_RANGE", text: `'${name}' must be ${words}`, parameter: { name, fields } });
    return null;
  }
  filter(device: number | null): Uint8Array | null {
    const path = this.parameters.get("path");
    const { model, select } = this.context;
    const selected = path === null ? null : select(path);
    const inside = (index: number): boolean => device === null || model.items[index]?.device === device;
    if (path !== null && (selected === null || !selected.some((mark, index) => mark === 1 && inside(index)))) {
      this.fail({ status: 400, code: "INVALID_XPATH", text: `The path could not be parsed. Invalid syntax: ${path}` });
      return null;
    }
    if (device === null) return selected;
    return Uint8Array.from(model.items, (item) => (inside(item.index) && (selected === null || selected[item.index] === 1) ? 1 : 0));
  }
}

/** Parameters in alphabetical order and decoded, as the 2.x agents repeat them. */
function shownUri(pathname: string, parameters: URLSearchParams): string {
  const pairs = [...parameters].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}=${value}`);
  return pairs.length === 0 ? pathname : `${pathname}?${pairs.join("&")}`;
}

const REMEMBERED_PATHS = 64;
/** Remembers the last paths: clients repeat theirs with every request. */
export function rememberedSelect(model: Model): (path: string) => Uint8Array | null {
  const known = new Map<string, Uint8Array | null>();
  return (path) => {
    let selected = known.get(path);
    if (selected === undefined) {
      selected = selectItems(model, path);
      if (known.size >= REMEMBERED_PATHS) known.clear();
      known.set(path, selected);
    }
    return selected;
  };
}
