/** What a server or a poor way loses without saying so: it must be told, or fetched again, and never passed over. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createRequire } from "node:module";
import { startSinumerik, type SimulatedSinumerik } from "../../../agent/simulate/opcua/sinumerik.ts";
import { freePort } from "../../support/free-port.ts";
import { startProxy, type Proxy } from "../../support/proxy.ts";
import { config, reading, temporaryFolder, type Folder, type Running } from "./support.ts";

let folder: Folder;
let control: SimulatedSinumerik;
let proxy: Proxy;
beforeAll(async () => {
  folder = temporaryFolder("opcua-losses");
  const port = await freePort();
  control = await startSinumerik({ port, folder: `${folder.path}/server` });
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
});
const through = (keys: Readonly<Record<string, unknown>> = {}) => config({ url: `opc.tcp://127.0.0.1:${proxy.port}`, profile: "sinumerik", keepalive: "1s", ...keys });
const begun = async (running: Running): Promise<Running> => {
  await running.until(() => running.last("execution") !== undefined, "the first values");
  return running;
};
const keepalive = ({ batches }: Running): boolean => batches.length > 1 && batches.at(-1)?.items.length === 0;
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("messages on their way when the line dies", () => {
  it("are asked for again, the first after a keepalive too", async () => {
    await using running = await begun(await reading(through(), folder.path));
    await running.until(() => keepalive(running), "a keepalive");
    proxy.set({ mutes: "back" });
    for (const status of [3, 2, 4]) {
      control.set("/Channel/State/progStatus", status);
      await wait(120);
    }
    proxy.set({});
    proxy.cut();
    await running.until(() => running.last("execution")?.value === "WAIT", "the last of them", 15_000);
    expect(running.of("execution")).toEqual(["READY", "ACTIVE", "INTERRUPTED", "WAIT"]);
    expect(running.gaps).toEqual([]);
  });

  it("that the server no longer has end the link: a value may have changed in them", async () => {
    await using running = await begun(await reading(through(), folder.path));
    await running.until(() => keepalive(running), "a keepalive");
    proxy.set({ mutes: "back" });
    control.set("/Channel/State/progStatus", 3);
    await wait(200);
    // As a server does whose store of sent messages is small.
    forget(control);
    proxy.set({});
    proxy.cut();
    await wait(2_000);
    control.set("/Channel/State/actParts", 7);
    expect(await running.ended).toMatchObject({ code: "link", fault: "lost" });
  }, 30_000);
});

describe("a server that restarts within the session timeout", () => {
  it("and numbers its subscriptions as before has forgotten us none the less", async () => {
    const own = await freePort();
    number(4_000);
    const first = await startSinumerik({ port: own, folder: `${folder.path}/restarted` });
    const keys = config({ url: `opc.tcp://127.0.0.1:${own}`, profile: "sinumerik", keepalive: "5s", session: "60s" });
    await using running = await begun(await reading(keys, folder.path));
    await first.close();
    number(4_000);
    const second = await startSinumerik({ port: own, folder: `${folder.path}/restarted` });
    try {
      const ended = await Promise.race([running.ended, wait(15_000).then(() => "still reading")]);
      expect(ended).toMatchObject({ code: "link", fault: "lost" });
    } finally {
      await second.close();
    }
  }, 60_000);
});

describe("a server that answers slower than asked", () => {
  it("is waited for as long as it said its keepalives take", async () => {
    const { Subscription } = createRequire(import.meta.url)("node-opcua-server") as { Subscription: { minimumPublishingInterval: number } };
    const before = Subscription.minimumPublishingInterval;
    Subscription.minimumPublishingInterval = 500;
    try {
      await using running = await begun(await reading(through({ publishing: "50ms", keepalive: "500ms" }), folder.path));
      const ended = await Promise.race([running.ended, wait(6_000).then(() => "still reading")]);
      expect(ended).toBe("still reading");
    } finally {
      Subscription.minimumPublishingInterval = before;
    }
  }, 30_000);
});

const servers = createRequire(createRequire(import.meta.url).resolve("node-opcua-server"));
function number(next: number): void {
  (servers("./server_engine.js") as { setNextSubscriptionId(next: number): void }).setNextSubscriptionId(next);
}
function forget({ server }: SimulatedSinumerik): void {
  const sessions = Object.values((server.engine as unknown as { _sessions: Record<string, { publishEngine: { subscriptions: readonly { _sent_notification_messages: unknown[] }[] } }> })._sessions);
  for (const { publishEngine } of sessions) for (const subscription of publishEngine.subscriptions) subscription._sent_notification_messages.splice(0);
}
