/** Bytes → lines → fields → items, as tables of what adapters send (mtconnect.md §11). */
import { describe, expect, it } from "vitest";
import { AdapterClock } from "../../../protocols/shdr/clock.ts";
import { LineDecoder, LONGEST_BLOCK_LINES, type Line } from "../../../protocols/shdr/line.ts";
import { LINE_LIMIT, LineSplitter } from "../../../protocols/shdr/lines.ts";
import { namesOf, type Said } from "../../../protocols/shdr/names.ts";
import { decodeModel } from "../../../protocols/shared/mtconnect/probe.ts";
import { config, MAP } from "./reading.ts";

const at = (iso: string) => ({ kind: "time" as const, at: Date.parse(iso) });
const data = (stamp: unknown, ...fields: readonly string[]): unknown => ({ kind: "data", stamp, fields });
const NONE = { kind: "none" };

describe("lines of bytes", () => {
  const text = "a|b|ü\r\n\n|x|1\nlate";
  it.each([[1], [2], [3], [7], [64]])("whatever the pieces: %i bytes", (size) => {
    const splitter = new LineSplitter();
    const bytes = Buffer.from(text, "utf8");
    const lines: string[] = [];
    for (let from = 0; from < bytes.length; from += size) lines.push(...splitter.push(bytes.subarray(from, from + size)));
    expect(lines).toEqual(["a|b|ü", "", "|x|1"]);
    expect(splitter.isEmpty).toBe(false);
    expect(splitter.push(Buffer.from("r\n"))).toEqual(["later"]);
    expect(splitter.isEmpty).toBe(true);
  });

  it("Latin-1 where it is no UTF-8", () => {
    expect(new LineSplitter().push(Buffer.from("|m||T\xfcr offen\n", "latin1"))).toEqual(["|m||Tür offen"]);
  });

  it("passes over what is longer than any line that we use, without keeping it", () => {
    const splitter = new LineSplitter();
    for (let piece = 0; piece < 100; piece++) expect(splitter.push(Buffer.alloc(LINE_LIMIT / 16, "x"))).toEqual([]);
    expect(splitter.push(Buffer.from("x\n|a|1\n"))).toEqual(["|a|1"]);
    expect(splitter.overlong).toBe(1);
  });
});

