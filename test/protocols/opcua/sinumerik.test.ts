/** The SINUMERIK profile and configured points against a server with a SINUMERIK's quirks. */
import { StatusCodes } from "node-opcua-client";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startSinumerik, type SimulatedSinumerik } from "../../../agent/simulate/opcua/sinumerik.ts";
import { freePort } from "../../support/free-port.ts";
import { testPorts } from "../../support/ports.ts";
import { config, failure, reading, temporaryFolder, type Folder, type Running } from "./support.ts";

let folder: Folder;
let control: SimulatedSinumerik;
beforeAll(async () => {
  folder = temporaryFolder("opcua");
  control = await startSinumerik({ port: await freePort(), folder: `${folder.path}/server` });
}, 60_000);
afterAll(async () => {
  await control.close();
  folder[Symbol.dispose]();
});
beforeEach(() => {
  control.set("/Channel/State/progStatus", 5);
  control.set("/Channel/State/chanStatus", 0);
  control.set("/Channel/State/actParts", 412);
  control.set("/Channel/ProgramInfo/actBlock", "");
  control.set("/Channel/ProgramInfo/workPandProgName", "/_N_WKS_DIR/_N_BRACKET_WPD/_N_OP10_MPF");
});
const started = async (keys: Readonly<Record<string, unknown>> = {}): Promise<Running> => {
  const running = await reading(config({ url: control.url, profile: "sinumerik", ...keys }), folder.path);
  await running.until(() => running.batches.length > 0, "the first batch");
  return running;
};
const said = (running: Running, execution: string): Promise<void> => running.until(() => running.last("execution")?.value === execution, `execution ${execution}`);
const stop = (block: string): void => {
  control.set("/Channel/ProgramInfo/actBlock", block);
  control.set("/Channel/State/progStatus", 2);
};
const run = (): void => {
  control.set("/Channel/State/progStatus", 3);
  control.set("/Channel/State/chanStatus", 1);
};

