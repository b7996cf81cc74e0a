/** The pure parts: addresses, values with their status, what a stop means, states, alarms, and what waits between push and pull. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LinkError } from "../../../agent/contract/errors.ts";
import type { UnixMs } from "../../../agent/contract/time.ts";
import { unixMs } from "../../../agent/contract/time.ts";
import { decode } from "../../../agent/contract/shape.ts";
import { addressWords, byUri, decodeNodeId, inSession } from "../../../protocols/opcua/address.ts";
import { AlarmSet, eventClauses } from "../../../protocols/opcua/alarms.ts";
import { OPCUA_SHAPE, pointAddress } from "../../../protocols/opcua/config.ts";
import { stateOf } from "../../../protocols/opcua/finite-state.ts";
import { Mailbox, type Notice } from "../../../protocols/opcua/mailbox.ts";
import { ITEM_STATES } from "../../../protocols/opcua/machine-tool-words.ts";
import { PACKML_STATES } from "../../../protocols/opcua/packml.ts";
import { inTime } from "../../../protocols/opcua/points.ts";
import { EXECUTION_VARIABLES, SINUMERIK_ROWS } from "../../../protocols/opcua/signals.ts";
import { sinumerik } from "../../../protocols/opcua/sinumerik.ts";
import { stopOf } from "../../../protocols/opcua/sinumerik-execution.ts";
import { sampleOf, type Sample, type WireValue } from "../../../protocols/opcua/values.ts";

const NAMESPACES = ["http://opcfoundation.org/UA/", "urn:server", "http://opcfoundation.org/UA/Machinery/", "SinumerikVarProvider"];
const AT = Date.UTC(2026, 2, 3, 8);

describe("addresses", () => {
  it.each([
    ["nsu=SinumerikVarProvider;s=/Channel/State/progStatus[u1, 2]", "ns=3;s=/Channel/State/progStatus[u1, 2]"],
    ["ns=3;s=\"DB\".\"tag\"", "ns=3;s=\"DB\".\"tag\""], ["i=2258", "ns=0;i=2258"], ["nsu=urn:gone;i=5", null], ["ns=4;s=|var|PLC.Application.GVL.x", "ns=4;s=|var|PLC.Application.GVL.x"],
  ])("%s", (text, inThis) => {
    const node = decodeNodeId(text);
    if (node === null) throw new Error("no node id");
    expect(inSession(node, NAMESPACES)).toBe(inThis);
  });
  it.each(["", "s", "x=5", "nsu=;s=A", "i=abc", "ns=;s=A", "ns=2;i=99999999999"])("%s is none", (text) => {
    expect(decodeNodeId(text)).toBeNull();
  });
  it("a session's index becomes the URI again, and both are told to people", () => {
    expect(byUri("ns=2;i=5006", NAMESPACES)).toBe("nsu=http://opcfoundation.org/UA/Machinery/;i=5006");
    expect(byUri("ns=99;i=1", NAMESPACES)).toBe("ns=99;i=1");
    expect(addressWords(pointAddress({ path: ["Sinumerik", "nsu=urn:x;actParts"] }))).toBe("Sinumerik / actParts");
  });
});

const GOOD = { value: 0, name: "Good" };
const wire = (dataType: number, value: unknown, status = GOOD): WireValue => ({ value: { dataType, value }, statusCode: status, sourceTimestamp: new Date(AT), serverTimestamp: new Date(AT + 5) });

describe("values", () => {
  it.each([
    ["boolean", 1, true, true], ["UInt16", 5, 3, 3], ["double", 11, 411.5, 411.5], ["not a number", 11, Number.NaN, null], ["UInt64 as a pair", 9, [1, 2], 4_294_967_298n], ["Int64 below zero", 8, [0xffff_ffff, 0xffff_fffe], -2n],
    ["text", 12, "O1", "O1"], ["no text", 12, null, null], ["localized text", 21, { text: "läuft", locale: "de" }, "läuft"], ["qualified name", 20, { name: "N", namespaceIndex: 1 }, "N"],
    ["an array of one", 11, Float64Array.of(7), 7], ["a byte string", 15, Buffer.from("x"), null], ["a structure", 22, { a: 1 }, null], ["a time", 13, new Date(AT), "2026-03-03T08:00:00.000Z"],
  ])("%s", (_, dataType, value, raw) => {
    expect(sampleOf(wire(dataType, value), "source")).toMatchObject({ raw, quality: raw === null ? "UNAVAILABLE" : "GOOD", at: AT });
  });
  it("an element of an array, and one that is not there", () => {
    expect(sampleOf(wire(11, [1, 2, 3]), "source", 2).raw).toBe(3);
    expect(sampleOf(wire(11, [1, 2, 3]), "source", 3)).toMatchObject({ raw: null, quality: "UNAVAILABLE" });
  });
  it.each([
    ["an overflow is a good value with others lost", { value: 0x480, name: "Good#InfoTypeDataValue|Overflow" }, { raw: 3, quality: "GOOD", overflowed: true }],
    ["clamped is good", { value: 0x0030_0000, name: "GoodClamped" }, { raw: 3, quality: "GOOD", overflowed: false }],
    ["of a device the server has lost there is none", { value: 0x408f_0000, name: "UncertainNoCommunicationLastUsable" }, { raw: null, quality: "UNAVAILABLE" }],
    ["uncertain keeps its value", { value: 0x4090_0000, name: "UncertainLastUsableValue" }, { raw: 3, quality: "UNCERTAIN" }],
    ["bad has none, whatever stands there", { value: 0x8000_0000, name: "Bad" }, { raw: null, quality: "UNAVAILABLE" }],
    ["the worst, too", { value: 0xc000_0000, name: "Bad" }, { raw: null, quality: "UNAVAILABLE" }],
  ])("%s", (_, status, sample) => {
    expect(sampleOf(wire(5, 3, status), "source")).toMatchObject(sample);
  });
  it("the stamp that counts, the other where it is missing, and none where there is none", () => {
    expect(sampleOf(wire(5, 3), "server").at).toBe(AT + 5);
    expect(sampleOf({ ...wire(5, 3), sourceTimestamp: null }, "source").at).toBe(AT + 5);
    expect(sampleOf({ ...wire(5, 3), sourceTimestamp: new Date(Date.UTC(1601, 0, 1)), serverTimestamp: null }, "source").at).toBeUndefined();
  });
});

describe("what a stopped block says", () => {
  it.each([
    ["N10 M0", "program-stop"], ["M00", "program-stop"], ["N20 G0 X5 M1", "optional-stop"], ["M01", "optional-stop"], ["N30 M30", "end"], ["M02", "end"], ["M2", "end"], ["M=30", "end"], ["N40X1.5M30", "end"],
    ["N40 G1 X10", null], ["N50 M3 S1000", null], ["MSG(\"M30\")", null], ["N60 G4 F2 ; M0", null], ["M300", null], ["R1=M0", null], ["", null], ["N70 M17", null], ["DEF REAL _M0", null],
  ] as const)("%s", (block, stop) => {
    expect(stopOf(block)).toBe(stop);
  });
});

describe("what a channel executes", () => {
  const sample = (raw: Sample["raw"], ms: number): Sample => ({ raw, quality: raw === null ? "UNAVAILABLE" : "GOOD", at: unixMs(AT + ms), status: "Good", overflowed: false });
  type Step = readonly [ms: number, key: string, value: Sample["raw"], block?: string];
  const play = (steps: readonly Step[]): readonly unknown[] => {
    const translator = sinumerik({ channels: [1] }).translator();
    return steps.flatMap(([ms, key, value, block], index) => {
      const changes = [{ key: `${key}#1`, sample: sample(value, ms), initial: index < 2 }];
      const evidence = translator.wants(changes).map((wanted) => ({ key: wanted, sample: sample(block ?? "", ms), initial: false }));
      return translator.take(changes, evidence).filter(({ signal }) => signal === "execution").map((one) => one.value);
    });
  };
  const start: readonly Step[] = [[0, "progStatus", 5], [0, "actParts", 10], [1_000, "progStatus", 3]];
  it.each<readonly [string, readonly Step[], readonly unknown[]]>([
    ["ended by M30, then reset", [[9_000, "progStatus", 2, "M30"], [9_250, "progStatus", 5]], ["PROGRAM_COMPLETED", "READY"]],
    ["reset at M30 without stopping first", [[9_000, "progStatus", 5, "N9 M30"]], ["PROGRAM_COMPLETED"]],
    ["the counter steps just before the stop", [[8_900, "actParts", 11], [9_000, "progStatus", 2, ""]], ["PROGRAM_COMPLETED"]],
    ["the counter steps while it stands", [[9_000, "progStatus", 2, ""], [9_500, "actParts", 11]], ["INTERRUPTED", "PROGRAM_COMPLETED"]],
    ["a part in the middle of a program, then M0", [[8_900, "actParts", 11], [9_000, "progStatus", 2, "M0"]], ["PROGRAM_STOPPED"]],
    ["a step long before a stop is of no end", [[2_000, "actParts", 11], [9_000, "progStatus", 2, "G1 X1"]], ["INTERRUPTED"]],
    ["single block goes on", [[9_000, "progStatus", 2, "G1 X1"], [9_500, "progStatus", 3]], ["INTERRUPTED", "ACTIVE"]],
    ["reset without evidence is ready, and no more", [[9_000, "progStatus", 5, ""]], ["READY"]],
    ["a counter set back is no step", [[8_900, "actParts", 0], [9_000, "progStatus", 2, ""]], ["INTERRUPTED"]],
    ["an alarm stop", [[9_000, "progStatus", 1]], ["INTERRUPTED"]],
    ["waiting", [[9_000, "progStatus", 4]], ["WAIT"]],
    ["channel reset while stopped", [[9_000, "progStatus", 2, ""], [9_100, "chanStatus", 0]], ["INTERRUPTED", "READY"]],
    ["not known", [[9_000, "progStatus", null], [9_100, "progStatus", 3]], [null, "ACTIVE"]],
    ["a status nobody has heard of", [[9_000, "progStatus", 77]], [null]],
  ])("%s", (_, steps, told) => {
    expect(play([...start, ...steps])).toEqual(["READY", "ACTIVE", ...told]);
  });
  it("every row says where it is from", () => {
    expect([...SINUMERIK_ROWS, ...EXECUTION_VARIABLES].filter(({ source }) => !source.startsWith("§"))).toEqual([]);
  });
});

describe("states of companion specifications", () => {
  const sample = (raw: Sample["raw"]): Sample => ({ raw, quality: "GOOD", status: "Good", overflowed: false });
  it("by id, else by number, last by name", () => {
    expect(stateOf({ id: sample("ns=2;i=5006"), number: sample(2), text: sample("Not Executing") }, ITEM_STATES, NAMESPACES)).toBe(3);
    expect(stateOf({ id: sample("ns=1;i=77"), number: sample(2) }, ITEM_STATES, NAMESPACES)).toBe(2);
    expect(stateOf({ text: sample("Out of service") }, ITEM_STATES, NAMESPACES)).toBe(1);
    expect(stateOf({ text: sample("Außer Betrieb") }, ITEM_STATES, NAMESPACES)).toBeNull();
    expect(stateOf({ number: sample(6) }, PACKML_STATES, NAMESPACES)).toBe(6);
  });
});

describe("alarms", () => {
  const text = (value: string | null) => ({ dataType: 12, value });
  const clauses = eventClauses(NAMESPACES, false);
  /** A server that answers only what is asked of the type that has it, or only of the type of all events. */
  const answered = (fields: Readonly<Record<string, { readonly dataType: number; readonly value: unknown }>>, from: "own" | "base"): Notice["events"][number] => {
    const own = eventClauses(NAMESPACES, true).length;
    return clauses.map(({ field }, index) => ((from === "own" ? index < own : index >= own || ["type", "time", "message", "severity", "source"].includes(field)) ? fields[field] ?? text(null) : text(null)));
  };
  const event = (code: string, active: boolean, severity = 1_000, from: "own" | "base" = "base"): Notice["events"][number] => answered({
    type: { dataType: 17, value: { toString: () => "ns=2;i=1006" } }, time: { dataType: 13, value: new Date(AT + 18 * 60_000) }, message: { dataType: 21, value: { text: `alarm ${code}` } },
    severity: { dataType: 5, value: severity }, retain: { dataType: 1, value: active }, active: { dataType: 1, value: active }, name: text(`Alarm${code}`), source: text("Sinumerik"), number: text(code),
  }, from);
  const bracket = (node: number): Notice["events"][number] => answered({ type: { dataType: 17, value: { toString: () => `ns=0;i=${node}` } } }, "own");
  const now = unixMs(AT);
  it("between the brackets of a refresh they are one set; what it does not tell again has ended", () => {
    const set = new AlarmSet(clauses);
    expect(set.hear({ now, events: [event("25050", true)] }).readings).toEqual([]);
    const [first] = set.hear({ now, events: [bracket(2787), event("25050", true), event("700016", true, 500), bracket(2788)] }).readings;
    expect(first).toMatchObject({ initial: true, sourceTime: AT, value: [{ code: "25050", severity: "FAULT", nativeType: "AXIS" }, { code: "700016", severity: "WARNING", nativeType: "PLC" }] });
    expect(set.hear({ now, events: [bracket(2789)] }).refresh).toBe(true);
    expect(set.hear({ now, events: [bracket(2787), event("700016", true, 500), bracket(2788)] }).readings).toMatchObject([{ value: [{ code: "700016" }] }]);
  });
  it("whichever type a server wants a field to be asked of", () => {
    for (const from of ["own", "base"] as const) {
      const set = new AlarmSet(clauses);
      set.settle(now);
      expect(set.hear({ now, events: [event("25050", true, 1_000, from)] }).readings).toMatchObject([{ value: [{ severity: "FAULT", text: "alarm 25050" }] }]);
      expect(set.hear({ now, events: [event("25050", false, 1_000, from)] }).readings).toMatchObject([{ value: [] }]);
    }
    expect(eventClauses(["http://opcfoundation.org/UA/", "http://opcfoundation.org/UA/CNC"], true).at(-1)).toEqual({ field: "number", type: "ns=1;i=1006", path: ["1:AlarmIdentifier"] });
  });

  it("an event's own time from another clock is not used", () => {
    const set = new AlarmSet(clauses);
    set.settle(now);
    expect(set.hear({ now, events: [event("1", true)] }).readings).toMatchObject([{ sourceTime: AT, value: [{ code: "1", nativeType: "GENERAL" }] }]);
    expect(set.hear({ now, events: [event("1", true)] }).readings).toEqual([]);
    expect(set.hear({ now, events: [event("1", false)] }).readings).toMatchObject([{ value: [] }]);
  });
});