describe("a line", () => {
  const rows: readonly (readonly [string, unknown])[] = [
    ["2014-09-29T23:59:33.460470Z|device|current|val", data(at("2014-09-29T23:59:33.460Z"), "device", "current", "val")],
    ["2014-09-29T23:59:33Z@12.5|load|41", data(at("2014-09-29T23:59:33Z"), "load", "41")],
    ["2017-10-28T22:26:39.671174|power|ON", data(at("2017-10-28T22:26:39.671Z"), "power", "ON")],
    ["|power|ON", data(NONE, "power", "ON")],
    ["2|execution|READY", data({ kind: "relative", ms: 2 }, "execution", "READY")],
    ["1500.75@3|x|1", data({ kind: "relative", ms: 1500 }, "x", "1")],
    ["|logic|FAULT|1012|1|HIGH|SPINDLE OVERLOAD", data(NONE, "logic", "FAULT", "1012", "1", "HIGH", "SPINDLE OVERLOAD")],
    ["|logic|Normal||||", data(NONE, "logic", "Normal", "", "", "", "")],
    ['|message|"A\\|B \\"C\\""|next|1', data(NONE, "message", 'A|B "C"', "next", "1")],
    ['|program|"TEST"|tool|3', data(NONE, "program", '"TEST"', "tool", "3")],
    ["|program| |line|", data(NONE, "program", "", "line", "")],
    ["* PONG 10000", { kind: "command", name: "pong", value: "10000" }],
    ["*adapterVersion:UNAVAILABLE", { kind: "command", name: "adapterversion", value: "UNAVAILABLE" }],
    ["* shdrVersion: 2", { kind: "command", name: "shdrversion", value: "2" }],
    ["", { kind: "nothing", strange: false }],
    ["<<<<<<< HEAD", { kind: "nothing", strange: true }],
    ["yesterday|execution|READY", { kind: "nothing", strange: true }],
    ["2026-01-05T06:00:00Z|@ASSET@|EM233|CuttingTool|<CuttingTool/>", { kind: "nothing", strange: false }],
    ["2026-01-05T06:00:00Z|@REMOVE_ASSET@|EM233", { kind: "nothing", strange: false }],
  ];
  it.each(rows)("%s", (text, wanted) => {
    expect(new LineDecoder().decode(text)).toEqual(wanted);
  });

  it("a block whose end is lost ends with the next stamped line; one without a name ends, too", () => {
    const decoder = new LineDecoder();
    const kinds = (...lines: readonly string[]): readonly Line["kind"][] => lines.map((line) => decoder.decode(line).kind);
    expect(kinds("|@ASSET@|EM1|CuttingTool|--multiline--LOST", "<CuttingTool>", "2026-01-05T06:00:00.5Z|execution|ACTIVE", "|execution|READY")).toEqual(["nothing", "nothing", "data", "data"]);
    expect(kinds("|@ASSET@|EM1|CuttingTool|--multiline--", "<a b=\"1|2\">", "  2026-01-05T06:00:00Z", "--multiline--", "|execution|READY")).toEqual(["nothing", "nothing", "nothing", "nothing", "data"]);
  });

  it("swallows an asset of several lines up to its end, and not the rest of the day", () => {
    const decoder = new LineDecoder();
    const kinds = (...lines: readonly string[]): readonly Line["kind"][] => lines.map((line) => decoder.decode(line).kind);
    expect(kinds("|@ASSET@|EM1|CuttingTool|--multiline--ABCD", "<CuttingTool>", "|execution|ACTIVE", "--multiline--ABCD", "|execution|READY")).toEqual(["nothing", "nothing", "nothing", "nothing", "data"]);
    decoder.decode("|@ASSET@|EM1|CuttingTool|--multiline--LOST");
    const swallowed = Array.from({ length: LONGEST_BLOCK_LINES + 1 }, () => decoder.decode("|execution|ACTIVE").kind);
    expect([swallowed[0], swallowed.at(-2), swallowed.at(-1)]).toEqual(["nothing", "nothing", "data"]);
  });
});

