/** A server that behaves badly: values that lose their quality, nodes that come and go, alarms that were dropped. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { StatusCodes } from "node-opcua-client";
import { stat } from "node:fs/promises";
import { startSinumerik, type SimulatedSinumerik } from "../../../agent/simulate/opcua/sinumerik.ts";
import { AlarmSet, eventClauses } from "../../../protocols/opcua/alarms.ts";
import { MachineToolTranslator } from "../../../protocols/opcua/machine-tool-words.ts";
import type { Change } from "../../../protocols/opcua/profile.ts";
import { credible, sampleOf } from "../../../protocols/opcua/values.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { unixMs } from "../../../agent/contract/time.ts";
import { freePort } from "../../support/free-port.ts";
import { testPorts } from "../../support/ports.ts";
import { config, reading, temporaryFolder, type Folder, type Running } from "./support.ts";

let folder: Folder;
let control: SimulatedSinumerik;
beforeAll(async () => {
  folder = temporaryFolder("opcua-hostile");
  control = await startSinumerik({ port: await freePort(), folder: `${folder.path}/server` });
}, 60_000);
afterAll(async () => {
  await control.close();
  folder[Symbol.dispose]();
});
beforeEach(() => {
  control.set("/Channel/State/progStatus", 5);
  control.set("/Channel/State/chanStatus", 1);
});
const begun = async (running: Running): Promise<Running> => {
  await running.until(() => running.last("availability") !== undefined, "the first values");
  return running;
};
const items = ({ server }: SimulatedSinumerik): number => Object.values((server.engine as unknown as { _sessions: Record<string, { publishEngine: { subscriptions: readonly { monitoredItemCount: number }[] } }> })._sessions)
  .flatMap(({ publishEngine }) => publishEngine.subscriptions).reduce((sum, { monitoredItemCount }) => sum + monitoredItemCount, 0);

describe("a value that loses its quality for a while", () => {
  it("is told again though it lies within the point's deadband", async () => {
    control.add("/Plc/DB9.DBD4:REAL", "Double", 20);
    const refuse = (response: object): void => {
      // As servers do for what is no analog item: then the driver filters.
      const results: unknown = "results" in response ? response.results : null;
      if (response.constructor.name !== "CreateMonitoredItemsResponse" || !Array.isArray(results)) return;
      control.server.off("response", refuse);
      (results[0] as { statusCode: unknown }).statusCode = StatusCodes.BadMonitoredItemFilterUnsupported;
    };
    control.server.on("response", refuse);
    const keys = config({ url: control.url, profile: "none", points: [{ signal: "point/T", node: "nsu=SinumerikVarProvider;s=/Plc/DB9.DBD4:REAL", deadband: 5 }] });
    await using running = await begun(await reading(keys, folder.path));
    control.spoil("/Plc/DB9.DBD4:REAL", "BadSensorFailure");
    await running.until(() => running.last("point/T")?.quality === "UNAVAILABLE", "the loss");
    control.set("/Plc/DB9.DBD4:REAL", 21);
    await running.until(() => running.last("point/T")?.value === 21, "the return");
    expect(running.of("point/T")).toEqual([20, "UNAVAILABLE null", 21]);
  });

  it("with its node is followed anew when that is back, and the old one no longer", async () => {
    const ports = testPorts({ network: systemClock(60) });
    const keys = config({ url: control.url, profile: "sinumerik", keepalive: "60s", session: "600s" });
    await using running = await begun(await reading(keys, folder.path, ports));
    const before = items(control);
    for (let turn = 0; turn < 2; turn++) {
      control.remove("/Channel/State/progStatus");
      await running.until(() => running.last("execution")?.quality === "UNAVAILABLE", "the loss");
      control.add("/Channel/State/progStatus", "UInt16", 3);
      await running.until(() => {
        // It is asked for again when a message comes.
        control.set("/Channel/State/feedRateIpoOvr", 50 + Math.random());
        return running.last("execution")?.value === "ACTIVE";
      }, "the return");
    }
    await expect.poll(() => items(control)).toBe(before);
    expect(running.session.describe?.().facts["nodes"]).toContain("followed");
  }, 30_000);

  it("by a status that says it is not there for us is told as soon as it is back, and is followed once", async () => {
    const ports = testPorts({ network: systemClock(60) });
    const keys = config({ url: control.url, profile: "sinumerik", keepalive: "60s", session: "600s" });
    await using running = await begun(await reading(keys, folder.path, ports));
    const before = items(control);
    for (let turn = 0; turn < 2; turn++) {
      control.spoil("/Channel/State/progStatus", "BadUserAccessDenied");
      await running.until(() => running.last("execution")?.quality === "UNAVAILABLE", "the loss");
      control.set("/Channel/State/progStatus", 3);
      await running.until(() => running.last("execution")?.value === "ACTIVE", "the return");
      await new Promise((resolve) => setTimeout(resolve, 1_500));
    }
    expect(items(control)).toBe(before);
  }, 30_000);
});

describe("stamps of a device whose clock is not the server's", () => {
  const now = Date.UTC(2026, 10, 27, 12);
  const hour = 3_600_000;
  it.each([
    ["ahead by an hour: the server's", now + hour, now - 40, 70_000, now - 40],
    ["behind by an hour: the server's", now - hour, now - 40, 70_000, now - 40],
    ["behind, where the server says no other: the message's", now - hour, null, 70_000, now],
    ["ahead, and the server's own too: the message's", now + hour, now + hour, 70_000, now],
    ["waited in a queue: as it is", now - 50_000, now - 40, 70_000, now - 50_000],
    ["so since yesterday, when we began to look: as it is", now - 24 * hour, now, Number.POSITIVE_INFINITY, now - 24 * hour],
    ["ahead, when we began to look: the server's", now + 24 * hour, now - 40, Number.POSITIVE_INFINITY, now - 40],
  ])("%s", (...[, source, server, oldestMs, at]) => {
    const wire = { statusCode: { value: 0, name: "Good" }, value: { dataType: 5, value: 3 }, sourceTimestamp: new Date(source), serverTimestamp: server === null ? null : new Date(server) };
    expect(credible(sampleOf(wire, "source"), wire, { now: unixMs(now), oldestMs }).at).toBe(at);
  });

  it("do not move a change, and are told in the log", async () => {
    const ports = testPorts();
    await using running = await begun(await reading(config({ url: control.url, profile: "sinumerik" }), folder.path, ports));
    for (const [status, word, off] of [[3, "ACTIVE", 24], [4, "WAIT", -24]] as const) {
      const before = Date.now();
      control.set("/Channel/State/progStatus", status, new Date(before + off * hour));
      await running.until(() => running.last("execution")?.value === word, word);
      expect(Math.abs((running.last("execution")?.sourceTime ?? 0) - before)).toBeLessThan(10_000);
    }
    expect(ports.lines.filter(({ sentence }) => sentence.includes("another clock"))).toHaveLength(1);
  });
});

describe("a server whose clock is set back", () => {
  it("ends the link: by it what follows would be before what was", async () => {
    let backMs = 0;
    const set = await startSinumerik({ port: await freePort(), folder: `${folder.path}/set-back`, now: () => new Date(Date.now() - backMs) });
    try {
      await using running = await begun(await reading(config({ url: set.url, profile: "sinumerik" }), folder.path));
      backMs = 3_600_000;
      expect(await running.ended).toMatchObject({ code: "link", fault: "lost" });
    } finally {
      await set.close();
    }
  });
});

describe("lost words", () => {
  it.each([0x0000_0480, 0x4090_0480, 0x8032_0480 | 0])("the overflow bit counts whatever the value's own status is", (value) => {
    expect(sampleOf({ statusCode: { value: value >>> 0, name: "status" }, value: { dataType: 5, value: 3 } }, "source").overflowed).toBe(true);
  });

  it("an event queue that ran over asks for all alarms again", () => {
    const clauses = eventClauses([], true);
    const fields = clauses.map(({ field }) => (field === "type" ? { dataType: 17, value: { toString: () => "ns=0;i=3035" } } : { dataType: 0, value: null }));
    expect(new AlarmSet(clauses).hear({ events: [fields], now: unixMs(1_700_000_000_000) })).toEqual({ readings: [], refresh: true });
  });
});

describe("a machine tool's operation mode", () => {
  const change = (key: string, value: number, status = 0): Change => ({ key, initial: false, sample: sampleOf({ statusCode: { value: status >>> 0, name: "status" }, value: { dataType: 7, value } }, "source") });
  it("that is lost, or none, is not the one before it", () => {
    const words = new MachineToolTranslator([], []);
    expect(words.take([change("MachineryOperationModeNumber", 3)], )).toMatchObject([{ signal: "functional_mode", value: "PRODUCTION" }]);
    expect(words.take([change("MachineryOperationModeNumber", 0, 0x8000_0000)])).toMatchObject([{ signal: "functional_mode", quality: "UNAVAILABLE", value: null }]);
    expect(words.take([change("MachineryOperationModeNumber", 2)])).toMatchObject([{ signal: "functional_mode", value: "SETUP" }]);
    expect(words.take([change("MachineryOperationModeNumber", 0)])).toMatchObject([{ signal: "functional_mode", quality: "UNAVAILABLE", value: null }]);
  });
});

it("our private key is its owner's alone", async () => {
  const keys = config({ url: control.url, profile: "sinumerik" });
  await using running = await begun(await reading(keys, folder.path));
  expect(running.session.peer).toContain("SINUMERIK");
  expect((await stat(`${folder.path}/opcua/own/private/private_key.pem`)).mode & 0o077).toBe(0);
});