describe("the mailbox", () => {
  const notice = (handle: number, value: number): Notice => ({ now: unixMs(AT), more: false, lost: 0, events: [], values: [{ handle, wire: wire(5, value) }] });
  const never = new AbortController().signal;
  it("is bounded: folded, it has the newest value of each node and says how many were lost", async () => {
    const mailbox = new Mailbox();
    for (let turn = 0; turn <= 1_000; turn++) mailbox.put(notice(turn % 2, turn));
    const { values, lost } = await mailbox.next(never);
    expect(values.map(({ handle, wire: one }) => [handle, one.value?.value])).toEqual(expect.arrayContaining([[0, 1_000], [1, 999]]));
    expect(lost).toBe(999);
  });
  it("gives what waits before it ends, and wakes for an abort", async () => {
    const mailbox = new Mailbox();
    mailbox.put(notice(1, 1));
    mailbox.end(new LinkError("lost", "backoff", "gone"));
    await expect(mailbox.next(never)).resolves.toMatchObject({ lost: 0 });
    await expect(mailbox.next(never)).rejects.toThrow("gone");
    const stop = new AbortController();
    const waiting = new Mailbox().next(stop.signal);
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
  });
  it("what has no stamp stays where it came", () => {
    const at = (ms: number): { readonly sourceTime: UnixMs } => ({ sourceTime: unixMs(ms) });
    expect(inTime([at(3), {}, at(1), at(2)])).toEqual([at(1), at(2), at(3), {}]);
  });
});

