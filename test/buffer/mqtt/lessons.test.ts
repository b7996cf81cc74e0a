/** What one link teaches the next: which broker, how much, how fast, who else has our id, which message breaks it off. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import type { Link } from "../../../agent/contract/source.ts";
import { Pace } from "../../../buffer/mqtt/pace.ts";
import { startAedes, startMosquitto, subscribe } from "../../support/broker.ts";
import { AGENT_PATH, delivering, destinationAt, eventOf, MACHINE_PATH, put, testBoard } from "../../support/delivering.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { freePort } from "../../support/free-port.ts";
import { memoryOutbox } from "../../support/memory-outbox.ts";
import { describeNeeding } from "../../support/needs.ts";
import { leapingClock, testPorts } from "../../support/ports.ts";
import { manyRecords, SAMPLES } from "../../support/sample-records.ts";
import { startScriptedBroker, type ScriptedBroker } from "../../support/scripted-broker.ts";

const forever = new AbortController().signal;
const ignore = (): void => undefined;
const url = (port: number): string => `mqtt://127.0.0.1:${port}`;

describe("several brokers in one destination", () => {
  it("takes the first that is there, stays, and begins with the next after a loss that came soon", async () => {
    await using second = await startScriptedBroker({});
    await using third = await startScriptedBroker({});
    const destination = destinationAt(0, { url: [url(await freePort()), url(second.port), url(third.port)] });
    const one = await destination.connect(forever, ignore);
    expect([one.peer, second.connections, third.connections]).toEqual([expect.stringContaining(String(second.port)) as string, 1, 0]);
    expect(one.warnings()).toEqual([expect.stringContaining("The broker in use is number 2 of 3") as string]);
    second.hangUp();
    await one.lost;
    const two = await destination.connect(forever, ignore);
    expect(two.peer).toContain(String(third.port));
    await two.close();
  });

  it("begins with the first again after a link that held a minute", async () => {
    await using first = await startScriptedBroker({ connack: (connection) => (connection === 1 ? 0x88 : 0) });
    await using second = await startScriptedBroker({});
    const { network, leap } = leapingClock();
    const destination = destinationAt(0, { url: [url(first.port), url(second.port)] }, testPorts({ network }));
    const one = await destination.connect(forever, ignore);
    expect(one.peer).toContain(String(second.port));
    leap(61_000);
    second.hangUp();
    await one.lost;
    const two = await destination.connect(forever, ignore);
    expect([two.peer, two.warnings()]).toEqual([expect.stringContaining(String(first.port)) as string, []]);
    await two.close();
  });

  it("says why of each when none takes us, and is tried again as soon as any is worth it", async () => {
    await using refusing = await startScriptedBroker({ connack: () => 0x87 });
    const gone = await freePort();
    await expect(destinationAt(0, { url: [url(refusing.port), url(gone)] }).connect(forever, ignore)).rejects.toMatchObject({
      fault: "refused", retry: "backoff", message: expect.stringMatching(new RegExp(`${refusing.port} refused us: not authorised.*${gone} cannot be reached: nothing listens`)) as string,
    });
  });

  it("records go on at the second broker when the first dies, nothing lost", async () => {
    await using first = await startScriptedBroker({ publish: (_, nth) => (nth > 100 ? "die" : 0), connack: (connection) => (connection === 1 ? 0 : "close") });
    await using second = await startScriptedBroker({});
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(300));
    await using _ = delivering(destinationAt(0, { url: [url(first.port), url(second.port)] }), outbox);
    await outbox.drained();
    const seqs = [...first.published, ...second.published].filter(({ topic }) => topic.includes("/rec/")).map(({ text }) => eventOf(text).seq);
    expect(new Set(seqs).size).toBe(300);
  });
});

describe("another client with our id", () => {
  it("put out three times within a minute: says so, and stays away for minutes", async () => {
    await using broker = await startScriptedBroker({});
    const ports = testPorts({ network: systemClock(50) });
    await using running = delivering(destinationAt(broker.port, {}, ports), memoryOutbox(), { ports });
    for (let times = 1; times <= 3; times++) {
      await running.untilLink(() => running.links.filter(({ state }) => state === "up").length === times);
      broker.dismiss(0x8e);
      await running.untilLink(() => running.links.filter(({ state }) => state === "down").length === times);
    }
    expect(running.links.filter(({ state }) => state === "down").at(-1)).toMatchObject({
      fault: "refused", retryInMs: 180_000, message: "Another client uses our client id cell-7: it and we put each other out at the broker. We stay away for 3 minutes. Give each agent its own client_id.",
    });
  });

  it.each([
    ["nothing taken: suspected, minutes", [], false, 180_000, "Perhaps another client uses our client id cell-7. We stay away for 3 minutes."],
    ["current values taken: one of several causes, less than a minute", [{ scope: "heartbeat", payload: {} }], false, 45_000, "Perhaps it restarts, the network fails, or another client uses our client id cell-7. We stay away for 45 seconds."],
    ["and not let in between: not another client", [], true, 16_000, "closed the connection."],
    ["current values taken, and not let in between: not another client", [{ scope: "heartbeat", payload: {} }], true, 16_000, "closed the connection."],
  ] as const)("closed without a word three times soon after connecting, %s", async (...[, shown, isAway, longestMs, words]) => {
    await using broker = await startScriptedBroker({ connack: (connection) => (isAway && connection % 2 === 0 ? "close" : 0) });
    const ports = testPorts({ network: systemClock(50) });
    await using running = delivering(destinationAt(broker.port, {}, ports), memoryOutbox(), { ports, board: testBoard(...shown) });
    for (let times = 1; times <= 3; times++) {
      await running.untilLink(() => running.links.filter(({ state }) => state === "up").length === times);
      while (broker.published.length < times * shown.length || broker.subscriptions.length < 3 * times) await sleep(1);
      await sleep(20);
      const before = running.links.length;
      broker.hangUp();
      await running.untilLink(() => running.links.length > before);
    }
    const last = running.links.find((link, at): link is Extract<Link, { state: "down" }> => link.state === "down" && running.links.slice(0, at).filter(({ state }) => state === "up").length === 3);
    expect(last?.message).toContain(words);
    expect([last?.retryInMs ?? 0, longestMs].toSorted((a, b) => a - b).at(-1)).toBe(longestMs);
  });
});

describeNeeding(["mosquitto"], "two agents with one client id at Mosquitto, which says nothing (2.0.11, over both versions)", () => {
  it.each(["5", "3.1.1"])("is told as what it may be, by at least one of them, over %s", async (protocol) => {
    await using broker = await startMosquitto();
    const ports = testPorts({ network: systemClock(20) });
    const board = testBoard({ scope: "heartbeat", payload: { status: "online" } });
    await using one = delivering(destinationAt(broker.port, { protocol }, ports), memoryOutbox(), { ports, board });
    await one.untilLink(({ state }) => state === "up");
    await using two = delivering(destinationAt(broker.port, { protocol }, ports), memoryOutbox(), { ports, board });
    const told = await Promise.race([one, two].map((agent) => agent.untilLink((link) => link.state === "down" && /another client (uses|came with) our client id/i.test(link.message) && link.retryInMs >= 30_000, 15_000)));
    expect(told).toMatchObject({ fault: "refused" });
  });
});

describe("a broker that breaks the connection off for one message", () => {
  it("aedes and a denied record: given up after five times alone in flight, the others arrive", async () => {
    await using broker = await startAedes({ authorizePublish: (_, packet, done) => { done(packet.topic.endsWith("/rec/cycle") ? new Error("denied") : null); } });
    await using subscriber = await subscribe(broker.port, "cellgate/+/+/+/+/+/rec/+");
    const outbox = memoryOutbox();
    await put(outbox, [...manyRecords(30), SAMPLES.cycle, ...manyRecords(30, 100), { ...SAMPLES.cycle, id: "another" }, ...manyRecords(5, 200)]);
    const ports = testPorts({ network: systemClock(100) });
    const board = testBoard({ scope: "heartbeat", payload: { status: "online" } });
    await using running = delivering(destinationAt(broker.port, {}, ports), outbox, { ports, board });
    await outbox.drained();
    expect(outbox.rejected.map(({ seq }) => seq)).toEqual([31, 62]);
    expect(outbox.rejected[0]?.reason).toContain("broke the connection off 5 times while only this message was unanswered");
    expect(outbox.rejected[1]?.reason).toContain("2 times");
    await subscriber.until((received) => new Set(received.map(({ text }) => eventOf(text).seq)).size === 65);
    expect(running.links.filter(({ state }) => state === "down").length).toBeLessThan(15);
  });

  it("aedes and a denied current value: no longer sent, and the records arrive", async () => {
    await using broker = await startAedes({ authorizePublish: (_, packet, done) => { done(packet.topic.includes("/live/") ? new Error("denied") : null); } });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(50));
    const ports = testPorts({ network: systemClock(100) });
    const board = testBoard({ scope: "live", machine: "VMC-3", name: "spindle_speed", payload: { value: 1 } }, { scope: "heartbeat", payload: { status: "online" } });
    const destination = destinationAt(broker.port, {}, ports);
    await using running = delivering(destination, outbox, { ports, board });
    await outbox.drained();
    expect(outbox.rejected).toEqual([]);
    await running.untilLink(() => running.links.filter(({ state }) => state === "down").length >= 7);
    await running.stop();
    const delivery = await destination.connect(forever, ignore);
    expect(delivery.warnings()).toContain(`Not published any more, because the broker breaks the connection off for it: ${MACHINE_PATH}/live/spindle-speed.`);
    await delivery.close();
  });

  it("a broker that takes nothing at all costs no record, however often it hangs up", async () => {
    await using broker = await startScriptedBroker({ publish: () => "die" });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(3));
    const ports = testPorts({ network: systemClock(200) });
    await using running = delivering(destinationAt(broker.port, {}, ports), outbox, { ports });
    await running.untilLink(() => running.links.filter(({ state }) => state === "down").length >= 12, 20_000);
    expect([outbox.accepted, outbox.rejected]).toEqual([[], []]);
  });

  it("a network that keeps breaking costs no record", async () => {
    let left = 12;
    await using broker = await startScriptedBroker({ publish: (_, nth) => (nth % 3 === 0 && left-- > 0 ? "die" : 0) });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(60));
    const ports = testPorts({ network: systemClock(100) });
    await using _ = delivering(destinationAt(broker.port, {}, ports), outbox, { ports });
    await outbox.drained();
    expect([outbox.accepted.length, outbox.rejected]).toEqual([60, []]);
  });

  it("DISCONNECT 0x95 names the one message in flight: given up at once, as what it is", async () => {
    await using started: ScriptedBroker = await startScriptedBroker({ publish: ({ text }) => {
      if (!text.includes('"seq":2,')) return 0;
      started.dismiss(0x95);
      return "silent";
    } });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(4));
    const ports = testPorts({ network: systemClock(100) });
    await using _ = delivering(destinationAt(started.port, {}, ports), outbox, { ports });
    await outbox.drained();
    expect(outbox.rejected).toEqual([{ seq: 2, reason: expect.stringContaining("packet too large (0x95)") as string }]);
  });
});

describe("how much and how fast", () => {
  it("DISCONNECT 0x93 halves the window, and says so", async () => {
    await using broker = await startScriptedBroker({ delayMs: 20 });
    const destination = destinationAt(broker.port, { window: 20 });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(100));
    const one = await destination.connect(forever, ignore);
    broker.dismiss(0x93);
    await one.lost;
    const two = await destination.connect(forever, ignore);
    expect(two.warnings()).toEqual(["The broker said that more was in flight than it takes: the window is 10 instead of 20."]);
    await two.deliver(outbox.pending("bridge", 0, 100), forever);
    expect(broker.mostInFlight).toBe(10);
    await two.close();
  });

  it.each([["DISCONNECT 0x96", 0x96], ["DISCONNECT 0x97", 0x97]])("%s slows us down, and says so", async (_, code) => {
    await using broker = await startScriptedBroker({});
    const destination = destinationAt(broker.port);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(40));
    const one = await destination.connect(forever, ignore);
    await one.deliver(outbox.pending("bridge", 0, 20), forever);
    broker.dismiss(code);
    await one.lost;
    const two = await destination.connect(forever, ignore);
    expect(two.warnings()).toEqual(["The broker said that we send too much: at most 10 messages a second for now. A rate_limit would keep us under its quota."]);
    const began = process.hrtime.bigint();
    await two.deliver(outbox.pending("bridge", 0, 8), forever);
    expect(Number(process.hrtime.bigint() - began) / 1e6).toBeGreaterThan(600);
    await two.close();
  });

  it("a rate limit holds over records and current values together, in real packets", async () => {
    const seen: number[] = [];
    await using broker = await startScriptedBroker({ publish: () => {
      seen.push(performance.now());
      return 0;
    } });
    const delivery = await destinationAt(broker.port, { rate_limit: "100/s" }).connect(forever, ignore);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(100));
    const sent = delivery.deliver(outbox.pending("bridge", 0, 100), forever);
    for (let n = 0; n < 20; n++) {
      delivery.retain([{ scope: "live", machine: "VMC-3", name: `point_${n}`, payload: { n } }]);
      await sleep(5);
    }
    await sent;
    await delivery.close();
    const windows = seen.map((at) => seen.filter((other) => other >= at && other < at + 500).length);
    expect(Math.max(...windows)).toBeLessThanOrEqual(50 + 10 + 5);
    expect(broker.published.filter(({ topic }) => topic.includes("/live/")).length).toBe(20);
    expect(broker.published.at(-1)?.topic).toBe(AGENT_PATH);
  });

  it("the bucket: an even rate, a small burst, halved by a complaint, doubled by each quiet minute", async () => {
    const clock = fakeClock();
    const pace = new Pace(clock, 20);
    const taken = async (pace: Pace, ms: number): Promise<number> => {
      let count = 0;
      for (let at = 0; at < ms; at += 10) {
        while (pace.take() === 0) count++;
        await clock.advance(10);
      }
      return count;
    };
    expect(Math.abs(await taken(pace, 10_000) - 200)).toBeLessThanOrEqual(1);
    await clock.advance(60_000);
    expect(pace.take()).toBe(0);
    expect(pace.take()).toBe(0);
    expect(pace.take()).toBe(50);
    const wide = new Pace(clock, 200);
    wide.complain(60);
    expect(wide.throttledTo()).toBe(30);
    expect(Math.abs(await taken(wide, 10_000) - 300)).toBeLessThanOrEqual(1);
    wide.complain(1_000);
    expect(wide.throttledTo()).toBe(15);
    await clock.advance(120_000);
    expect(wide.throttledTo()).toBe(60);
    await clock.advance(180_000);
    expect(wide.throttledTo()).toBeNull();
    wide.complain(0.01); // Of a link that sent next to nothing.
    expect(wide.throttledTo()).toBe(10);
    const slow = new Pace(clock, 5);
    slow.complain(5);
    expect(slow.throttledTo()).toBe(2.5);
    expect(new Pace(clock, null).take()).toBe(0);
  });
});