describe("whose the fields are", () => {
  const SAID: Said = { device: null, isConverted: false };
  const split = (names: ReturnType<typeof namesOf>, text: string, said = SAID): readonly string[] =>
    names.split(text.split("|"), said).map(({ key, item, values, isKnown }) => `${key}=${values.join(",")}${item === null ? "" : ` ${item.signal}`}${isKnown ? "" : " ?"}`);

  it.each([
    ["execution|ACTIVE|program|O1", ["execution=ACTIVE execution", "program=O1 program"]],
    ["other|1|execution|ACTIVE", ["other=1 ?", "execution=ACTIVE execution"]],
    ["logic|FAULT|1012|1||SPINDLE", ["logic=FAULT,1012,1,,SPINDLE alarm"]],
    ["logic|UNAVAILABLE|execution|READY|mode|AUTOMATIC", ["logic=UNAVAILABLE alarm", "execution=READY execution", "mode=AUTOMATIC controller_mode"]],
    ["axis|warning|7|||LUBE", ["axis=warning,7,,,LUBE ?"]],
    ["x|UNAVAILABLE|execution|READY|mode|MDI", ["x=UNAVAILABLE ?", "execution=READY execution", "mode=MDI controller_mode"]],
    ["message|100|TOOL LIFE", ["message=100,TOOL LIFE message"]],
    ["message|100|TOOL LIFE|mode|MDI", ["message=100,TOOL LIFE message", "mode=MDI controller_mode"]],
    ["message|TOOL LIFE|mode|MDI", ["message=TOOL LIFE message", "mode=MDI controller_mode"]],
    ["mill:execution|READY", ["mill:execution=READY ?"]],
    ["logic|NORMAL|404", ["logic=NORMAL,404 alarm"]],
    ["logic|FAULT|404|HIGH", ["logic=FAULT,404,HIGH alarm"]],
    ["logic|NORMAL|execution|READY", ["logic=NORMAL alarm", "execution=READY execution"]],
    ["logic|UNAVAILABLE|spare|1|execution|READY", ["logic=UNAVAILABLE alarm", "spare=1 ?", "execution=READY execution"]],
    ["spare|UNAVAILABLE|other|1|execution|READY", ["spare=UNAVAILABLE ?", "other=1 ?", "execution=READY execution"]],
    ["logic|UNAVAILABLE||||", ["logic=UNAVAILABLE,,,, alarm"]],
    ["execution", []],
  ])("by a map: %s", (text, wanted) => {
    expect(split(namesOf(config({ host: "h", map: MAP }), null), text)).toEqual(wanted);
  });

  const MODEL = `<MTConnectDevices xmlns="urn:mtconnect.org:MTConnectDevices:1.7"><Devices>
    <Device id="d" name="MILL" uuid="u1"><DataItems><DataItem category="EVENT" id="a1" name="avail" type="AVAILABILITY"/></DataItems><Components>
    <Controller id="c"><Components><Path id="p"><DataItems>
      <DataItem category="EVENT" id="e1" name="exec" type="EXECUTION"><Source>EXEC_SRC</Source></DataItem>
      <DataItem category="EVENT" id="m1" name="msg" type="MESSAGE"/>
      <DataItem category="SAMPLE" id="f1" name="feed" type="PATH_FEEDRATE" subType="ACTUAL" units="MILLIMETER/SECOND" nativeUnits="MILLIMETER/MINUTE"/>
      <DataItem category="SAMPLE" id="ts" name="vib" type="ACCELERATION" representation="TIME_SERIES"/>
      <DataItem category="EVENT" id="al" name="alarm" type="ALARM"/>
      <DataItem category="EVENT" id="ac" type="ASSET_CHANGED"/>
      <DataItem category="CONDITION" id="l1" name="logic" type="LOGIC_PROGRAM"/>
    </DataItems></Path></Components></Controller></Components></Device>
    <Device id="d2" name="LATHE" uuid="u2"><DataItems><DataItem category="EVENT" id="e2" name="exec" type="EXECUTION"/></DataItems></Device>
    </Devices></MTConnectDevices>`;
  const model = () => decodeModel(Buffer.from(MODEL), "the model");
  const CONFIG = { host: "h", devices: "Devices.xml", device: "MILL" };

  it.each([
    ["e1|READY|avail|AVAILABLE", ["e1=READY execution", "avail=AVAILABLE availability"]],
    ["EXEC_SRC|READY", ["EXEC_SRC=READY execution"]],
    ["vib|3|100|1 2 3|exec|ACTIVE", ["vib=3,100,1 2 3", "exec=ACTIVE execution"]],
    ["vib|UNAVAILABLE", ["vib=UNAVAILABLE"]],
    ["alarm|OTHER|12|CRITICAL|ACTIVE|text|exec|READY", ["alarm=OTHER,12,CRITICAL,ACTIVE,text", "exec=READY execution"]],
    ["ac|CuttingTool|EM233|exec|READY", ["ac=CuttingTool,EM233", "exec=READY execution"]],
    ["msg|7|text|exec|READY", ["msg=7,text message", "exec=READY execution"]],
    ["LATHE:exec|ACTIVE|exec|READY", ["LATHE:exec=ACTIVE ?", "exec=READY execution"]],
    ["MILL:exec|ACTIVE", ["MILL:exec=ACTIVE execution"]],
    ["u1:exec|ACTIVE|OTHER:exec|READY", ["u1:exec=ACTIVE execution", "OTHER:exec=READY ?"]],
  ])("by a model: %s", async (text, wanted) => {
    expect(split(namesOf(config(CONFIG), await model()), text)).toEqual(wanted);
  });

  it("another device's keys are not ours, whatever the map calls ours", () => {
    const names = namesOf(config({ host: "h", map: { ...MAP, "M2:tool": "tool" } }), null);
    expect(split(names, "execution|ACTIVE|M2:execution|READY|M2:tool|3")).toEqual(["execution=ACTIVE execution", "M2:execution=READY ?", "M2:tool=3 tool"]);
    expect(split(names, "M1:execution|ACTIVE|M2:execution|READY", { ...SAID, device: "M1" })).toEqual(["M1:execution=ACTIVE execution", "M2:execution=READY ?"]);
  });

  it("keys belong to the device that the adapter named last", async () => {
    const names = namesOf(config(CONFIG), await model());
    expect(split(names, "exec|READY", { ...SAID, device: "LATHE" })).toEqual(["exec=READY ?"]);
    expect(split(names, "exec|READY", { ...SAID, device: "MILL" })).toEqual(["exec=READY execution"]);
  });

  it("values come in the machine's own units, unless the adapter says that it converts them", async () => {
    const names = namesOf(config(CONFIG), await model());
    const factor = (isConverted: boolean): number | undefined => names.split(["feed", "60"], { device: null, isConverted })[0]?.item?.factor;
    expect([factor(false), factor(true)]).toEqual([1 / 60, 1]);
  });

  it("the map goes before the model, and its signal is then read from there alone", async () => {
    const names = namesOf(config({ ...CONFIG, map: { run: { signal: "execution", values: { RUN: "ACTIVE" } } } }), await model());
    expect(split(names, "run|RUN|exec|READY")).toEqual(["run=RUN execution", "exec=READY"]);
  });
});

