/**
 * Sparkplug B payloads on the wire (Sparkplug 3.0 §6.4): what an edge node writes, and as much of a command as one that
 * obeys only a rebirth has to read. Field numbers are those of the specification's Protobuf definition (§6.4.1); the
 * varints are @bufbuild/protobuf's. Commands come from outside: bounded in size and metrics, nothing nested is read.
 *
 *   Payload   1 timestamp, 2 metrics, 3 seq
 *   Metric    1 name, 2 alias, 3 timestamp, 4 datatype, 5 is_historical, 7 is_null, 9 properties,
 *             10 int_value, 11 long_value, 13 double_value, 14 boolean_value, 15 string_value, 17 dataset_value
 */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** Sparkplug 3.0 §6.4.16; those we write. */
export const DATATYPES = { Int32: 3, Int64: 4, Double: 10, Boolean: 11, String: 12, DateTime: 13, DataSet: 16 } as const;
export type Datatype = keyof typeof DATATYPES;
/** Sparkplug 3.0 §6.4.9.1: the only codes there are. */
export const QUALITY = { bad: 0, good: 192, stale: 500 } as const;
export type Quality = keyof typeof QUALITY;

export type Scalar = string | number | boolean;
/** A table of texts; every row has a text for every column. */
export interface DataSet {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}
/** Int32, Int64, Double and DateTime (ms since 1970) are numbers. Null: not known, or known to be nothing; the quality says which. */
export type MetricValue = Scalar | DataSet | null;

export interface Metric {
  /** In births, and where there is no alias. */
  readonly name?: string;
  readonly alias?: number;
  /** ms since 1970, UTC. */
  readonly timestamp: number;
  readonly datatype: Datatype;
  /** Births name the datatype; data should not. */
  readonly showsDatatype: boolean;
  readonly isHistorical?: boolean;
  readonly value: MetricValue;
  /** Absent: good, and not said. */
  readonly quality?: Quality;
  readonly unit?: string;
}
export interface Payload {
  readonly timestamp: number;
  /** Absent in NDEATH only. */
  readonly seq?: number;
  readonly metrics: readonly Metric[];
}

export function encodePayload({ timestamp, seq, metrics }: Payload): Uint8Array {
  const out = new BinaryWriter();
  out.tag(1, WireType.Varint).uint64(timestamp);
  for (const metric of metrics) {
    out.tag(2, WireType.LengthDelimited).fork();
    writeMetric(out, metric);
    out.join();
  }
  if (seq !== undefined) out.tag(3, WireType.Varint).uint64(seq);
  return out.finish();
}

function writeMetric(out: BinaryWriter, metric: Metric): void {
  const { name, alias, datatype, value, quality, unit } = metric;
  if (name !== undefined) out.tag(1, WireType.LengthDelimited).string(name);
  if (alias !== undefined) out.tag(2, WireType.Varint).uint64(alias);
  out.tag(3, WireType.Varint).uint64(metric.timestamp);
  if (metric.showsDatatype) out.tag(4, WireType.Varint).uint32(DATATYPES[datatype]);
  if (metric.isHistorical) out.tag(5, WireType.Varint).bool(true);
  if (value === null) out.tag(7, WireType.Varint).bool(true);
  if (quality !== undefined || unit !== undefined) {
    out.tag(9, WireType.LengthDelimited).fork();
    writeProperties(out, quality, unit);
    out.join();
  }
  if (value !== null) writeValue(out, datatype, value);
}

/** PropertySet: 1 keys, 2 values; PropertyValue: 1 type, 3 int_value, 8 string_value (§6.4.8, §6.4.9). */
function writeProperties(out: BinaryWriter, quality: Quality | undefined, unit: string | undefined): void {
  if (unit !== undefined) out.tag(1, WireType.LengthDelimited).string("engUnit");
  if (quality !== undefined) out.tag(1, WireType.LengthDelimited).string("Quality");
  if (unit !== undefined) out.tag(2, WireType.LengthDelimited).fork().tag(1, WireType.Varint).uint32(DATATYPES.String).tag(8, WireType.LengthDelimited).string(unit).join();
  if (quality !== undefined) out.tag(2, WireType.LengthDelimited).fork().tag(1, WireType.Varint).uint32(DATATYPES.Int32).tag(3, WireType.Varint).uint32(QUALITY[quality]).join();
}

