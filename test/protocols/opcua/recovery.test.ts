/** A poor way to the server, and a server that goes: what the driver owes to the reader then. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LinkError } from "../../../agent/contract/errors.ts";
import { startSinumerik, type SimulatedSinumerik } from "../../../agent/simulate/opcua/sinumerik.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { freePort } from "../../support/free-port.ts";
import { testPorts } from "../../support/ports.ts";
import { startProxy, type Proxy } from "../../support/proxy.ts";
import { config, failure, reading, temporaryFolder, type Folder, type Running } from "./support.ts";

let folder: Folder;
let control: SimulatedSinumerik;
let proxy: Proxy;
let port = 0;
beforeAll(async () => {
  folder = temporaryFolder("opcua-recovery");
  port = await freePort();
  control = await startSinumerik({ port, folder: `${folder.path}/server`, sessions: 2 });
  proxy = await startProxy(port);
}, 60_000);
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await control.close();
  folder[Symbol.dispose]();
});
beforeEach(() => {
  proxy.set({});
  control.set("/Channel/State/progStatus", 5);
  control.set("/Channel/State/chanStatus", 1);
  control.set("/Channel/State/actParts", 100);
});
const through = (keys: Readonly<Record<string, unknown>> = {}) => config({ url: `opc.tcp://127.0.0.1:${proxy.port}`, profile: "sinumerik", ...keys });
const begun = async (running: Running): Promise<Running> => {
  await running.until(() => running.last("execution") !== undefined, "the first values");
  return running;
};
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("sessions are few", () => {
  it("a full server is named, and asked again slowly; a closed session frees its place at once", async () => {
    const first = await begun(await reading(through(), folder.path));
    const second = await begun(await reading(through(), folder.path));
    const error = await failure(through(), folder.path);
    expect(error).toMatchObject({ fault: "refused", retry: { afterMs: 60_000 } });
    expect(error.message).toContain("all sessions of the server are taken");
    await Promise.all([first.session.close(), first.session.close(), second.session.close()]);
    await first.session.close();
    await expect.poll(() => control.sessions).toBe(0);
    await Promise.all([first[Symbol.asyncDispose](), second[Symbol.asyncDispose]()]);
  });

  it("an attempt that is called off leaves none", async () => {
    const stop = new AbortController();
    const { opcua } = await import("../../../protocols/opcua/driver.ts");
    const connecting = opcua.create(through(), testPorts(), { agentId: "cell-7", dataDir: folder.path }).connect(stop.signal);
    setTimeout(() => { stop.abort(new Error("enough")); }, 15);
    await expect(connecting).rejects.toThrow("enough");
    await expect.poll(() => control.sessions).toBe(0);
    await expect.poll(() => proxy.open, { timeout: 5_000 }).toBe(0);
  });
});

describe("the connection is cut", () => {
  it("what the server queued meanwhile is handed over: no hole, no gap, no new session", async () => {
    await using running = await begun(await reading(through({ keepalive: "2s" }), folder.path));
    proxy.cut();
    const stamps: number[] = [];
    for (const status of [3, 2, 3, 4]) {
      const at = new Date();
      stamps.push(at.getTime());
      control.set("/Channel/State/progStatus", status, at);
      await wait(120);
    }
    await running.until(() => running.last("execution")?.value === "WAIT", "the last of them", 15_000);
    expect(running.of("execution")).toEqual(["READY", "ACTIVE", "INTERRUPTED", "ACTIVE", "WAIT"]);
    expect(running.readings.filter(({ signal }) => signal === "execution").slice(1).map(({ sourceTime }) => sourceTime)).toEqual(stamps);
    expect(running.gaps).toEqual([]);
    expect(running.readings.filter(({ signal, initial }) => signal === "execution" && initial === true)).toHaveLength(1);
    expect(control.sessions).toBe(1);
  });

  it("more than the server's queue holds: a gap, with what is known after it", async () => {
    await using running = await begun(await reading(through({ keepalive: "2s", queue: 3 }), folder.path));
    proxy.set({ refuses: true });
    proxy.cut();
    // The first few are in messages that the server keeps to send again.
    for (const status of [...Array.from({ length: 24 }, (_, index) => 2 + (index % 2)), 4]) {
      control.set("/Channel/State/progStatus", status);
      await wait(80);
    }
    proxy.set({});
    await running.until(() => running.last("execution")?.value === "WAIT", "the last of them", 15_000);
    expect(running.gaps).toEqual([expect.objectContaining({ kind: "gap", reason: "overflow" })]);
    const items = running.batches.flatMap((batch) => batch.items);
    const after = items.slice(items.findIndex(({ kind }) => kind === "gap"));
    expect(after).toContainEqual(expect.objectContaining({ signal: "part_count", value: 100, initial: true }));
  });
});

describe("the server goes", () => {
  it("silent without a closed connection: the link is lost in bounded time, by our own watch", async () => {
    const ports = testPorts({ network: systemClock(4) });
    await using running = await begun(await reading(through(), folder.path, ports));
    proxy.set({ mutes: "both" });
    const ended = await running.ended;
    expect(ended).toBeInstanceOf(LinkError);
    expect(ended).toMatchObject({ fault: "timeout" });
    expect(String(ended)).toContain("said nothing");
  });

  it("restarted, having forgotten us: the link is lost, and the next session begins anew", async () => {
    const own = await freePort();
    const first = await startSinumerik({ port: own, folder: `${folder.path}/restarted` });
    const keys = config({ url: `opc.tcp://127.0.0.1:${own}`, profile: "sinumerik", keepalive: "5s", session: "11s" });
    await using running = await begun(await reading(keys, folder.path));
    await first.close();
    const second = await startSinumerik({ port: own, folder: `${folder.path}/restarted` });
    try {
      expect(await running.ended).toMatchObject({ code: "link" });
      await using again = await begun(await reading(keys, folder.path));
      expect(again.readings.every(({ initial }) => initial === true)).toBe(true);
    } finally {
      await second.close();
    }
  }, 60_000);

  it("that is not there says where, and what to look at", async () => {
    const error = await failure(config({ url: "opc.tcp://127.0.0.1:1", profile: "sinumerik" }), folder.path);
    expect(error).toMatchObject({ fault: "refused", retry: "backoff" });
    expect(error.message).toMatch(/127\.0\.0\.1:1: nothing listens there/u);
  });
});