it("can only read: one file holds the library's session, and no file has a word for anything else", () => {
  const folder = join(import.meta.dirname, "../../../protocols/opcua");
  const files = readdirSync(folder).filter((name) => name.endsWith(".ts")).map((name) => ({ name, text: readFileSync(join(folder, name), "utf8") }));
  const having = (pattern: RegExp): readonly string[] => files.filter(({ text }) => pattern.test(text)).map(({ name }) => name);
  expect(having(/\.(?:write|writeSingleNode|writeValue|historyUpdate|addNodes|addReferences|deleteNodes|deleteReferences|registerNodes|unregisterNodes|setTriggering|performMessageTransaction|transferSubscriptions)\(/u)).toEqual([]);
  expect(having(/session\.call\(/u)).toEqual(["guard.ts"]);
  expect(having(/\bClientSession\b/u).toSorted()).toEqual(["connect.ts", "guard.ts"]);
  expect(having(/from "node-opcua-client/u).toSorted()).toEqual(["connect.ts", "endpoint.ts", "guard.ts", "node-opcua.ts"]);
});

describe("the configuration", () => {
  it.each([
    ["password", { password: { file: "/x" } }], ["profile", { profile: "none" }], ["policy", { security: "none", policy: "Basic256Sha256" }], ["keepalive", { keepalive: "1s" }], ["session", { session: "10s" }],
    ["points.0", { points: [{ signal: "message" }] }], ["points.0.node", { points: [{ signal: "message", node: "DB1" }] }], ["points.0.signal", { points: [{ signal: "execution", node: "i=1" }] }], ["url", { url: "http://10.0.0.1" }],
  ])("%s", (where, keys) => {
    const decoded = decode(OPCUA_SHAPE, { url: "opc.tcp://10.0.0.1:4840", profile: "sinumerik", ...keys });
    expect(decoded.ok ? [] : decoded.problems.map(({ path }) => path.join("."))).toContain(where);
  });
});
