/** What `probe` has learned of one source, for people and as JSON: the same whoever was asked. */
import type { Reading } from "../../contract/observation.ts";
import { isRecord } from "../../contract/shape.ts";
import type { Described, Found, Keys, RegisterReadings } from "../../contract/survey.ts";
import { rfc3339 } from "../../contract/time.ts";
import type { HeldSource } from "../../runtime/health/held-sources.ts";
import { plain, rows } from "./plain.ts";
import { unsaid, type Read } from "./read-once.ts";
import { yamlOf } from "./yaml.ts";

export interface Report {
  /** "the control itself", or "the running agent". */
  readonly asked: "control" | "agent";
  readonly machine?: string;
  readonly kind: string;
  readonly where: string;
  /** Null: the link is down; `trouble` says why. */
  readonly peer: string | null;
  readonly trouble?: string;
  readonly described: Described;
  readonly signals: readonly { readonly signal: string; readonly value: string; readonly quality: string; readonly at?: string }[];
  readonly unsaid: readonly string[];
  readonly said?: Found["said"];
  readonly source?: Keys;
  readonly notes?: readonly string[];
}

export function ofReading(read: Read, about: Pick<Report, "kind" | "where" | "machine">): Report {
  const signals = read.readings.map((reading) => ({
    signal: reading.path === undefined || reading.path === 1 ? reading.signal : `${reading.signal}/${reading.path}`, value: valueOf(reading), quality: reading.quality,
    ...(reading.sourceTime !== undefined && { at: rfc3339(reading.sourceTime) }),
  }));
  return { asked: "control", ...about, peer: read.peer, described: read.described, signals: merged(signals), unsaid: read.unsaid };
}

/** Each condition item is a set of its own: what is normal is said once. */
function merged(signals: Report["signals"]): Report["signals"] {
  const active = signals.some(({ signal, value }) => signal === "alarm" && value !== "none");
  const alarms = signals.filter(({ signal, value }) => signal === "alarm" && (!active || value !== "none"));
  return [...signals.filter(({ signal }) => signal !== "alarm"), ...(active ? alarms : alarms.slice(0, 1))].toSorted((one, other) => (one.signal < other.signal ? -1 : 1));
}

const valueOf = ({ value }: Reading): string => (value === null ? "" : typeof value === "object" ? value.map(({ severity, code, text }) => `${severity} ${code} ${text}`.trim()).join("; ") || "none" : String(value));

export function ofHeld(held: HeldSource): Report {
  const link = isRecord(held.link) ? held.link : {};
  const names = Object.keys(held.values);
  return {
    asked: "agent", machine: held.machine, kind: held.kind, where: held.summary,
    peer: link["state"] === "up" ? String(link["peer"]) : null,
    ...(link["state"] !== "up" && { trouble: typeof link["message"] === "string" ? link["message"] : `the link is ${String(link["state"])}` }),
    described: held.described ?? { facts: {}, refused: [] },
    signals: Object.entries(held.values).flatMap(([signal, payload]) => liveOf(signal, payload)).toSorted((one, other) => (one.signal < other.signal ? -1 : 1)),
    unsaid: unsaid(names),
  };
}

/** A live value, or several shown together. */
function liveOf(signal: string, payload: unknown): Report["signals"] {
  const { value, values, at } = isRecord(payload) ? payload : {};
  const since = typeof at === "string" ? { at } : {};
  const one = (name: string, told: unknown) => ({ signal: name, value: typeof told === "string" ? told : told === null || told === undefined ? "" : JSON.stringify(told), quality: told === null ? "UNAVAILABLE" : "GOOD", ...since });
  return isRecord(values) ? Object.entries(values).map(([name, told]) => one(`${signal}:${name}`, told)) : [one(signal, value)];
}

export const ofFound = (kind: string, where: string, found: Found): Report => ({
  asked: "control", kind, where, peer: found.words, described: { facts: found.facts ?? {}, refused: found.refused ?? [] }, signals: [], unsaid: [],
  said: found.said ?? [], source: { type: kind, ...found.keys }, notes: found.notes ?? [],
});

export function inWords(report: Report): string {
  const { asked, machine, kind, where, peer, described, signals, said = [], source, notes = [] } = report;
  const title = `${machine === undefined ? "" : `machine ${plain(machine)}, `}${kind} at ${plain(where)}${asked === "agent" ? " (as the running agent has it: no second connection was opened)" : ""}`;
  return [
    `${title}\n`,
    peer === null ? `Not connected: ${plain(report.trouble ?? "nobody knows why")}\n` : `${plain(peer)}\n`,
    section("It says of itself", Object.entries(described.facts)),
    section("Signals now", signals.map(({ signal, value, quality, at }) => [signal, `${quality === "UNAVAILABLE" ? "UNAVAILABLE" : value}${quality === "UNCERTAIN" ? " (uncertain)" : ""}${at === undefined ? "" : `   since ${at}`}`] as const)),
    section("It sends", said.map(({ name, value, signal }) => [name, `${value}${signal === undefined ? "" : `   → ${signal}`}`] as const)),
    section("It does not give", described.refused.map(({ what, why }) => [what, why] as const)),
    report.unsaid.length === 0 || peer === null ? "" : `Never spoken of: ${report.unsaid.join(", ")}\n`,
    source === undefined ? "" : `A source for it:\n${yamlOf([source]).replaceAll(/^/gmu, "  ").trimEnd()}\n`,
    ...notes.map((note) => `Note: ${plain(note)}\n`),
  ].join("");
}

const section = (title: string, pairs: readonly (readonly [string, string])[]): string => (pairs.length === 0 ? "" : `${title}\n${rows(pairs)}`);

/** A table: one line for each register and order. */
export function registersInWords({ rows: all, refused }: RegisterReadings, asked: number): string {
  const lines = all.map(({ address, order, values }) =>
    `${address === asked ? ">" : " "} ${String(address).padStart(5)}${address === asked ? "" : address < asked ? " (one before)" : " (one after)"}  ${order === undefined ? "" : `with ${address + 1}, ${order}: `}${Object.entries(values).map(([type, value]) => `${type} ${plain(value)}`).join("   ")}\n`);
  return `${lines.join("")}${refused.map((one) => `  refused ${plain(one)}\n`).join("")}Which line shows what the device's own display shows? Its address, type and order go into the YAML. Manuals often count from 1:\nthen it is the line of one before.\n`;
}
