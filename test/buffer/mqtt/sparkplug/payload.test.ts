/** Payloads against another encoder and decoder (sparkplug-payload, protobufjs); and commands that mean harm. */
import { assert, double as anyDouble, maxSafeInteger, nat, property, string as anyText, uint8Array } from "fast-check";
import { describe, expect, test } from "vitest";
import { CommandError, DATATYPES, decodeCommand, encodePayload, type Metric } from "../../../../buffer/mqtt/sparkplug/payload.ts";
import { decodeByOracle, decodeRaw, encodeByOracle } from "./host.ts";

const AT = Date.UTC(2026, 2, 3, 7, 15, 0, 123);
const named = (metric: Omit<Metric, "timestamp" | "showsDatatype">): Metric => ({ timestamp: AT, showsDatatype: true, ...metric });

describe("what we write is what another decoder reads", () => {
  const values: readonly (readonly [Metric["datatype"], Metric["value"], unknown])[] = [
    ["String", "Fräse → 3", "Fräse → 3"], ["String", "", ""], ["Boolean", true, true], ["Boolean", false, false],
    ["Double", -0.1, -0.1], ["Double", 0, 0], ["Int32", -1, -1], ["Int32", 2_147_483_647, 2_147_483_647], ["Int32", -2_147_483_648, -2_147_483_648],
    ["Int64", 0, 0], ["Int64", -1, -1], ["Int64", Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER], ["Int64", Number.MIN_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
    ["DateTime", AT, AT],
  ];
  test.each(values)("[payloads-metric-datatype-value-type] [payloads-metric-datatype-value] %s %j", (datatype, value, expected) => {
    const [metric] = decodeRaw(encodePayload({ timestamp: AT, seq: 7, metrics: [named({ name: "a", alias: 3, datatype, value })] })).metrics;
    expect(metric).toMatchObject({ name: "a", alias: 3, timestamp: AT, datatype: DATATYPES[datatype], isNull: false, value: expected });
  });

  test("the oracle's own reading of a whole birth is the same", () => {
    const bytes = encodePayload({ timestamp: AT, seq: 255, metrics: [
      named({ name: "Part Count", alias: 1, datatype: "Int64", value: 12_345_678_901, quality: "good" }),
      named({ name: "Spindle Speed", alias: 2, datatype: "Double", value: 1_200.5, unit: "rev/min", quality: "good" }),
    ] });
    const read = decodeByOracle(bytes);
    expect([Number(read.timestamp), Number(read.seq)]).toEqual([AT, 255]);
    expect(read.metrics?.map(({ name, type, value }) => [name, type, Number(value)])).toEqual([["Part Count", "Int64", 12_345_678_901], ["Spindle Speed", "Double", 1_200.5]]);
    expect(read.metrics?.[1]?.properties).toEqual({ engUnit: { type: "String", value: "rev/min" }, Quality: { type: "Int32", value: 192 } });
  });

  test("null is null and carries no value, whatever its datatype [operational-behavior-data-publish-dbirth-values]", () => {
    for (const datatype of Object.keys(DATATYPES) as (keyof typeof DATATYPES)[]) {
      const [metric] = decodeRaw(encodePayload({ timestamp: AT, metrics: [named({ name: "a", datatype, value: null, quality: "stale" })] })).metrics;
      expect(metric).toMatchObject({ isNull: true, value: null, quality: 500 });
    }
  });

  test("[payloads-propertyset-keys-array-size] [payloads-propertyset-values-array-size] [payloads-metric-propertyvalue-type-type] [payloads-metric-propertyvalue-type-value] [payloads-metric-propertyvalue-type-req] [payloads-propertyset-quality-value-type] [payloads-propertyset-quality-value-value] properties: as many keys as values, each with its type; quality is an Int32 of 0, 192 or 500", () => {
    const metrics = (["bad", "good", "stale"] as const).flatMap((quality) => [undefined, "mm/s"].map((unit) => named({ name: "a", datatype: "String", value: "x", quality, ...(unit !== undefined && { unit }) })));
    const properties = decodeByOracle(encodePayload({ timestamp: AT, metrics })).metrics?.map((metric) => metric.properties);
    expect(properties).toEqual([0, 0, 192, 192, 500, 500].map((value, index) => ({ ...(index % 2 === 1 && { engUnit: { type: "String", value: "mm/s" } }), Quality: { type: "Int32", value } })));
  });

  test("[payloads-dataset-column-size] [payloads-dataset-column-num-headers] [payloads-dataset-types-def] [payloads-dataset-types-num] [payloads-dataset-types-type] [payloads-dataset-types-value] [payloads-dataset-parameter-type-req] [payloads-template-dataset-value] a table has as many columns as types, and every row as many values", () => {
    const columns = ["Code", "Severity", "Text"];
    for (const rows of [[["E1", "FAULT", "Überlast"], ["", "", ""]], []]) {
      const read = decodeByOracle(encodePayload({ timestamp: AT, metrics: [named({ name: "Alarms", datatype: "DataSet", value: { columns, rows } })] })).metrics?.[0];
      const table = read?.value as { readonly numOfColumns: unknown; readonly columns: unknown; readonly types: unknown; readonly rows: readonly (readonly unknown[])[] };
      expect([read?.type, Number(table.numOfColumns), table.columns, table.types]).toEqual(["DataSet", 3, columns, ["String", "String", "String"]]);
      expect(table.rows).toEqual(rows);
    }
  });

  test("any text and any number comes back", () => {
    assert(property(anyText({ unit: "grapheme", maxLength: 300 }), anyDouble({ noNaN: true }), maxSafeInteger(), nat({ max: 255 }), (text, double, long, seq) => {
      const read = decodeRaw(encodePayload({ timestamp: AT, seq, metrics: [named({ alias: 1, datatype: "String", value: text }), named({ alias: 2, datatype: "Double", value: double }), named({ alias: 3, datatype: "Int64", value: long })] }));
      expect([read.seq, ...read.metrics.map(({ value }) => value)]).toEqual([seq, text, double, long === 0 ? 0 : long]);
    }), { numRuns: 300 });
  });
});

describe("commands", () => {
  test("what another encoder writes is what we read", () => {
    const bytes = encodeByOracle({ timestamp: AT, metrics: [
      { name: "Node Control/Rebirth", type: "Boolean", value: true }, { name: "Node Control/Rebirth", type: "Boolean", value: false },
      { name: "Execution", alias: 12, type: "String", value: "ACTIVE" }, { name: "n", type: "Int64", value: 5 },
      { name: "t", type: "DataSet", value: { numOfColumns: 1, columns: ["a"], types: ["String"], rows: [["x"]] } },
    ] });
    expect(decodeCommand(bytes)).toEqual([
      { name: "Node Control/Rebirth", alias: null, isTrue: true }, { name: "Node Control/Rebirth", alias: null, isTrue: false },
      { name: "Execution", alias: "12", isTrue: false }, { name: "n", alias: null, isTrue: false }, { name: "t", alias: null, isTrue: false },
    ]);
  });

  test("rubbish and every cut of a command is read or refused, never a crash", () => {
    /** Read, or why it was not. */
    const outcome = (bytes: Uint8Array): unknown => {
      try {
        return decodeCommand(bytes);
      } catch (error) {
        return error;
      }
    };
    const isProper = (found: unknown): boolean => Array.isArray(found) || found instanceof CommandError;
    assert(property(uint8Array({ maxLength: 400 }), (bytes) => isProper(outcome(bytes))), { numRuns: 2_000 });
    const whole = encodeByOracle({ timestamp: AT, metrics: [{ name: "Node Control/Rebirth", type: "Boolean", value: true }] });
    expect(Array.from(whole, (_, length) => isProper(outcome(whole.subarray(0, length))))).toEqual(Array.from(whole, () => true));
  });

  test("too large, too many, or nested without end: refused before anything is built of it", () => {
    const deep = (levels: number): Uint8Array => {
      let inner: Uint8Array = new Uint8Array();
      for (let level = 0; level < levels; level++) {
        const length = inner.length < 128 ? [inner.length] : [(inner.length & 127) | 128, inner.length >> 7];
        inner = Uint8Array.from([0x92, 0x01, ...length, ...inner]); // Field 18: a template within a template.
      }
      return Uint8Array.from([0x12, ...(inner.length < 128 ? [inner.length] : [(inner.length & 127) | 128, inner.length >> 7]), ...inner]);
    };
    expect(decodeCommand(deep(3_000))).toEqual([{ name: null, alias: null, isTrue: false }]);
    expect(() => decodeCommand(new Uint8Array(65_537))).toThrow("65537 bytes");
    expect(() => decodeCommand(Uint8Array.from(Array.from({ length: 1_001 }, () => [0x12, 0x00]).flat()))).toThrow("more than 1000 metrics");
    expect(() => decodeCommand(Uint8Array.from(Array.from({ length: 30_000 }, () => 0x0b)))).toThrow("a group");
    // A length of 4 GB in five bytes.
    expect(() => decodeCommand(Uint8Array.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]))).toThrow("no Sparkplug B payload");
  });
});
