import { describe, expect, it } from "vitest";
import { destinationConformance } from "../../conformance/destination.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import type { Clock } from "../../../agent/contract/time.ts";
import { freePort } from "../../support/free-port.ts";
import { delivering, destinationAt, eventOf, put } from "../../support/delivering.ts";
import { memoryOutbox } from "../../support/memory-outbox.ts";
import { testPorts } from "../../support/ports.ts";
import { manyRecords } from "../../support/sample-records.ts";
import { startScriptedBroker, type Answer } from "../../support/scripted-broker.ts";

/** Real time, faster: the watchdog's ten seconds pass in `stalledMs`. */
const hasty = (stalledMs: number): Clock => systemClock(10_000 / stalledMs);
const ANSWERS: Readonly<Record<string, Answer>> = { take: 0, "refuse for good": 0x99, "take nothing for now": 0x80, silent: "silent", die: "die" };

describe("MQTT as a destination like any other", () => {
  destinationConformance(async (answer, stalledMs) => {
    let records = 0;
    const broker = await startScriptedBroker({ publish: ({ topic }) => (topic.includes("/rec/") ? ANSWERS[answer(++records)] ?? 0 : 0) });
    const ports = testPorts(stalledMs === undefined ? {} : { network: hasty(stalledMs) });
    return {
      destination: destinationAt(broker.port, {}, ports),
      received: async () => broker.published.filter(({ topic }) => topic.includes("/rec/")).map(({ text }) => eventOf(text).id.replace(/:1$/, "")),
      [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
    };
  }, async () => destinationAt(await freePort()));
});

describe("MQTT destination and a scripted broker", () => {
  it.each([[10, 500, 10], [65_535, 7, 7]])("never has more in flight than the receive maximum %i and the window %i allow", async (receiveMaximum, window, most) => {
    await using broker = await startScriptedBroker({ receiveMaximum, delayMs: 1 });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(400));
    await using _ = delivering(destinationAt(broker.port, { window }), outbox);
    await outbox.drained();
    expect(broker.mostInFlight).toBe(most);
  });

  it("a quota makes the link pause and come again, for ever and without a loss", async () => {
    await using broker = await startScriptedBroker({ publish: ({ connection }, nth) => (connection < 3 && nth % 4 === 3 ? 0x97 : 0) });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(20));
    const ports = testPorts({ network: systemClock(100) });
    await using running = delivering(destinationAt(broker.port, {}, ports), outbox, { ports });
    await outbox.drained();
    expect(broker.connections).toBe(3);
    expect(outbox.rejected).toEqual([]);
    expect(running.links).toContainEqual({ state: "down", fault: "refused", message: "The broker takes no more for now: quota exceeded (0x97).", retryInMs: 750 });
  });

  it("names another client with our id", async () => {
    await using broker = await startScriptedBroker({});
    await using running = delivering(destinationAt(broker.port), memoryOutbox());
    await running.untilLink(({ state }) => state === "up");
    broker.dismiss(0x8e);
    expect(await running.untilLink(({ state }) => state === "down")).toMatchObject({ fault: "refused", retryInMs: 750, message: expect.stringContaining("another client came with our client id") as string });
  });

  it("a broker that refuses for a while is tried again and again", async () => {
    await using broker = await startScriptedBroker({ connack: (connection) => (connection < 5 ? 0x88 : 0) });
    const ports = testPorts({ network: systemClock(200) });
    await using running = delivering(destinationAt(broker.port, {}, ports), memoryOutbox(), { ports });
    await running.untilLink(({ state }) => state === "up");
    expect(running.links.filter(({ state }) => state === "down").map((link) => "retryInMs" in link && link.retryInMs)).toEqual([750, 1_500, 3_000, 6_000]);
  });

  it("a broker that takes the connection and never answers is given up after 15 s, and tried again", async () => {
    await using broker = await startScriptedBroker({ connack: (connection) => (connection === 1 ? "silent" : 0) });
    const ports = testPorts({ network: systemClock(100) });
    await using running = delivering(destinationAt(broker.port, {}, ports), memoryOutbox(), { ports });
    await running.untilLink(({ state }) => state === "up");
    expect(running.links[1]).toMatchObject({ state: "down", fault: "timeout" });
  });

  it("never falls back to 3.1.1 because a broker hangs up", async () => {
    const levels: number[] = [];
    await using broker = await startScriptedBroker({ connack: (connection, level) => {
      levels.push(level);
      return connection < 3 ? "close" : 0;
    } });
    const ports = testPorts({ network: systemClock(100) });
    await using running = delivering(destinationAt(broker.port, {}, ports), memoryOutbox(), { ports });
    await running.untilLink(({ state }) => state === "up");
    expect(levels).toEqual([5, 5, 5]);
    expect(running.links[1]).toMatchObject({ message: expect.stringContaining("set protocol: 3.1.1") as string });
  });

  it("falls back on CONNACK 0x84 of a broker that knows MQTT 5 and does not want it", async () => {
    await using broker = await startScriptedBroker({ connack: (_, level) => (level === 5 ? 0x84 : 0) });
    await using running = delivering(destinationAt(broker.port), memoryOutbox());
    expect(await running.untilLink(({ state }) => state === "up")).toMatchObject({ peer: expect.stringContaining("MQTT 3.1.1") as string });
  });

  it("hands nothing to the library that the library would queue", async () => {
    await using broker = await startScriptedBroker({ publish: (_, nth) => {
      if (nth === 20) broker.dismiss(0x8b);
      return "silent";
    } });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(2_000));
    const delivery = await destinationAt(broker.port, { window: 20 }).connect(new AbortController().signal, () => undefined);
    const outcome = delivery.deliver(outbox.pending("bridge", 0, 2_000), new AbortController().signal);
    await expect(outcome).rejects.toMatchObject({ name: "LinkError", message: expect.stringContaining("0x8b") as string });
    expect(broker.published.length).toBe(20);
  });
});