function writeValue(out: BinaryWriter, datatype: Datatype, value: Exclude<MetricValue, null>): void {
  if (typeof value === "object") {
    out.tag(17, WireType.LengthDelimited).fork();
    writeDataSet(out, value);
    out.join();
  } else if (typeof value === "string") out.tag(15, WireType.LengthDelimited).string(value);
  else if (typeof value === "boolean") out.tag(14, WireType.Varint).bool(value);
  else if (datatype === "Double") out.tag(13, WireType.Bit64).double(value);
  // Two's complement in an unsigned field, of 32 or of 64 bits (§6.4.17).
  else if (datatype === "Int32") out.tag(10, WireType.Varint).uint32(value >>> 0);
  else out.tag(11, WireType.Varint).uint64(BigInt.asUintN(64, BigInt(value)));
}

/** 1 num_of_columns, 2 columns, 3 types, 4 rows; Row: 1 elements; DataSetValue: 6 string_value (§6.4.11 to 13). */
function writeDataSet(out: BinaryWriter, { columns, rows }: DataSet): void {
  out.tag(1, WireType.Varint).uint64(columns.length);
  for (const name of columns) out.tag(2, WireType.LengthDelimited).string(name);
  for (let column = 0; column < columns.length; column++) out.tag(3, WireType.Varint).uint32(DATATYPES.String);
  for (const row of rows) {
    out.tag(4, WireType.LengthDelimited).fork();
    for (const value of row) out.tag(1, WireType.LengthDelimited).fork().tag(6, WireType.LengthDelimited).string(value).join();
    out.join();
  }
}

/** A host's longest sensible command is a few hundred bytes. */
const LARGEST_COMMAND_BYTES = 65_536;
const MOST_COMMAND_METRICS = 1_000;

/** One metric of a command: what it names, and whether it sets that to true. */
export interface CommandMetric {
  readonly name: string | null;
  readonly alias: string | null;
  readonly isTrue: boolean;
}
/** What came is no command that we read; the text says why. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** Throws CommandError. Unknown fields are passed over, as Protobuf asks; groups, which the definition has none of, are not. */
export function decodeCommand(bytes: Uint8Array): readonly CommandMetric[] {
  if (bytes.length > LARGEST_COMMAND_BYTES) throw new CommandError(`${bytes.length} bytes, where ${LARGEST_COMMAND_BYTES} are read`);
  const metrics: CommandMetric[] = [];
  try {
    eachField(bytes, (reader, field, type) => {
      if (field !== 2 || type !== WireType.LengthDelimited) return false;
      if (metrics.length === MOST_COMMAND_METRICS) throw new CommandError(`more than ${MOST_COMMAND_METRICS} metrics`);
      metrics.push(readMetric(reader.bytes()));
      return true;
    });
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    throw new CommandError("no Sparkplug B payload", { cause });
  }
  return metrics;
}

function readMetric(bytes: Uint8Array): CommandMetric {
  let name: string | null = null;
  let alias: string | null = null;
  let isTrue = false;
  eachField(bytes, (reader, field, type) => {
    if (field === 1 && type === WireType.LengthDelimited) name = reader.string();
    else if (field === 2 && type === WireType.Varint) alias = String(reader.uint64());
    else if (field === 14 && type === WireType.Varint) isTrue = reader.bool();
    else return false;
    return true;
  });
  return { name, alias, isTrue };
}

/** `take` reads the field and returns true, or returns false and it is passed over. */
function eachField(bytes: Uint8Array, take: (reader: BinaryReader, field: number, type: WireType) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === WireType.StartGroup || type === WireType.EndGroup) throw new CommandError("a group, which Sparkplug has none of");
    if (!take(reader, field, type)) reader.skip(type, field);
  }
}
