/**
 * The numbered rows of the fact sheet on mqtt.js and brokers (facts/mqtt.md §1), each as a regression test with its row's
 * number. Where another file shows a row at length, the row says which and shows the core of it here.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Delivery } from "../../../agent/contract/destination.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { startAedes, startMosquitto, subscribe } from "../../support/broker.ts";
import { AGENT_PATH, delivering, destinationAt, eventOf, put } from "../../support/delivering.ts";
import { memoryOutbox, type MemoryOutbox } from "../../support/memory-outbox.ts";
import { describeNeeding } from "../../support/needs.ts";
import { leapingClock, testPorts } from "../../support/ports.ts";
import { startProxy } from "../../support/proxy.ts";
import { manyRecords, SAMPLES } from "../../support/sample-records.ts";
import { startScriptedBroker, type ScriptedBroker } from "../../support/scripted-broker.ts";

const forever = new AbortController().signal;
const ignore = (): void => undefined;
const connect = (port: number, keys: object = {}): Promise<Delivery> => destinationAt(port, keys).connect(forever, ignore);
async function filled(count: number): Promise<MemoryOutbox> {
  const outbox = memoryOutbox();
  await put(outbox, manyRecords(count));
  return outbox;
}
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await sleep(5);
};
const ids = (broker: ScriptedBroker): readonly number[] => broker.published.map(({ packetId }) => packetId);

describe("facts of mqtt.js, rows of the sheet", () => {
  it("row 1: nothing is published while not connected, so no 65,536th message overwrites one", async () => {
    await using broker = await startScriptedBroker({ connack: (connection) => (connection === 1 ? 0x88 : 0) });
    const outbox = await filled(70_000);
    await expect(connect(broker.port)).rejects.toThrow("server unavailable");
    expect(broker.published).toEqual([]);
    const delivery = await connect(broker.port, { window: 1000 });
    expect((await delivery.deliver(outbox.pending("bridge", 0, 70_000), forever)).accepted.length).toBe(70_000);
    expect(broker.published.length).toBe(70_000);
    await delivery.close();
  });

  it("row 2: a backlog waits in the outbox, not in the library: with a silent broker no more than a window has left", async () => {
    await using broker = await startScriptedBroker({ publish: () => "silent" });
    const outbox = await filled(20_000);
    const delivery = await connect(broker.port);
    void delivery.deliver(outbox.pending("bridge", 0, 20_000), forever).catch(ignore);
    await until(() => broker.published.length === 20);
    await sleep(50);
    expect(broker.published.length).toBe(20);
    broker.hangUp();
    await delivery.lost;
  });

  it("row 3: when the peer closes, everything in flight is with us again, at once", async () => {
    await using broker = await startScriptedBroker({ publish: () => "silent" });
    const outbox = await filled(100);
    const delivery = await connect(broker.port, { window: 100 });
    const outcome = delivery.deliver(outbox.pending("bridge", 0, 100), forever);
    await until(() => broker.published.length === 100);
    broker.hangUp();
    await expect(outcome).rejects.toMatchObject({ name: "LinkError", fault: "lost" });
  });

  it("row 4: the library never sends again by itself: after a cut the repeat is ours, marked, and in order", async () => {
    await using broker = await startScriptedBroker({ publish: (_, nth) => (nth <= 20 ? "silent" : 0) });
    const destination = destinationAt(broker.port);
    const outbox = await filled(30);
    const one = await destination.connect(forever, ignore);
    const isRepeat = ({ seq }: { readonly seq: number }): boolean => outbox.sending("bridge", seq);
    const outcome = one.deliver(outbox.pending("bridge", 0, 30), forever, isRepeat);
    await until(() => broker.published.length === 20);
    broker.hangUp();
    await outcome.catch(ignore);
    await sleep(1_200); // The library's own reconnect would come after a second.
    expect([broker.connections, broker.published.length]).toEqual([1, 20]);
    const two = await destination.connect(forever, ignore);
    await two.deliver(outbox.pending("bridge", 0, 30), forever, isRepeat);
    const again = broker.published.slice(20).map(({ text }) => eventOf(text));
    expect(again.map(({ seq, replay }) => [seq, replay === true])).toEqual(Array.from({ length: 30 }, (_, n) => [n + 1, n < 20]));
    await two.close();
  });

  it.each([["5"], ["3.1.1"]])("row 5: a refused CONNECT over protocol %s is tried again and again", async (protocol) => {
    await using broker = await startScriptedBroker({ connack: (connection, level) => (connection <= 6 ? (level === 5 ? 0x87 : 5) : 0) });
    const ports = testPorts({ network: systemClock(1_000) });
    await using running = delivering(destinationAt(broker.port, { protocol }, ports), memoryOutbox(), { ports });
    await running.untilLink(({ state }) => state === "up");
    expect(broker.connections).toBe(7);
  });

  it("row 6: a silently gone peer is noticed at one and a half times the keepalive, idle or publishing (outage.test.ts: 15 s at the default)", async () => {
    await using broker = await startScriptedBroker({});
    await using proxy = await startProxy(broker.port);
    const delivery = await connect(proxy.port, { keepalive: "2s" });
    proxy.set({ mutes: "both" });
    const began = performance.now();
    expect(await delivery.lost).toMatchObject({ fault: "timeout" });
    expect(performance.now() - began).toBeGreaterThan(2_000);
    expect(performance.now() - began).toBeLessThan(6_000);
  });

  it("row 7: with pings at their default a quiet link stays up", async () => {
    await using broker = await startScriptedBroker({});
    const delivery = await connect(broker.port, { keepalive: "1s" });
    const first = await Promise.race([delivery.lost, sleep(4_000, "still up")]);
    expect(first).toBe("still up");
    await delivery.close();
  });

  it("row 8: the broker's receive maximum holds for what we send, whatever the window", async () => {
    await using broker = await startScriptedBroker({ receiveMaximum: 3, delayMs: 1 });
    const outbox = await filled(100);
    const delivery = await connect(broker.port, { window: 1000 });
    await delivery.deliver(outbox.pending("bridge", 0, 100), forever);
    expect(broker.mostInFlight).toBe(3);
    await delivery.close();
  });

  it("row 9: what is larger than the broker's maximum packet size never leaves, and is named", async () => {
    await using broker = await startScriptedBroker({ maximumPacketSize: 2_000 });
    const outbox = memoryOutbox();
    await put(outbox, [SAMPLES.state, { ...SAMPLES.state, body: { ...SAMPLES.state.body, raw: { message: "x".repeat(5_000) } } }]);
    const delivery = await connect(broker.port);
    expect(await delivery.deliver(outbox.pending("bridge", 0, 2), forever)).toEqual({ accepted: [1], rejected: [{ seq: 2, reason: "oversize" }] });
    expect(broker.published.length).toBe(1);
    await delivery.close();
  });

  it("row 12: packet ids are ours: no store of the library's keeps what was sent, and ids of a window never meet", async () => {
    await using broker = await startScriptedBroker({ publish: (_, nth) => (nth === 1 ? "last" : 0) });
    const outbox = await filled(500);
    const delivery = await connect(broker.port, { window: 10 });
    await delivery.deliver(outbox.pending("bridge", 0, 500), forever);
    expect(new Set(ids(broker)).size).toBe(500);
    await delivery.close();
  });

  it("row 13: every connection subscribes for itself, once", async () => {
    await using broker = await startScriptedBroker({});
    const destination = destinationAt(broker.port);
    for (let n = 0; n < 3; n++) {
      const delivery = await destination.connect(forever, ignore);
      await until(() => broker.subscriptions.length === 3 * (n + 1));
      broker.hangUp();
      await delivery.lost;
    }
    expect(broker.subscriptions).toEqual(["confirm", "replay", "cmd", "confirm", "replay", "cmd", "confirm", "replay", "cmd"].map((kind) => `${AGENT_PATH}/${kind}`));
  });

  it("rows 14 and 15: an incoming message is handed on in its turn and acknowledged, and may make us publish without waiting", async () => {
    await using broker = await startScriptedBroker({});
    const delivery: Delivery = await destinationAt(broker.port).connect(forever, (kind) => {
      delivery.retain([{ scope: "health", machine: "VMC-3", payload: { heard: kind } }]);
    });
    await until(() => broker.subscriptions.length === 3);
    for (let n = 0; n < 20; n++) await broker.say(`${AGENT_PATH}/cmd`, "{}");
    await until(() => broker.acknowledged === 20 && broker.published.length > 0);
    expect(broker.published[0]?.text).toBe('{"heard":"cmd"}');
    await delivery.close();
  });

  it("row 16: no CONNACK within 15 s, and the object is thrown away and made anew", async () => {
    await using broker = await startScriptedBroker({ connack: (connection) => (connection === 1 ? "silent" : 0) });
    const ports = testPorts({ network: systemClock(100) });
    await using running = delivering(destinationAt(broker.port, {}, ports), memoryOutbox(), { ports });
    await running.untilLink(({ state }) => state === "up");
    expect([broker.connections, running.links[1]]).toEqual([2, expect.objectContaining({ state: "down", fault: "timeout" })]);
  });

  it("row 17: what the library would leave at its defaults is said: MQTT 5, clean start, our keepalive, no session", async () => {
    const connects: Buffer[] = [];
    await using broker = await startScriptedBroker({ onConnect: (body) => connects.push(body) });
    await (await connect(broker.port)).close();
    const [body = Buffer.alloc(0)] = connects;
    const propertyBytes = body[10] ?? 0;
    expect({ level: body[6], clean: ((body[7] ?? 0) & 2) === 2, willRetained: ((body[7] ?? 0) & 0x3c) === 0x2c, keepalive: body.readUInt16BE(8) }).toEqual({ level: 5, clean: true, willRetained: true, keepalive: 10 });
    // Session expiry 0, receive maximum 16, maximum packet size 64 kB.
    const properties = body.subarray(11, 11 + propertyBytes).toString("hex");
    for (const property of ["1100000000", "210010", "2700010000"]) expect(properties).toContain(property);
  });

  it("row 18: a blocked event loop costs no link as long as it is shorter than the keepalive", async () => {
    await using broker = await startScriptedBroker({}); // In our event loop: what blocks us blocks it.
    const delivery = await connect(broker.port, { keepalive: "2s" });
    const end = performance.now() + 1_500;
    while (performance.now() < end);
    expect(await Promise.race([delivery.lost, sleep(2_500, "still up")])).toBe("still up");
    await delivery.close();
  });
});

describeNeeding(["mosquitto"], "facts of brokers, rows of the sheet", () => {
  const denied = (folder: string): Promise<void> => writeFile(join(folder, "acl"), "topic read #\n");

  it("row 10: PUBACK 0x87 is a refusal with its words, 0x10 a delivery with a warning", async () => {
    await using broker = await startMosquitto(["acl_file {folder}/acl"], denied);
    const outbox = await filled(1);
    const { network, leap } = leapingClock();
    const delivery = await destinationAt(broker.port, {}, testPorts({ network })).connect(forever, () => undefined);
    for (let tries = 1; tries < 5; tries++) {
      expect(await delivery.deliver(outbox.pending("bridge", 0, 1), forever)).toEqual({ accepted: [], rejected: [] });
      leap(20_000);
    }
    expect(await delivery.deliver(outbox.pending("bridge", 0, 1), forever)).toEqual({ accepted: [], rejected: [{ seq: 1, reason: "not authorised (0x87)" }] });
    await delivery.close();

    await using open = await startMosquitto();
    const unheard = await connect(open.port);
    expect((await unheard.deliver(outbox.pending("bridge", 0, 1), forever)).accepted).toEqual([1]);
    expect(unheard.warnings()).toEqual([expect.stringMatching(/^Nobody is subscribed to cellgate\/.*\/rec\/state: the broker keeps nothing/) as string]);
    await using _ = await subscribe(open.port);
    await unheard.deliver(outbox.pending("bridge", 0, 1), forever);
    expect(unheard.warnings()).toEqual([]);
    await unheard.close();
  });

  it("row 11: over 3.1.1 a denied publish looks delivered, which peer and warnings say", async () => {
    await using broker = await startMosquitto(["acl_file {folder}/acl"], denied);
    const outbox = await filled(1);
    const delivery = await connect(broker.port, { protocol: "3.1.1" });
    expect((await delivery.deliver(outbox.pending("bridge", 0, 1), forever)).accepted).toEqual([1]);
    expect([delivery.peer, ...delivery.warnings()]).toEqual([expect.stringContaining("even for a publish that was refused") as string, expect.stringContaining("no negative acknowledgement") as string]);
    await delivery.close();
  });

  it("the table of codes: two agents with one id are told by Mosquitto's close or by 0x8E (lessons.test.ts), a version 5 CONNECT at aedes falls back", async () => {
    await using broker = await startAedes();
    const delivery = await connect(broker.port);
    expect(delivery.peer).toContain("MQTT 3.1.1");
    await delivery.close();
  });
});
