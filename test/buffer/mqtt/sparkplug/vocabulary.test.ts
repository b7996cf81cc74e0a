/** Names, datatypes and configuration of the Sparkplug output. Ids in brackets: tck-id-… of Sparkplug 3.0. */
import { describe, expect, test } from "vitest";
import { RECORD_BODIES, RECORD_TYPES } from "../../../../agent/contract/record.ts";
import { ACCOMPANYING_SIGNALS, DECIDING_SIGNALS } from "../../../../agent/contract/observation.ts";
import type { JsonSchema } from "../../../../agent/contract/shape.ts";
import { MetricSet } from "../../../../buffer/mqtt/sparkplug/metric-set.ts";
import { liveUpdates, recordUpdates } from "../../../../buffer/mqtt/sparkplug/updates.ts";
import { DEVICE_METRICS, NODE_METRICS, RECORD_METRICS, SIGNAL_METRICS } from "../../../../buffer/mqtt/sparkplug/vocabulary.ts";
import { loadedFrom } from "../../../support/loaded.ts";
import { SAMPLES } from "../../../support/sample-records.ts";

const live = (name: string, value: unknown, at: unknown = "2026-03-03T07:15:00.000Z") => liveUpdates({ scope: "live", machine: "VMC-3", name, payload: { value, at } });

describe("the vocabulary", () => {
  test("names differ in more than case [case-sensitivity-metric-names]", () => {
    for (const rows of [DEVICE_METRICS, NODE_METRICS]) {
      const lower = rows.map(({ metric }) => metric.toLowerCase());
      expect(lower.filter((name, at) => lower.indexOf(name) !== at)).toEqual([]);
    }
    const set = new MetricSet(DEVICE_METRICS, () => 1, 10);
    set.take({ metric: "EXECUTION", datatype: "String", value: "x", at: 1, quality: "good" }, true);
    expect([set.isNew, set.changes(1), set.dropped]).toEqual([false, [], 1]);
  });

  test("every signal and every machine's record has metrics", () => {
    expect(Object.keys(SIGNAL_METRICS).sort()).toEqual([...DECIDING_SIGNALS, ...ACCOMPANYING_SIGNALS].filter((signal) => signal !== "alarm").sort());
    expect(Object.keys(RECORD_METRICS).sort()).toEqual(RECORD_TYPES.filter((type) => type !== "loss").sort());
  });

  test("every record's metric names a field that the record has", () => {
    const has = (schema: JsonSchema, path: readonly string[]): boolean => {
      const [key, ...rest] = path;
      if (key === undefined) return true;
      const options = (schema["anyOf"] as readonly JsonSchema[] | undefined) ?? [schema];
      return options.some((option) => {
        const properties = option["properties"] as Readonly<Record<string, JsonSchema>> | undefined;
        const next = properties?.[key] ?? (option["additionalProperties"] as JsonSchema | false | undefined);
        return typeof next === "object" && has(next, rest);
      });
    };
    const strangers = Object.entries(RECORD_METRICS).flatMap(([type, rows]) => rows.filter(({ from }) => !has(RECORD_BODIES[type as keyof typeof RECORD_METRICS].schema, from.split("."))).map(({ metric, from }) => `${metric} from ${from}`));
    expect(strangers).toEqual([]);
  });

  test("the samples of all records fit their datatypes; a null of the record is null, and known to be", () => {
    for (const record of Object.values(SAMPLES)) {
      const updates = recordUpdates({ scope: "record", machine: "VMC-3", record });
      expect(updates.filter(({ quality }) => quality !== "good").map(({ metric }) => metric)).toEqual([]);
      expect(updates.length > 0).toBe(record.type !== "loss");
    }
    const alarm = recordUpdates({ scope: "record", machine: "VMC-3", record: SAMPLES.alarm });
    expect(alarm.find(({ metric }) => metric === "Last Alarm/End")).toMatchObject({ value: null, quality: "good" });
  });
});

