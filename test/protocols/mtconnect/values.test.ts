/** Texts → values, conditions → sets, and cursors (mtconnect.md §6, §7). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { ActiveAlarm } from "../../../agent/contract/observation.ts";
import { decode } from "../../../agent/contract/shape.ts";
import { unixMs } from "../../../agent/contract/time.ts";
import { ALARMS_PER_ITEM, foldCondition } from "../../../protocols/shared/mtconnect/conditions.ts";
import { MTCONNECT_SHAPE } from "../../../protocols/mtconnect/config.ts";
import { decodeDocument } from "../../../protocols/mtconnect/document.ts";
import { decodePosition, encodePosition, resumeAt, startOf, strayed, type BufferHeader, type Position } from "../../../protocols/mtconnect/position.ts";
import type { Observed } from "../../../protocols/shared/mtconnect/observed.ts";
import { VALUE_KINDS } from "../../../protocols/shared/mtconnect/signals.ts";
import { decodeValue } from "../../../protocols/shared/mtconnect/values.ts";
import { capture, describeWithCaptures } from "../../support/captures.ts";

describe("values", () => {
  it.each([
    ["execution", " active ", "GOOD", "ACTIVE"], ["execution", "PROGRAM_OPTIONAL_STOP", "GOOD", "OPTIONAL_STOP"], ["execution", "Dreaming", "UNCERTAIN", "Dreaming"],
    ["execution", "Unavailable", "UNAVAILABLE", null], ["execution", "constructor", "UNCERTAIN", "constructor"], ["controller_mode", "FEED_HOLD", "GOOD", "AUTOMATIC"],
    ["availability", "AVAILABLE", "GOOD", "AVAILABLE"], ["availability", "UNAVAILABLE", "UNAVAILABLE", null],
    ["part_count", "125.0", "GOOD", 125], ["part_count", "125.4", "UNAVAILABLE", null], ["part_count", "many", "UNAVAILABLE", null], ["part_count", "", "UNAVAILABLE", null], ["part_count", "0x10", "UNAVAILABLE", null],
    ["spindle_speed", "-1999.51", "GOOD", -1_999.51], ["spindle_load", "1e2", "GOOD", 100], ["spindle_load", "1e999", "UNAVAILABLE", null],
    ["program", " ", "GOOD", ""], ["program", "TNC:\\DIR\\part.H", "GOOD", "TNC:\\DIR\\part.H"], ["program", "36", "GOOD", "36"], ["program", "unavailable", "UNAVAILABLE", null],
  ] as const)("%s %j", (signal, text, quality, value) => {
    expect(decodeValue(VALUE_KINDS[signal], text, { factor: 1, uncertain: false })).toEqual({ quality, value });
  });
  it("converts, and marks what is uncertain", () => {
    expect(decodeValue(VALUE_KINDS.feedrate, "600", { factor: 1 / 60, uncertain: true })).toEqual({ quality: "UNCERTAIN", value: 10 });
  });
});

describe("conditions", () => {
  const seen = (level: string, nativeCode: string | null = null, text = "", conditionId: string | null = null): Observed<{ readonly id: string; readonly type: string }> =>
    ({ item: { id: "c", type: "SYSTEM" }, at: null, level, text, nativeCode, conditionId, type: null });
  const fold = (...all: readonly Observed<{ readonly id: string; readonly type: string }>[]): readonly ActiveAlarm[] | null => all.reduce<readonly ActiveAlarm[] | null>((set, one) => foldCondition(set ?? [], one), []);
  const keys = (set: readonly ActiveAlarm[] | null): readonly string[] | null => set?.map(({ key, severity, text }) => `${key} ${severity} ${text}`) ?? null;

  it.each<[string, readonly Parameters<typeof seen>[], readonly string[] | null]>([
    ["several at once", [["Fault", "b", "B"], ["Warning", "a", "A"]], ["a WARNING A", "b FAULT B"]],
    ["same code again: another level and text", [["Fault", "a", "x"], ["WARNING", "a", " y "]], ["a WARNING y"]],
    ["Normal with code clears that one", [["Fault", "a"], ["Fault", "b"], ["Normal", "a"]], ["b FAULT "]],
    ["Normal without clears all", [["Fault", "a"], ["Fault", "b"], ["Normal"]], []],
    ["Normal of one that is not active", [["Fault", "a"], ["Normal", "z"]], ["a FAULT "]],
    ["Unavailable replaces all", [["Fault", "a"], ["UNAVAILABLE"]], null],
    ["after Unavailable", [["Fault", "a"], ["Unavailable"], ["Fault", "b"]], ["b FAULT "]],
    ["without code: by text", [["Fault", "", "one"], ["Fault", "", "two"], ["Fault", "", "one"]], ["c:one FAULT one", "c:two FAULT two"]],
    ["conditionId before code", [["Fault", "7", "x", "id1"], ["Fault", "7", "y", "id2"], ["Normal", "7", "", "id1"]], ["id2 FAULT y"]],
    ["code clears what has an id", [["Fault", "7", "x", "id1"], ["Normal", "7"]], []],
    ["an unknown level", [["Fault", "a"], ["Dozing", "a"]], ["a FAULT "]],
  ])("%s", (_, steps, expected) => {
    expect(keys(fold(...steps.map((step) => seen(...step))))).toEqual(expected);
  });
  it("stays bounded", () => {
    expect(fold(...Array.from({ length: 1_000 }, (_, index) => seen("Fault", `code ${index}`, "x".repeat(10_000))))).toHaveLength(ALARMS_PER_ITEM);
    expect(fold(seen("Fault", "a".repeat(1_000), "x".repeat(10_000)))?.[0]).toMatchObject({ text: "x".repeat(256), code: "a".repeat(256) });
  });
});

describe("positions", () => {
  const header = (changes: Partial<BufferHeader> = {}): BufferHeader => ({ instance: "5", first: 100, last: 199, next: 200, created: null, bufferSize: 100, ...changes });
  const at = (next: number, instance = "5"): Position => ({ instance, next, seen: unixMs(7), conditions: { c: [{ key: "k", code: "k", severity: "FAULT", text: "t", nativeType: "SYSTEM" }] }, initial: { at: 3, now: null } });

  it.each<[string, Position | null, object]>([
    ["no cursor", null, { kind: "begin" }], ["within", at(150), { kind: "resume" }], ["at the oldest", at(100), { kind: "resume" }], ["at the end", at(200), { kind: "resume" }],
    ["before the oldest", at(90), { kind: "overrun", missing: 10 }], ["beyond", at(201), { kind: "restarted" }], ["another instance", at(150, "6"), { kind: "restarted" }],
  ])("%s", (_, position, start) => {
    expect(startOf(position, header())).toEqual(start);
  });
  it("notices in a running stream what went wrong", () => {
    expect([strayed(at(150), header()), strayed(at(150), header({ instance: "6" })), strayed(at(250), header()), strayed(at(50), header())].map((text) => text?.slice(0, 19) ?? null))
      .toEqual([null, "the agent restarted", "the agent's sequenc", "the agent's buffer "]);
  });
  it("leaves more margin with each attempt", () => {
    expect([0, 1, 2, 3, 4, 5].map((attempt) => resumeAt(header(), attempt))).toEqual([100, 102, 105, 110, 125, 200]);
  });
  it("survive as text, and are not guessed", () => {
    expect(decodePosition(JSON.parse(JSON.stringify(encodePosition(at(150)))) as ReturnType<typeof encodePosition>)).toEqual(at(150));
    for (const cursor of [{}, { v: 2 }, { ...encodePosition(at(1)), next: -1 }, { ...encodePosition(at(1)), conditions: "[" }, { ...encodePosition(at(1)), instance: 5 }]) expect(decodePosition(cursor)).toBe("unreadable");
    expect(decodePosition(null)).toBeNull();
  });
});

describe("keys of the YAML", () => {
  const problems = (keys: object): readonly string[] => {
    const read = decode(MTCONNECT_SHAPE, keys);
    return read.ok ? [] : read.problems.map(({ path, found }) => `${path.join(".")}: ${found}`);
  };
  it("have defaults", () => {
    expect(decode(MTCONNECT_SHAPE, { url: "http://10.0.7.21:8082" })).toEqual({ ok: true, value: { url: "http://10.0.7.21:8082", history: "current", interval: 50, heartbeat: 5_000, count: 1_000, timeout: 10_000, streaming: "auto" } });
  });
  it("are as the example says", () => {
    const { type, ...keys } = parse(readFileSync(new URL("../../../protocols/mtconnect/example.yaml", import.meta.url), "utf8")) as Record<string, unknown>;
    expect(type).toBe("mtconnect");
    expect(problems(keys)).toEqual([]);
  });
  it.each<[object, readonly string[]]>([
    [{}, [": the key \"url\" is missing"]],
    [{ url: "http://a:b@c/" }, ["url: the text \"http://a:b@c/\""]],
    [{ url: "http://10.0.0.1:5000/current" }, ["url: the address of one document"]],
    [{ url: "http://a", tls: {} }, ["url: http:// together with tls"]],
    [{ url: "https://a", password: { env: "P" } }, ["password: a password without a user name"]],
    [{ url: "https://a", username: "u", password: "secret" }, ["password: a secret written into the file"]],
    [{ url: "https://a", items: { x: "speed" } }, ["items.x: the text \"speed\""]],
    [{ url: "https://a", heartbeat: 5, path: 0 }, ["path: the number 0", "heartbeat: the number 5"]],
  ])("%j", (keys, expected) => {
    expect(problems(keys)).toEqual(expected);
  });
});

describeWithCaptures("recorded conditions", () => {
  it("four active on one item of a Mazak", () => {
    const bytes = readFileSync(capture("mtconnect/ladder99/current-mazak-1.7.xml"));
    const document = decodeDocument(bytes, (id) => (id === "logic_cond" ? { id, type: "LOGIC_PROGRAM" } : null), "it");
    if (document.kind !== "streams") throw new Error(document.kind);
    const set = document.observations.reduce<readonly ActiveAlarm[]>((before, one) => foldCondition(before, one) ?? [], []);
    const raw = [...bytes.toString("utf8").matchAll(/<(Warning|Fault) dataItemId="logic_cond"[^>]*nativeCode="(\w+)"/gu)].map(([, level, code]) => `${code} ${level?.toUpperCase()}`).sort();
    expect(raw).toHaveLength(4);
    expect(set.map(({ code, severity }) => `${code} ${severity}`)).toEqual(raw);
    expect(set.every(({ nativeType }) => nativeType === "LOGIC_PROGRAM")).toBe(true);
  });
});