describe("without a list of nodes", () => {
  it("tells first what is so, then what changes, with the control's stamps", async () => {
    await using running = await started();
    expect(running.batches[0]?.caughtUp).toBe(true);
    expect(running.readings.every(({ initial }) => initial === true)).toBe(true);
    const first = Object.fromEntries(running.readings.map(({ signal, value }) => [signal, value]));
    expect(first).toMatchObject({ execution: "READY", controller_mode: "AUTOMATIC", part_count: 412, program: "/_N_WKS_DIR/_N_BRACKET_WPD/_N_OP10_MPF", availability: "AVAILABLE", feed_override: 100, alarm: [] });
    const at = new Date();
    control.set("/Channel/State/progStatus", 3, at);
    await said(running, "ACTIVE");
    expect(running.last("execution")).toMatchObject({ sourceTime: at.getTime(), quality: "GOOD" });
    expect(running.last("execution")?.initial).toBeUndefined();
    expect(running.session.peer).toContain("SINUMERIK");
  });

  it("short states between two messages are not lost, and come in their order", async () => {
    await using running = await started({ publishing: "500ms", keepalive: "2s", sampling: "10ms" });
    const from = running.batches.length;
    control.set("/Channel/State/chanStatus", 1);
    for (const status of [3, 2, 3, 5]) {
      control.set("/Channel/State/progStatus", status);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    await running.until(() => running.of("execution").length === 5, "four changes");
    const later = running.batches.slice(from).flatMap(({ items }) => items.flatMap((item) => (item.kind === "reading" && item.signal === "execution" ? [item.value] : [])));
    expect(later).toEqual(["ACTIVE", "INTERRUPTED", "ACTIVE", "READY"]);
  });

  it("a stop is told apart by the block it stands at, read when it stops", async () => {
    await using running = await started();
    run();
    await said(running, "ACTIVE");
    stop("N10 M0");
    await said(running, "PROGRAM_STOPPED");
    run();
    await said(running, "ACTIVE");
    stop("N20 M01 ; check");
    await said(running, "OPTIONAL_STOP");
    run();
    await said(running, "ACTIVE");
    stop("N30 G1 X20");
    await said(running, "INTERRUPTED");
    run();
    await said(running, "ACTIVE");
    stop("N40 M30");
    await said(running, "PROGRAM_COMPLETED");
    control.set("/Channel/State/progStatus", 5);
    await said(running, "READY");
    expect(running.of("execution")).toEqual(["READY", "ACTIVE", "PROGRAM_STOPPED", "ACTIVE", "OPTIONAL_STOP", "ACTIVE", "INTERRUPTED", "ACTIVE", "PROGRAM_COMPLETED", "READY"]);
  });

  it("a second channel is its own path, although it cannot be browsed", async () => {
    await using running = await started({ channels: [1, 2] });
    control.set("/Channel/State/progStatus[u2, 1]", 3);
    await running.until(() => running.of("execution", 2).at(-1) === "ACTIVE", "path 2 runs");
    expect(running.of("execution", 1)).toEqual(["READY"]);
    control.set("/Channel/State/progStatus[u2, 1]", 5);
    await running.until(() => running.of("execution", 2).at(-1) === "READY", "path 2 is ready");
  });

  it("the load of the configured drive", async () => {
    control.set("/Nck/Spindle/driveLoad[u1, 4]", 31.5);
    await using running = await started({ drive: 4 });
    expect(running.last("spindle_load")?.value).toBe(31.5);
  });
});

describe("quality", () => {
  it("a bad status is UNAVAILABLE and null, an uncertain one keeps its value and says so", async () => {
    await using running = await started();
    control.spoil("/Channel/State/actParts", "BadOutOfService");
    await running.until(() => running.last("part_count")?.quality === "UNAVAILABLE", "the count is gone");
    expect(running.last("part_count")?.value).toBeNull();
    control.spoil("/Channel/State/feedRateIpoOvr", "UncertainLastUsableValue");
    await running.until(() => running.last("feed_override")?.quality === "UNCERTAIN", "the override is uncertain");
    control.set("/Channel/State/feedRateIpoOvr", 100);
    control.set("/Channel/State/actParts", 413);
    await running.until(() => running.last("part_count")?.value === 413, "the count is back");
    control.spoil("/Channel/State/progStatus", "BadOutOfService");
    await running.until(() => running.last("execution")?.quality === "UNAVAILABLE", "execution is not known");
  });

  it("one bad node never drops the rest; it is told, and comes when it is there", async () => {
    let aheadMs = 0;
    const ports = testPorts();
    const network = { ...ports.network, now: () => ({ ...ports.network.now(), monoMs: (ports.network.now().monoMs + aheadMs) as never }) };
    const own = testPorts({ network });
    const keys = config({ url: control.url, profile: "sinumerik", points: [{ signal: "point/pressure", node: "nsu=SinumerikVarProvider;s=/Plc/DB2.DBD0:REAL" }, { signal: "point/other", node: "nsu=urn:not-there;i=1" }] });
    await using running = await reading(keys, folder.path, own);
    await running.until(() => running.last("execution") !== undefined, "the rest");
    expect(running.of("point/pressure")).toEqual(["UNAVAILABLE null"]);
    expect(own.lines.find(({ level }) => level === "warn")?.fields).toMatchObject({ count: 2 });
    control.add("/Plc/DB2.DBD0:REAL", "Double", 6.25);
    aheadMs = 61_000;
    await running.until(() => running.last("point/pressure")?.value === 6.25, "the pressure");
    // A program download: the node goes, and comes back as another one. Nothing else notices.
    control.remove("/Plc/DB2.DBD0:REAL");
    await running.until(() => running.last("point/pressure")?.quality === "UNAVAILABLE", "the pressure is gone");
    control.add("/Plc/DB2.DBD0:REAL", "Double", 5.5);
    aheadMs = 122_000;
    await running.until(() => running.last("point/pressure")?.value === 5.5, "the pressure is back");
    control.remove("/Plc/DB2.DBD0:REAL");
    const { facts, refused } = running.session.describe?.() ?? { facts: {}, refused: [] };
    expect(facts).toMatchObject({ server: "SINUMERIK", security: "none", user: "nobody (anonymous)" });
    expect(refused).toContainEqual({ what: "nsu=urn:not-there;i=1", why: "the server does not have the namespace" });
    expect(running.batches.every(({ caughtUp }) => caughtUp)).toBe(true);
  });

  it("of a user without rights it says so, and what to do; nothing is reported healthy", async () => {
    const paths = ["/Channel/State/progStatus", "/Channel/State/chanStatus", "/Bag/State/opMode", "/Channel/ProgramInfo/workPandProgName"];
    for (const path of paths) control.spoil(path, "BadUserAccessDenied");
    const error = await failure(config({ url: control.url, profile: "sinumerik" }), folder.path);
    control.set("/Bag/State/opMode", 2);
    expect(error.fault).toBe("refused");
    expect(error.message).toMatch(/StateRead and AlarmRead/u);
    await expect.poll(() => control.sessions).toBe(0);
  });

  it("a server that is none says which profile is wrong", async () => {
    const error = await failure(config({ url: control.url, points: [{ signal: "point/a", node: "nsu=urn:else;s=A" }] }), folder.path);
    expect(error).toMatchObject({ fault: "unsupported", retry: { afterMs: 30_000 } });
  });
});

describe("configured points", () => {
  it("by node id and by path, with value table, scale, alarm and deadband; one for a profile's signal replaces it", async () => {
    const node = (path: string): string => `nsu=SinumerikVarProvider;s=${path}`;
    control.set("/Channel/State/totalParts", 77);
    await using running = await started({
      points: [
        { signal: "emergency_stop", node: node("/Plc/DB10.DBX106.1"), values: { 1: "TRIGGERED", 0: "ARMED" } },
        { signal: "part_count", node: node("/Channel/State/totalParts") },
        { signal: "point/tool", path: ["Sinumerik", "actTNumber"], scale: 10 },
        { signal: "alarm", node: node("/Plc/DB10.DBX106.1"), alarm: { code: "E-STOP", text: "emergency stop pressed" } },
        { signal: "point/load", node: node("/Nck/Spindle/driveLoad"), deadband: 5 },
      ],
    });
    expect(running.last("emergency_stop")?.value).toBe("ARMED");
    expect(running.of("part_count")).toEqual([77]);
    control.set("/Channel/State/actTNumber", 7);
    control.set("/Plc/DB10.DBX106.1", true);
    control.set("/Nck/Spindle/driveLoad", 3);
    await running.until(() => running.last("point/tool")?.value === 70, "the tool");
    await running.until(() => running.last("emergency_stop")?.value === "TRIGGERED", "the emergency stop");
    await running.until(() => JSON.stringify(running.of("alarm")).includes("E-STOP"), "the alarm");
    control.set("/Nck/Spindle/driveLoad", 40);
    await running.until(() => running.last("point/load")?.value === 40, "the load");
    expect(running.of("point/load")).toEqual([0, 40]);
    control.set("/Plc/DB10.DBX106.1", false);
    await running.until(() => running.last("emergency_stop")?.value === "ARMED", "released");
  });
});

it("a deadband that the server does not want to apply is applied here", async () => {
  let refusals = 0;
  const refuse = (response: object): void => {
    // The group with the deadband has one item; it is refused once, as servers do for what is no analog item.
    const results: unknown = "results" in response ? response.results : null;
    if (response.constructor.name !== "CreateMonitoredItemsResponse" || !Array.isArray(results) || results.length !== 1 || refusals > 0) return;
    refusals++;
    (results[0] as { statusCode: unknown }).statusCode = StatusCodes.BadMonitoredItemFilterUnsupported;
  };
  control.server.on("response", refuse);
  try {
    await using running = await started({ alarms: false, points: [{ signal: "point/temperature", node: "nsu=SinumerikVarProvider;s=/Plc/DB2.DBD4:REAL", deadband: 2 }] });
    await running.until(() => running.last("point/temperature")?.value === 20, "the temperature");
    for (const value of [21, 21.9, 22.5, 23, 25]) {
      control.set("/Plc/DB2.DBD4:REAL", value);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    await running.until(() => running.last("point/temperature")?.value === 25, "the last");
    expect(running.of("point/temperature")).toEqual([20, 22.5, 25]);
    expect(refusals).toBe(1);
  } finally {
    control.server.off("response", refuse);
  }
});

describe("alarms", () => {
  it("those that were there before come by ConditionRefresh, initial; later ones as they come and go", async () => {
    control.alarm("25050", "axis X contour monitoring", 1000, true);
    await using running = await started();
    expect(running.readings.find(({ signal }) => signal === "alarm")).toMatchObject({ initial: true, quality: "GOOD", value: [{ code: "25050", severity: "FAULT", text: "axis X contour monitoring", nativeType: "AXIS" }] });
    control.alarm("700016", "oil level", 500, true);
    await running.until(() => JSON.stringify(running.last("alarm")?.value).includes("700016"), "the second alarm");
    expect(running.last("alarm")?.value).toHaveLength(2);
    control.alarm("25050", "axis X contour monitoring", 1000, false);
    control.alarm("700016", "oil level", 500, false);
    await running.until(() => JSON.stringify(running.last("alarm")?.value) === "[]", "no alarm");
    expect(control.counts.refreshes).toBeGreaterThan(0);
  });

  it("a server that does not tell them again, and whose values never rest, still gives its first values", async () => {
    control.refreshing.silent = true;
    let speed = 1_000;
    const turning = setInterval(() => { control.set("/Channel/Spindle/actSpeed", (speed += 1)); }, 20);
    try {
      await using running = await reading(config({ url: control.url, profile: "sinumerik", keepalive: "1500ms" }), folder.path);
      await running.until(() => running.batches.length > 3, "batches");
      expect(running.readings.find(({ signal }) => signal === "alarm")).toMatchObject({ initial: true, value: [] });
      control.alarm("3000", "emergency stop", 1_000, true);
      await running.until(() => JSON.stringify(running.last("alarm")?.value).includes("3000"), "the alarm");
      control.alarm("3000", "emergency stop", 1_000, false);
    } finally {
      clearInterval(turning);
      control.refreshing.silent = false;
    }
  });
});

describe("read-only", () => {
  it("after all of this: not one write, not one method but ConditionRefresh, and no session left", async () => {
    expect(control.counts).toMatchObject({ writes: 0, calls: 0 });
    await expect.poll(() => control.sessions).toBe(0);
  });
});