describe("values", () => {
  test("a point whose value is lost is bad, and not its last good value; one never known is not said", () => {
    const set = new MetricSet([], () => 1, 0);
    for (const update of [...live("point/temperature", null), ...live("point/temperature", 21.5)]) set.take(update, true);
    expect(set.changes(0)).toMatchObject([{ datatype: "Double", value: 21.5 }]);
    for (const update of live("point/temperature", null)) set.take(update, true);
    expect(set.changes(0)).toMatchObject([{ datatype: "Double", value: null, quality: "bad" }]);
    for (const update of live("point/other", null)) set.take(update, true);
    expect(set.birth(0)).toHaveLength(1);
  });

  test("nothing is invented: unknown, unfit or undated is null and bad, or not said at all", () => {
    expect(live("part_count", null)).toMatchObject([{ metric: "Part Count", datatype: "Int64", value: null, quality: "bad" }]);
    for (const value of [1.5, Number.NaN, 2 ** 60, "12", true, {}]) expect(live("part_count", value)).toMatchObject([{ value: null, quality: "bad" }]);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, "fast"]) expect(live("feedrate", value)).toMatchObject([{ value: null, quality: "bad" }]);
    expect(live("spindle_load", 0)).toMatchObject([{ value: 0, quality: "good" }]);
    for (const at of [undefined, "yesterday", 12, "1066-10-14T00:00:00Z"]) expect(liveUpdates({ scope: "live", machine: "M", name: "door", payload: { value: "OPEN", at } })).toEqual([]);
    expect(live("alarms", null)).toMatchObject([{ metric: "Alarms", value: null, quality: "bad" }, { metric: "Alarm Count", value: null, quality: "bad" }]);
    expect(live("alarms", [])).toMatchObject([{ value: { rows: [] }, quality: "good" }, { value: 0, quality: "good" }]);
  });

  test("UNKNOWN is a word of its own, and bad; no open downtime is known to be none", () => {
    expect(live("state", "UNKNOWN")).toMatchObject([{ value: "UNKNOWN", quality: "bad" }]);
    expect(live("state", "RUNNING")).toMatchObject([{ value: "RUNNING", quality: "good" }]);
    expect(live("downtime", null)).toMatchObject([{ metric: "Open Downtime", value: null, quality: "good" }]);
  });

  test("what is long is cut, and what are many are bounded", () => {
    expect(live("message", "x".repeat(10_000))[0]?.value).toBe("x".repeat(4_096));
    expect(live("alarms", Array.from({ length: 500 }, (_, index) => ({ code: `${index}`, severity: "FAULT", text: "", nativeType: "" })))).toMatchObject([{ value: { rows: { length: 100 } } }, { value: 500 }]);
    const set = new MetricSet([], () => 1, 3);
    for (let index = 0; index < 1_500; index++) set.take({ metric: `Points/${index}`, datatype: "Double", value: index, at: index, quality: "good" }, false);
    expect([set.birth(0).length, set.missed, set.dropped]).toEqual([1_000, 0, 500 + 997]);
  });
});

describe("configuration", () => {
  const yaml = (sparkplug: string, machines: readonly string[] = ["VMC-3", "LATHE-1"], id = "cell-7"): string => `
agent: {id: "${id}", timezone: Europe/Paris, data_dir: /var/lib/cellgate}
destinations: [{name: bridge, url: "mqtt://127.0.0.1", sparkplug: ${sparkplug}}]
machines: [${machines.map((machine) => `{id: "${machine}", sources: [{type: mtconnect, url: "http://127.0.0.1"}]}`).join(", ")}]
`;
  test("ids are checked before anything is published [intro-group-id-string] [intro-group-id-chars] [intro-edge-node-id-string] [intro-edge-node-id-chars] [intro-device-id-string] [intro-device-id-chars] [topic-structure-namespace-valid-group-id] [topic-structure-namespace-valid-edge-node-id] [topic-structure-namespace-valid-device-id] [topic-structure-namespace-unique-device-id] [case-sensitivity-sparkplug-ids]", () => {
    expect(loadedFrom(yaml("{group: Plant 1, node: Zelle 7, primary_host: scada-1, devices: {VMC-3: Fräse 3}}")).destinations[0]?.config).toMatchObject({ sparkplug: { rebirth_interval: 5_000, history: 1_000 } });
    for (const bad of ["{group: a/b}", "{group: 'a+'}", "{group: 'a#'}", "{group: ''}", "{node: cell-7}", "{group: P, node: 'x/y'}", "{group: P, primary_host: '#'}", "{group: P, devices: {VMC-3: 'a/b'}}", "{group: P, history: -1}", "{group: P, rebirth_interval: 0s}"])
      expect(() => loadedFrom(yaml(bad))).toThrow(/sparkplug/);
    expect(() => loadedFrom(yaml("{group: STATE}"))).toThrow(/host applications' topic/);
    expect(() => loadedFrom(yaml("{group: P, devices: {VMC-4: x}}"))).toThrow(/no machine here/);
    expect(() => loadedFrom(yaml("{group: P, devices: {VMC-3: lathe-1}}"))).toThrow(/only in case/);
    expect(() => loadedFrom(yaml("{group: P, devices: {VMC-3: x, LATHE-1: x}}"))).toThrow(/same device id x/);
  });
});