describe("what the adapter's clock shows", () => {
  const NOW = Date.UTC(2026, 0, 5, 6);
  const H = 3_600_000;
  const clock = (): AdapterClock => new AdapterClock({ unixMs: NOW, monoMs: 1_000 });

  it("a fresh stamp tells it at once, an old one of the greeting nothing", () => {
    const known = clock();
    known.greeted(NOW - 2 * H, 1_500);
    expect(known.at(2_000)).toBeNull();
    expect([known.isBefore(NOW - 1), known.isBefore(NOW)]).toEqual([true, false]);
    known.heard(NOW + 900, 2_000);
    expect(known.at(3_000)).toBe(NOW + 1_900);
  });

  it("one that runs ahead shows with its greeting that it is wrong, and by how much with the first event", () => {
    const known = clock();
    expect([known.isAhead(NOW + H - 60_000, 1_000), known.isAhead(NOW - H, 1_000)]).toEqual([true, false]);
    known.greeted(NOW + H - 60_000, 1_000);
    expect(known.at(1_000)).toBeNull();
    known.heard(NOW + H + 500, 1_500);
    expect([known.at(4_000), known.isAhead(NOW + H, 1_500)]).toEqual([NOW + H + 3_000, false]);
  });

  it("one stamp far ahead of the clock that is known is no time; two that agree are", () => {
    const known = clock();
    known.heard(NOW, 1_000);
    known.heard(NOW + 2 * H, 1_500);
    expect([known.isAhead(NOW + 2 * H, 1_500), known.isAhead(NOW + 600, 1_500)]).toEqual([true, false]);
    known.heard(NOW + 2 * H + 2_000, 3_500);
    expect([known.isAhead(NOW + 2 * H + 2_000, 3_500), known.at(4_500)]).toEqual([false, NOW + 2 * H + 3_000]);
  });

  it("one that lies back is believed when a second event lies back as far, a second and more later", () => {
    const known = clock();
    known.heard(NOW - H, 1_000);
    known.heard(NOW - H + 100, 1_100);
    expect([known.at(1_100), known.isBefore(NOW - H + 100)]).toEqual([null, true]);
    known.heard(NOW - H + 1_200, 2_200);
    expect([known.at(2_200), known.isBefore(NOW - H + 1_300)]).toEqual([NOW - H + 1_200, false]);
  });

  it("a value told late is no clock that stepped back", () => {
    const known = clock();
    known.heard(NOW, 1_000);
    known.heard(NOW - 3 * H, 5_000);
    known.heard(NOW + 5_000, 6_000);
    known.heard(NOW - 2 * H, 9_000);
    expect(known.at(9_000)).toBe(NOW + 8_000);
    expect(known.isBefore(NOW - 3 * H)).toBe(true);
  });

  it("relative stamps count from the first, which is of now", () => {
    const known = clock();
    expect([known.absolute(500, 2_000), known.absolute(750, 9_000)]).toEqual([NOW + 1_000, NOW + 1_250]);
  });
});
