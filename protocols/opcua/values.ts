/**
 * A data value of the wire → what it says: the value in plain terms, whether it can be trusted, and when it was so. Pure.
 *
 * Status words carry more than their severity: a queue overflow arrives as Good with info bits, and is a good value whose
 * predecessors were lost. Uncertain: a value, of unknown age. Bad: no value, whatever stands in its place (facts §4.8).
 */
import type { Raw } from "../shared/points.ts";
import { unixMs, type UnixMs } from "../../agent/contract/time.ts";

/** What the library hands over, as far as we use it. */
export interface WireValue {
  readonly value?: { readonly dataType: number; readonly value: unknown } | null;
  readonly statusCode: { readonly value: number; readonly name: string };
  readonly sourceTimestamp?: Date | null;
  readonly serverTimestamp?: Date | null;
}
export interface Sample {
  /** Null exactly when the quality is UNAVAILABLE. */
  readonly raw: Raw | null;
  readonly quality: "GOOD" | "UNCERTAIN" | "UNAVAILABLE";
  readonly at?: UnixMs;
  /** The status by its name: "Good", "BadUserAccessDenied". */
  readonly status: string;
  /** Values before this one were lost: the server's queue was full. */
  readonly overflowed: boolean;
}
/** Whose stamp counts: the device's, or the server's. */
export type Stamps = "source" | "server";

/** Part 6 §5.1.2: the built-in types by number. */
const TYPE = { Boolean: 1, Int64: 8, UInt64: 9, String: 12, DateTime: 13, Guid: 14, XmlElement: 16, NodeId: 17, ExpandedNodeId: 18, StatusCode: 19, QualifiedName: 20, LocalizedText: 21 } as const;
const SEVERITY_SHIFT = 30;
/** Info type DataValue, and its Overflow bit (Part 4 §7.39). */
const OVERFLOW = 0x480;
/** UncertainNoCommunicationLastUsable: the server has lost the device, and repeats what it said last. That is no value of now. */
const NO_COMMUNICATION = 0x408f;
/** Stamps outside this are no times: a server that does not know writes 1601. */
const [EARLIEST_MS, LATEST_MS] = [Date.UTC(1990, 0, 1), Date.UTC(2200, 0, 1)];

/** `element`: which of an array, from 0; an array of one is its value. */
export function sampleOf(wire: WireValue, stamps: Stamps, element = 0): Sample {
  const severity = wire.statusCode.value >>> SEVERITY_SHIFT;
  const raw = severity >= 2 || wire.statusCode.value >>> 16 === NO_COMMUNICATION ? null : rawOf(wire.value, element);
  const at = timeOf(stamps === "source" ? (wire.sourceTimestamp ?? wire.serverTimestamp) : (wire.serverTimestamp ?? wire.sourceTimestamp));
  return {
    raw,
    quality: raw === null ? "UNAVAILABLE" : severity === 1 ? "UNCERTAIN" : "GOOD",
    ...(at !== null && { at }),
    status: wire.statusCode.name,
    overflowed: (wire.statusCode.value & OVERFLOW) === OVERFLOW,
  };
}

/** The message it came in: when the server sent it, and how old a value in it may be (it may have waited in a queue). */
export interface Sent {
  readonly now: UnixMs | null;
  readonly oldestMs: number;
}
/** A server writes times of one message by one clock, but for what its devices stamp. */
const AHEAD_MS = 5_000;

/**
 * The sample with a stamp that can be: one ahead of the message it came in, or long before it, is of another clock (a device
 * behind the server), and the server's own stamp, else the message's time, stands for it.
 */
export function credible(sample: Sample, { sourceTimestamp, serverTimestamp }: WireValue, { now, oldestMs }: Sent): Sample {
  const can = (at: UnixMs | null | undefined): boolean => at !== null && at !== undefined && now !== null && at <= now + AHEAD_MS && at >= now - oldestMs;
  if (now === null || sample.at === undefined || can(sample.at)) return sample;
  return { ...sample, at: [timeOf(serverTimestamp), timeOf(sourceTimestamp)].find(can) ?? now };
}

/** Null: none, or not one. */
export function timeOf(date: Date | null | undefined): UnixMs | null {
  const at = date?.getTime() ?? Number.NaN;
  return at > EARLIEST_MS && at < LATEST_MS ? unixMs(Math.trunc(at)) : null;
}

function rawOf(variant: WireValue["value"], element: number): Raw | null {
  if (!variant) return null;
  const { dataType, value } = variant;
  const one = isList(value) && !isWide(dataType, value) ? value[element] : value;
  return scalarOf(dataType, one);
}

/** A 64-bit number arrives as a pair, [high, low]; an array of them as an array of pairs. */
const isWide = (dataType: number, value: ArrayLike<unknown>): boolean => (dataType === TYPE.Int64 || dataType === TYPE.UInt64) && value.length === 2 && typeof value[0] === "number";
const isList = (value: unknown): value is ArrayLike<unknown> => Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView) && !Buffer.isBuffer(value));

function scalarOf(dataType: number, value: unknown): Raw | null {
  if (value === null || value === undefined) return null;
  switch (dataType) {
    case TYPE.Int64: case TYPE.UInt64: return wide(dataType, value);
    case TYPE.DateTime: return value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : null;
    case TYPE.NodeId: case TYPE.ExpandedNodeId: case TYPE.StatusCode: return plainText(value);
    case TYPE.QualifiedName: return member(value, "name");
    case TYPE.LocalizedText: return member(value, "text");
    case TYPE.String: case TYPE.Guid: case TYPE.XmlElement: return typeof value === "string" ? value : null;
    case TYPE.Boolean: return typeof value === "boolean" ? value : null;
    // The other numbers. Structures and byte strings have no value that is one of ours.
    default: return typeof value === "number" && Number.isFinite(value) ? value : null;
  }
}

function wide(dataType: number, value: unknown): bigint | null {
  if (!isList(value) || value.length !== 2) return null;
  const [high, low] = [value[0], value[1]];
  if (typeof high !== "number" || typeof low !== "number") return null;
  const bits = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return dataType === TYPE.Int64 ? BigInt.asIntN(64, bits) : bits;
}

function member(value: unknown, name: "name" | "text"): string | null {
  if (typeof value !== "object" || value === null || !(name in value)) return null;
  const text: unknown = (value as Readonly<Record<string, unknown>>)[name];
  return typeof text === "string" ? text : null;
}

/** Node ids and status codes of the library write themselves. */
function plainText(value: unknown): string | null {
  const text: unknown = typeof value === "object" && value !== null && "toString" in value && typeof value.toString === "function" ? (value as { toString(): unknown }).toString() : null;
  return typeof text === "string" ? text : null;
}
