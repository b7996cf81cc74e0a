import { expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { startMosquitto, subscribe, type Received } from "../../support/broker.ts";
import { delivering, destinationAt, eventOf, put } from "../../support/delivering.ts";
import { memoryOutbox } from "../../support/memory-outbox.ts";
import { describeNeeding } from "../../support/needs.ts";
import { testPorts } from "../../support/ports.ts";
import { startProxy } from "../../support/proxy.ts";
import { manyRecords } from "../../support/sample-records.ts";
import { startScriptedBroker } from "../../support/scripted-broker.ts";

const COUNT = 4_000;
const ALL = Array.from({ length: COUNT }, (_, index) => index + 1);
const ids = new Map(manyRecords(COUNT).map(({ id }, index) => [index + 1, `${id}:1`]));

/** Nothing missing, repeats carry the id of what they repeat, and what came for the first time came in order. */
function expectWhole(received: readonly Received[]): void {
  const seen = new Set<number>();
  const first: number[] = [];
  for (const { text } of received) {
    const { seq, id, replay } = eventOf(text);
    expect(id).toBe(ids.get(seq));
    if (!seen.has(seq) && replay !== true) first.push(seq);
    seen.add(seq);
  }
  expect([...seen].toSorted((a, b) => a - b)).toEqual(ALL);
  expect(first).toEqual(first.toSorted((a, b) => a - b));
}
const whole = (received: readonly Received[]): boolean => new Set(received.map(({ text }) => eventOf(text).seq)).size === COUNT;
const filter = "cellgate/+/+/+/+/+/rec/+";

describeNeeding(["mosquitto"], "a broker that comes and goes during delivery", () => {
  it("ten cuts: nothing lost, repeats carry the same id, first transmissions in order", async () => {
    await using broker = await startMosquitto();
    await using proxy = await startProxy(broker.port);
    await using subscriber = await subscribe(broker.port, filter);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(COUNT));
    const ports = testPorts({ network: systemClock(50), random: () => 0 });
    await using running = delivering(destinationAt(proxy.port, { window: 100 }, ports), outbox, { ports });
    for (let cut = 1; cut <= 10; cut++) {
      await subscriber.until((received) => received.length >= cut * 350);
      proxy.cut();
    }
    await outbox.drained();
    await subscriber.until(whole);
    expectWhole(subscriber.received);
    expect(running.links.filter(({ state }) => state === "down").length).toBeGreaterThanOrEqual(5);
  });

  it("killed and started again: nothing lost", async () => {
    await using broker = await startMosquitto();
    await using proxy = await startProxy(broker.port);
    const received: Received[] = [];
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(COUNT));
    const ports = testPorts({ network: systemClock(50) });
    await using before = await subscribe(broker.port, filter);
    await using running = delivering(destinationAt(proxy.port, {}, ports), outbox, { ports });
    await before.until(({ length }) => length >= 500);
    proxy.set({ refuses: true }); // Until somebody is subscribed again: a broker keeps nothing for nobody.
    await broker.kill();
    await broker.start();
    await using after = await subscribe(broker.port, filter);
    proxy.set({});
    await outbox.drained();
    received.push(...before.received);
    await after.until((later) => whole([...received, ...later]));
    expectWhole([...received, ...after.received]);
    expect(running.links.some(({ state }) => state === "down")).toBe(true);
  });

  it("black-holed: noticed by the oldest unacknowledged message, and nothing lost", async () => {
    await using broker = await startMosquitto();
    await using proxy = await startProxy(broker.port);
    await using subscriber = await subscribe(broker.port, filter);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(COUNT));
    const ports = testPorts({ network: systemClock(20) });
    await using running = delivering(destinationAt(proxy.port, {}, ports), outbox, { ports });
    await subscriber.until((received) => received.length >= 500);
    proxy.set({ mutes: "both" });
    const down = await running.untilLink(({ state }) => state === "down");
    expect(down).toMatchObject({ fault: "timeout", message: "The broker has not acknowledged a message for 10 s." });
    proxy.set({});
    await outbox.drained();
    await subscriber.until(whole);
    expectWhole(subscriber.received);
  });

  it("acknowledgements swallowed: everything arrives twice at most with one id, and says so", async () => {
    await using broker = await startMosquitto();
    await using proxy = await startProxy(broker.port);
    await using subscriber = await subscribe(broker.port, filter);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(COUNT));
    const ports = testPorts({ network: systemClock(20) });
    await using running = delivering(destinationAt(proxy.port, {}, ports), outbox, { ports });
    await running.untilLink(({ state }) => state === "up");
    proxy.set({ mutes: "back" });
    await running.untilLink(({ state }) => state === "down");
    proxy.set({});
    await outbox.drained();
    await subscriber.until(whole);
    expectWhole(subscriber.received);
    const repeats = subscriber.received.filter(({ text }) => eventOf(text).replay === true);
    expect(repeats.length).toBe(subscriber.received.length - COUNT);
  });

  it("a broker that asks for a longer keepalive does not make us notice later", async () => {
    await using broker = await startScriptedBroker({ properties: [0x13, 0x02, 0x58] }); // 600 s.
    await using proxy = await startProxy(broker.port);
    await using running = delivering(destinationAt(proxy.port, { keepalive: "1s" }), memoryOutbox());
    await running.untilLink(({ state }) => state === "up");
    proxy.set({ mutes: "both" });
    expect(await running.untilLink(({ state }) => state === "down")).toMatchObject({ fault: "timeout", message: expect.stringContaining("gone silent") as string });
  });

  it("an idle link gone half-open is noticed by the keepalive, at the default within 20 s", { timeout: 40_000 }, async () => {
    await using broker = await startMosquitto();
    await using proxy = await startProxy(broker.port);
    await using running = delivering(destinationAt(proxy.port), memoryOutbox());
    await running.untilLink(({ state }) => state === "up");
    proxy.set({ mutes: "both" });
    expect(await running.untilLink(({ state }) => state === "down", 20_000)).toMatchObject({ fault: "timeout", message: expect.stringContaining("gone silent") as string });
  });

  it("a frozen broker is noticed idle and sending, and nothing is lost when it thaws", async () => {
    await using broker = await startMosquitto();
    await using subscriber = await subscribe(broker.port, filter);
    await using idle = delivering(destinationAt(broker.port, { keepalive: "1s", client_id: "idle" }), memoryOutbox());
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(COUNT));
    const ports = testPorts({ network: systemClock(20) });
    await using sending = delivering(destinationAt(broker.port, {}, ports), outbox, { ports });
    await idle.untilLink(({ state }) => state === "up");
    await subscriber.until((received) => received.length >= 500);
    broker.freeze(true);
    const told = await Promise.all([idle.untilLink(({ state }) => state === "down"), sending.untilLink(({ state }) => state === "down")]);
    broker.freeze(false);
    expect(told).toEqual([expect.objectContaining({ fault: "timeout", message: expect.stringContaining("gone silent") as string }), expect.objectContaining({ fault: "timeout", message: expect.stringContaining("acknowledged") as string })]);
    await outbox.drained();
    await subscriber.until(whole);
    expectWhole(subscriber.received);
  });
});
