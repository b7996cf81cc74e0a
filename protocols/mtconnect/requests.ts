/**
 * What we ask of an agent, as request targets, and what we drop when it refuses a parameter (mtconnect.md §2, §5).
 * Pure. A dialect begins complete and only ever loses optional parts, so asking again ends.
 */
import type { AgentError } from "./document.ts";
import type { Selection } from "../shared/mtconnect/items.ts";
import type { DeviceModel } from "../shared/mtconnect/probe.ts";

export interface Dialect {
  /** "/Device" where the agent has several, else "". */
  readonly prefix: string;
  /** XPath of the items we read; null: everything is sent, and filtered here. */
  readonly filter: string | null;
  readonly count: number | null;
  readonly heartbeatMs: number | null;
  /** Before 1.2 parameters had other names: both are sent. */
  readonly old: boolean;
}

/** Longer filters go beyond what old agents take as a request line. */
const FILTER_LIMIT = 2_000;

export function dialectFor(model: DeviceModel, { device, items }: Selection, options: { readonly count: number; readonly heartbeatMs: number }): Dialect {
  const [major = 9, minor = 9] = (model.schema ?? "").split(".").map(Number);
  return {
    prefix: model.devices.length > 1 && device.name !== "" ? `/${encodeURIComponent(device.name)}` : "",
    filter: filterFor(items.map(({ id, value }) => (value === "condition" ? null : id))),
    count: options.count, heartbeatMs: options.heartbeatMs,
    old: major === 1 && minor < 2,
  };
}

/** Conditions are asked for as a whole, other items by id: a load of every axis would come with its type. */
function filterFor(ids: readonly (string | null)[]): string | null {
  const tests = [...new Set(ids.map((id) => (id === null ? '@category="CONDITION"' : `@id="${id}"`)))];
  const filter = `//DataItem[${tests.join(" or ")}]`;
  return tests.length === 0 || filter.length > FILTER_LIMIT || ids.some((id) => id !== null && /["\\|[\]]/u.test(id)) ? null : filter;
}

const query = (parameters: readonly (readonly [string, string | number | null])[]): string => {
  const given = parameters.flatMap(([name, value]) => (value === null ? [] : [`${name}=${encodeURIComponent(value)}`]));
  return given.length === 0 ? "" : `?${given.join("&")}`;
};

export const currentTarget = ({ prefix, filter }: Dialect, at: number | null): string => `${prefix}/current${query([["path", filter], ["at", at]])}`;

/** `intervalMs` makes it a stream. */
export function sampleTarget(dialect: Dialect, from: number, intervalMs: number | null): string {
  const { prefix, filter, count, heartbeatMs, old } = dialect;
  const streaming = intervalMs !== null;
  return `${prefix}/sample${query([
    ["path", filter], ["from", from], ["start", old ? from : null], ["count", count],
    ["interval", intervalMs], ["frequency", old ? intervalMs : null], ["heartbeat", streaming ? heartbeatMs : null],
  ])}`;
}

const ABOUT_PARAMETERS: ReadonlySet<string> = new Set([
  "INVALID_XPATH", "INVALID_PATH", "INVALID_REQUEST", "QUERY_ERROR", "INVALID_PARAMETER_VALUE", "INVALID_QUERY_PARAMETER", "INVALID_URI", "UNSUPPORTED",
]);

const about = (error: AgentError, parameter: string): boolean => (error.parameter === null ? new RegExp(`\\b${parameter}\\b`, "u").test(error.text) : error.parameter === parameter);

/** The dialect without what the agent refuses; null when there is nothing to drop for these errors. */
export function relaxed(dialect: Dialect, errors: readonly AgentError[], streaming: boolean): Dialect | null {
  const range = errors.find(({ code }) => code === "OUT_OF_RANGE");
  const error = range ?? errors.find(({ code }) => ABOUT_PARAMETERS.has(code));
  if (error === undefined) return null;
  if (streaming && dialect.heartbeatMs !== null && about(error, "heartbeat")) return { ...dialect, heartbeatMs: null };
  if (dialect.count !== null && about(error, "count")) return { ...dialect, count: null };
  if (range !== undefined) return null;
  if (dialect.filter !== null) return { ...dialect, filter: null };
  if (streaming && dialect.heartbeatMs !== null) return { ...dialect, heartbeatMs: null };
  return dialect.count === null ? null : { ...dialect, count: null };
}

export const isOutOfRange = (errors: readonly AgentError[]): boolean => errors.some(({ code }) => code === "OUT_OF_RANGE");
/** True when an error is about how we asked, not about what is there. */
export const isAboutParameters = (errors: readonly AgentError[]): boolean => errors.some(({ code }) => ABOUT_PARAMETERS.has(code));
