/** Device models of real agents, and which of their items are read (mtconnect.md §7, §9). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { selectItems, type ChosenItem } from "../../../protocols/shared/mtconnect/items.ts";
import { decodeModel } from "../../../protocols/shared/mtconnect/probe.ts";
import { currentTarget, dialectFor, relaxed, sampleTarget } from "../../../protocols/mtconnect/requests.ts";
import { capture, describeWithCaptures } from "../../support/captures.ts";

type Wanted = Parameters<typeof selectItems>[1];
const model = (xml: string) => decodeModel(Buffer.from(xml), "it");
const chosen = async (xml: string, wanted: Wanted = {}): Promise<readonly ChosenItem[]> => selectItems(await model(xml), wanted, "the agent").items;
const shown = (items: readonly ChosenItem[]): readonly string[] => items.map(({ signal, path, id, factor, uncertain }) => `${signal}${path === null ? "" : `#${path}`}=${id}${factor === 1 ? "" : `*${factor}`}${uncertain ? "?" : ""}`);
const device = (inner: string, name = "M", more = ""): string => `<Device id="${name}" name="${name}" uuid="u-${name}">${inner}</Device>${more}`;
const devices = (inner: string): string => `<m:MTConnectDevices xmlns:m="urn:mtconnect.org:MTConnectDevices:1.4"><m:Header instanceId="1"/><m:Devices>${inner.replaceAll(/<(\/?)(?=\w)/gu, "<$1m:")}</m:Devices></m:MTConnectDevices>`;
const item = (id: string, type: string, more = "", category = "EVENT"): string => `<DataItem id="${id}" type="${type}" category="${category}" ${more}/>`;
const component = (kind: string, items: string, inner = "", more = ""): string => `<${kind} id="${kind}${more}" ${more}><DataItems>${items}</DataItems><Components>${inner}</Components></${kind}>`;

describe("choosing items", () => {
  it("prefers the path's to the controller's, and MAIN, ALL to none", async () => {
    const xml = devices(device(`<DataItems>${item("a", "AVAILABILITY")}</DataItems><Components>${component("Controller", item("x1", "EXECUTION") + item("e", "EMERGENCY_STOP"), component("Path", item("x2", "EXECUTION") + item("p1", "PROGRAM") + item("p2", "PROGRAM", "subType='MAIN'") + item("p3", "PROGRAM", "subType='ACTIVE'") + item("p4", "PROGRAM", "subType='SCHEDULE'") + item("c1", "PART_COUNT", "subType='TARGET'") + item("c2", "PART_COUNT", "subType='REMAINING'") + item("c3", "PART_COUNT") + item("c4", "PART_COUNT", "subType='ALL'") + item("c5", "PART_COUNT", "subType='BAD'")))}</Components>`));
    expect(shown(await chosen(xml))).toEqual(["availability#1=a", "execution#1=x2", "program#1=p2", "subprogram#1=p3", "part_count#1=c4", "part_count_bad#1=c5", "part_count_target#1=c1", "emergency_stop#1=e"]);
  });

  it("keeps paths apart, and what belongs to none without a number", async () => {
    const paths = component("Path", item("x1", "EXECUTION") + item("f1", "SYSTEM", "", "CONDITION"), "", "name='1'") + component("Path", item("x2", "EXECUTION"), component("Tool", item("t2", "TOOL_NUMBER")), "name='2'");
    const xml = devices(device(`<Components>${component("Controller", item("x0", "EXECUTION") + item("m0", "CONTROLLER_MODE") + item("f0", "SYSTEM", "", "CONDITION"), paths)}</Components>`));
    expect(shown(await chosen(xml))).toEqual(["execution#1=x1", "execution#2=x2", "tool#2=t2", "controller_mode=m0", "alarm=f0", "alarm#1=f1"]);
    expect(shown(await chosen(xml, { path: 2 }))).toEqual(["execution#1=x2", "tool#1=t2", "controller_mode#1=m0", "alarm#1=f0"]);
    await expect(chosen(xml, { path: 3 })).rejects.toThrow(/has 2 control paths, and path 3 is configured/u);
  });

  it("takes the axis that is a spindle, and no message of a linear axis", async () => {
    const rotary = (name: string, modes: readonly string[]): string => `<Rotary id="${name}" name="${name}"><DataItems>${item(`${name}v`, "ROTARY_VELOCITY", "subType='ACTUAL' units='REVOLUTION/MINUTE'", "SAMPLE")}${item(`${name}l`, "LOAD", "units='PERCENT'", "SAMPLE")}<DataItem id="${name}m" type="ROTARY_MODE" category="EVENT"><Constraints>${modes.map((mode) => `<Value>${mode}</Value>`).join("")}</Constraints></DataItem></DataItems></Rotary>`;
    const xml = devices(device(`<Components>${component("Axes", "", rotary("B", ["CONTOUR", "INDEX"]) + rotary("C", ["CONTOUR", "SPINDLE", "INDEX"]) + rotary("Q", ["SPINDLE"]) + component("Linear", item("lm", "MESSAGE") + item("lv", "ROTARY_VELOCITY", "", "SAMPLE")))}</Components>`));
    expect(shown(await chosen(xml))).toEqual(["spindle_speed#1=Qv", "spindle_load#1=Ql"]);
  });

  it("converts units, and doubts those that the model does not name", async () => {
    const of = async (more: string): Promise<readonly string[]> => shown(await chosen(devices(device(`<DataItems>${item("f", "PATH_FEEDRATE", more, "SAMPLE")}</DataItems>`))));
    expect(await of("units='MILLIMETER/SECOND'")).toEqual(["feedrate#1=f"]);
    expect(await of("units='MILLIMETER/MINUTE'")).toEqual([`feedrate#1=f*${1 / 60}`]);
    expect(await of("nativeUnits='MILLIMETER/MINUTE'")).toEqual([`feedrate#1=f*${1 / 60}?`]);
    expect(await of("")).toEqual(["feedrate#1=f?"]);
  });

  it("lets the configuration decide, and names what it does not find", async () => {
    const xml = devices(device(`<DataItems>${item("x", "EXECUTION")}${item("m30", "MESSAGE")}${item("y", "x:EXECUTION")}${item("t", "TEMPERATURE", "", "SAMPLE")}</DataItems>`));
    expect(shown(await chosen(xml, { items: { y: "execution", m30: "part_count", t: "point/oil" } }))).toEqual(["execution#1=y", "part_count#1=m30", "point/oil#1=t"]);
    await expect(chosen(xml, { items: { z: "execution" } })).rejects.toThrow(/has no data item "z", which items maps to execution; it has: x, m30, y, t/u);
  });

  it("chooses the device by name, then uuid; the only one; else lists them", async () => {
    const xml = devices(`<Agent id="a" name="Agent"><DataItems>${item("aa", "AVAILABILITY")}</DataItems></Agent>${device(`<DataItems>${item("x", "EXECUTION")}</DataItems>`, "M1")}`);
    expect(shown(await chosen(xml))).toEqual(["execution#1=x"]);
    const two = xml.replace("</m:Devices>", `${device(`<DataItems>${item("y", "EXECUTION")}</DataItems>`, "M2")}</m:Devices>`);
    expect(shown(await chosen(two, { device: "u-M2" }))).toEqual(["execution#1=y"]);
    await expect(chosen(two)).rejects.toThrow(/several devices; name one under device: M1 \(uuid u-M1\), M2 \(uuid u-M2\)/u);
    await expect(chosen(two, { device: "M3" })).rejects.toThrow(/no device "M3"; it has: M1/u);
    await expect(chosen(devices(device("")))).rejects.toThrow(/no data item that we read/u);
  });

  it("tells devices apart where their ids are the same", async () => {
    const same = `<DataItems>${item("x", "EXECUTION")}</DataItems>`;
    const { lookup } = selectItems(await model(devices(device(same, "M1") + device(same, "M2"))), { device: "M2" }, "it");
    expect([lookup("x", "M1", "u-M1"), lookup("x", "M2", "u-M2")?.id, lookup("y", "M2", "u-M2")]).toEqual([null, "x", null]);
  });
});

describe("requests", () => {
  it("ask for the items alone, and drop what the agent refuses, one part at a time", async () => {
    const read = await model(devices(device(`<DataItems>${item("x y", "EXECUTION")}${item("s", "SYSTEM", "", "CONDITION")}</DataItems>`, "M 1")));
    const dialect = dialectFor(read, selectItems(read, {}, "it"), { count: 50, heartbeatMs: 1_000 });
    expect(currentTarget(dialect, 7)).toBe("/current?path=%2F%2FDataItem%5B%40id%3D%22x%20y%22%20or%20%40category%3D%22CONDITION%22%5D&at=7");
    const error = (code: string, text: string, parameter: string | null = null) => [{ code, text, parameter, minimum: null, maximum: null }];
    const bare = relaxed(dialect, error("INVALID_XPATH", "bad"), true);
    expect(bare && sampleTarget(bare, 5, 100)).toBe("/sample?from=5&count=50&interval=100&heartbeat=1000");
    expect(bare && relaxed(bare, error("QUERY_ERROR", "'heartbeat' must be"), true)?.heartbeatMs).toBeNull();
    expect(relaxed(dialect, error("OUT_OF_RANGE", "out of range", "count"), true)?.count).toBeNull();
    expect(relaxed(dialect, error("OUT_OF_RANGE", "'from' must be less than 5"), true)).toBeNull();
    expect(relaxed(dialect, error("NO_DEVICE", "gone"), true)).toBeNull();
  });

  it("use both names of a parameter before 1.2, and the device's own address among several", async () => {
    const read = await model(devices(device(`<DataItems>${item("x", "EXECUTION")}</DataItems>`, "A B") + device("", "C")).replace("Devices:1.4", "Devices:1.1"));
    const dialect = dialectFor(read, selectItems(read, { device: "A B" }, "it"), { count: 50, heartbeatMs: 1_000 });
    expect(sampleTarget({ ...dialect, filter: null }, 5, 100)).toBe("/A%20B/sample?from=5&start=5&count=50&interval=100&frequency=100&heartbeat=1000");
  });
});

describeWithCaptures("models of real agents", () => {
  it.each<[string, string | undefined, number, readonly string[]]>([
    ["ladder99/probe-fanuc-silex-1.3.xml", undefined, 16, ["execution#1=nexecution1", "controller_mode#1=nmode1", "part_count#1=npartcnt1", "emergency_stop#1=nestop1", "spindle_speed#1=nspeedS1P1", "program#1=nprogram1"]],
    ["cppagent/okuma-mazak-devices-2.7.xml", "Mazak", 21, ["execution#1=execution", "program#1=program", "subprogram#1=activeprog", "spindle_speed#1=Srpm", "spindle_load#1=Sload", "door#1=doorstate"]],
    ["nist-smstestbed/devices-2020.xml", "Mazak03", 25, ["execution#1=Mazak03-path_10", "part_count#1=Mazak03-path_96", "power_state#1=Mazak03-electric_2", "spindle_speed#1=Mazak03-S_2"]],
    ["mtconnect.net/devices-okuma-lathe.xml", undefined, 2, ["execution#1=L2p1execution", "execution#2=L2p2execution", "part_count#2=L2p2partcount", "emergency_stop=L2estop", "spindle_speed=L2S1speed"]],
    ["ffmfg/haas-ngc-vf2-devices.xml", undefined, 3, ["execution#1=haas01_exec", "part_count#1=haas01_part", "spindle_speed#1=haas01_rpm"]],
    ["cppagent/devices-NoNamespace.xml", undefined, 18, ["execution#1=cn6", "controller_mode#1=cn3"]],
    ["cppagent/devices-128.32.164.245.xml", "MoriSeiki", 0, ["execution#1=35", "power_state#1=11", "spindle_speed#1=21"]],
    ["node-agent/devices-time_series.xml", undefined, 15, ["execution#1=path_181", "part_count#1=path_186"]],
  ])("%s %s", async (name, wanted, conditions, expected) => {
    const items = await chosen(readFileSync(capture(`mtconnect/${name}`), "utf8"), wanted === undefined ? {} : { device: wanted });
    expect(shown(items)).toEqual(expect.arrayContaining([...expected]));
    expect(items.filter(({ value }) => value === "condition")).toHaveLength(conditions);
  });
});

describe("a model made to do harm", () => {
  it.each([
    ["nested half a million deep", `<MTConnectDevices>${"<a>".repeat(500_000)}${"</a>".repeat(500_000)}</MTConnectDevices>`, "elements nested more than 64 deep"],
    ["of a million elements", `<MTConnectDevices>${"<a/>".repeat(1_000_000)}</MTConnectDevices>`, "more than 100000 elements"],
    ["with a million attributes", `<MTConnectDevices ${Array.from({ length: 1_000_000 }, (_, n) => `a${n}=""`).join(" ")}/>`, "more than 64 attributes in one tag"],
  ])("%s is refused before it is built", async (_, xml, words) => {
    const began = performance.now();
    await expect(model(xml)).rejects.toThrow(words);
    // xml2js takes seconds and a gigabyte for the first of them.
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});
