/** A broker that means harm, or is broken in any way one can be: no crash, bounded memory, and each thing refused with a reason. */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { LinkError } from "../../../agent/contract/errors.ts";
import type { Outcome } from "../../../agent/contract/outbox.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { AGENT_PATH, delivering, destinationAt, eventOf, put, testBoard } from "../../support/delivering.ts";
import { memoryOutbox } from "../../support/memory-outbox.ts";
import { testPorts } from "../../support/ports.ts";
import { manyRecords, SAMPLES } from "../../support/sample-records.ts";
import { startScriptedBroker, type Answer, type ScriptedBroker } from "../../support/scripted-broker.ts";
import { seeded } from "../../support/seeded.ts";

const forever = new AbortController().signal;
const ignore = (): void => undefined;
const sent = (broker: ScriptedBroker): readonly number[] => broker.published.filter(({ topic }) => topic.includes("/rec/")).map(({ text }) => eventOf(text).seq);
const EVERY_CODE = Array.from({ length: 256 }, (_, code) => code);

const saying = (words: string): string => expect.stringContaining(words) as string;
const TAKEN = { accepted: [1, 2, 3], rejected: [], lost: null };
const KEPT = { accepted: [1, 3], rejected: [], lost: null };
/** mqtt.js ends the link for a code that a PUBACK cannot have. */
const LINK_ENDS = { accepted: [1], rejected: [], lost: saying("Invalid puback reason code") };
const PUBACK: Readonly<Record<number, object>> = {
  0x00: TAKEN, 0x10: TAKEN, 0x80: KEPT, 0x83: KEPT, 0x87: KEPT,
  0x90: { ...KEPT, rejected: [{ seq: 2, reason: saying("topic name invalid (0x90)") }] }, 0x99: { ...KEPT, rejected: [{ seq: 2, reason: saying("payload format invalid (0x99)") }] },
  0x91: { ...LINK_ENDS, lost: saying("packet identifier in use (0x91)") }, 0x97: { ...LINK_ENDS, lost: saying("quota exceeded (0x97)") },
};

describe("acknowledgements gone wrong", () => {
  it("late, out of order, twice and for nobody: every record once, all accepted", async () => {
    const random = seeded(7);
    const kinds: readonly Answer[] = [0, "last", "twice", "stranger"];
    await using broker = await startScriptedBroker({ delayMs: 3, publish: () => kinds[Math.trunc(random() * kinds.length)] ?? 0 });
    const delivery = await destinationAt(broker.port).connect(forever, ignore);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(500));
    const all = outbox.pending("bridge", 0, 500).map(({ seq }) => seq);
    // One that is answered last waits for another to come: the last of all may stay open, and the watchdog ends it.
    const sending = delivery.deliver(outbox.pending("bridge", 0, 500), forever);
    const { accepted, rejected } = await Promise.race([sending, (async () => {
      while (sent(broker).length < 500) await new Promise((resolve) => setTimeout(resolve, 5));
      for (let n = 0; n < 40; n++) {
        delivery.retain([{ scope: "live", machine: "VMC-3", name: "nudge", payload: { n } }]);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return sending;
    })()]);
    expect([accepted.toSorted((a, b) => a - b), rejected, sent(broker)]).toEqual([all, [], all]);
    await delivery.close();
  });

  it.each(EVERY_CODE.filter((code) => code % 16 === 0 || (code >= 0x80 && code <= 0xa2)).map((code) => [code.toString(16)] as const))("PUBACK 0x%s: accepted, refused, tried again or paused, and nothing lost", async (hex) => {
    const code = Number.parseInt(hex, 16);
    await using broker = await startScriptedBroker({ publish: ({ text }) => (text.includes('"seq":2,') ? code : 0) });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(3));
    const delivery = await destinationAt(broker.port, { window: 1 }).connect(forever, ignore);
    let lost: string | null = null;
    const ended = delivery.lost.then(({ message }) => (lost = message));
    const { accepted, rejected } = await delivery.deliver(outbox.pending("bridge", 0, 3), forever);
    if (accepted.length === 1) await ended;
    expect({ accepted, rejected, lost }).toEqual(PUBACK[code] ?? LINK_ENDS);
    await delivery.close();
  });

  it("a code that MQTT does not have, for one record again and again: that record is given up, the others arrive", async () => {
    await using broker = await startScriptedBroker({ publish: ({ text }) => (text.includes('"seq":5,') ? 0xff : 0) });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(30));
    const ports = testPorts({ network: systemClock(100) });
    await using _ = delivering(destinationAt(broker.port, {}, ports), outbox, { ports, board: testBoard({ scope: "heartbeat", payload: { status: "online" } }) });
    await outbox.drained();
    expect([outbox.accepted.length, outbox.rejected]).toEqual([29, [{ seq: 5, reason: expect.stringContaining("only this message was unanswered") as string }]]);
  });

  it("never: given up after 10 s, and sent again as what it is", async () => {
    await using broker = await startScriptedBroker({ publish: ({ connection }) => (connection === 1 ? "silent" : 0) });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(30));
    const ports = testPorts({ network: systemClock(50) });
    await using running = delivering(destinationAt(broker.port, {}, ports), outbox, { ports });
    await outbox.drained();
    expect(running.links).toContainEqual(expect.objectContaining({ state: "down", fault: "timeout", message: "The broker has not acknowledged a message for 10 s." }));
    expect(broker.published.filter(({ connection }) => connection === 2).every(({ text }, at) => at >= 20 || eventOf(text).replay === true)).toBe(true);
  });
});

describe("packets behind the one that ends the link, in the same chunk", () => {
  const DISCONNECT = [0xe0, 0x02, 0x8b, 0x00];
  it.each([
    ["PUBREL", [0x62, 0x02, 0x00, 0x01]], ["PUBLISH at QoS 2", [0x34, 0x07, 0x00, 0x01, 0x61, 0x00, 0x01, 0x00, 0x78]], ["PUBREC", [0x50, 0x02, 0x00, 0x01]],
    ["PUBCOMP", [0x70, 0x02, 0x00, 0x01]], ["PUBACK", [0x40, 0x02, 0x00, 0x01]], ["SUBACK", [0x90, 0x04, 0x00, 0x01, 0x00, 0x01]], ["CONNACK", [0x20, 0x03, 0x00, 0x00, 0x00]], ["PUBREL without a number", [0x62, 0x00]],
  ])("%s: the link ends, and nothing else", async (_, packet) => {
    await using broker = await startScriptedBroker({});
    const delivery = await destinationAt(broker.port).connect(forever, ignore);
    await broker.raw(Buffer.from([...DISCONNECT, ...Array.from({ length: 20 }, () => [0xd0, 0x00]).flat(), ...packet, ...packet]));
    expect((await delivery.lost).message).toContain("ended the link");
    await new Promise((resolve) => setTimeout(resolve, 20));
    await delivery.close();
  });
});

describe("packets that nothing of ours asks for", () => {
  it.each([["PUBREL without a number", [0x62, 0x00]], ["PUBREC", [0x50, 0x02, 0x00, 0x01]], ["PUBREC without a number", [0x50, 0x00]], ["PUBCOMP without a number", [0x70, 0x00]], ["PINGREQ", [0xc0, 0x00]]])("%s: passed over", async (_, packet) => {
    for (const protocol of ["5", "3.1.1"]) {
      await using broker = await startScriptedBroker({});
      const delivery = await destinationAt(broker.port, { protocol }).connect(forever, ignore);
      const outbox = memoryOutbox();
      await put(outbox, manyRecords(1));
      await broker.raw(Buffer.from([...packet, ...packet]));
      // What does not even parse ends the link; the agent goes on either way.
      const took = await delivery.deliver(outbox.pending("bridge", 0, 1), forever).then(({ accepted }) => `took ${accepted.join()}`, (error: unknown) => String(error));
      expect(took).toMatch(/^took 1$|broke: /);
      await delivery.close();
    }
  });
});

describe("a broker that authorises nothing", () => {
  it("every record is refused with a reason after its tries, the downlinks too, and the link stays", async () => {
    await using broker = await startScriptedBroker({ publish: () => 0x87, subscribe: (filters) => filters.map(() => 0x87) });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(100));
    const ports = testPorts({ network: systemClock(40), random: () => 0 });
    const destination = destinationAt(broker.port, {}, ports);
    await using running = delivering(destination, outbox, { ports, board: testBoard({ scope: "heartbeat", payload: { status: "online" } }) });
    await outbox.drained();
    expect([outbox.accepted, new Set(outbox.rejected.map(({ reason }) => reason)), outbox.rejected.length]).toEqual([[], new Set(["not authorised (0x87)"]), 100]);
    expect([broker.connections, running.links.filter(({ state }) => state === "down")]).toEqual([1, []]);
    expect(sent(broker).length).toBeGreaterThanOrEqual(500);
  }, 30_000);
});

describe("CONNACK and DISCONNECT with every code", () => {
  it.each([[5, EVERY_CODE.slice(1)], [4, EVERY_CODE.slice(1)]] as const)("level %i: CONNACK refuses with a reason and never for good", async (level, codes) => {
    let code = 0;
    await using broker = await startScriptedBroker({ connack: () => code });
    const destination = destinationAt(broker.port, { protocol: level === 5 ? "5" : "3.1.1" });
    for (code of codes) await expect(destination.connect(forever, ignore), `code ${code}`).rejects.toMatchObject({ name: "LinkError", retry: expect.not.stringMatching("never") as unknown, message: expect.stringMatching(/127\.0\.0\.1/) as string });
  }, 60_000);

  it("DISCONNECT right after CONNACK, with every code: a reason each time, and tried again for ever", async () => {
    await using broker = await startScriptedBroker({});
    const destination = destinationAt(broker.port);
    const messages = new Set<string>();
    for (const code of EVERY_CODE) {
      const delivery = await destination.connect(forever, ignore);
      broker.dismiss(code);
      const error = await delivery.lost;
      expect([code, error.name, error.retry === "never", error.message.length > 30]).toEqual([code, "LinkError", false, true]);
      messages.add(error.message.replace(/\d+/g, "#"));
      await delivery.close();
    }
    expect(messages.size).toBeGreaterThan(25);
  }, 60_000);

  it("a broker that keeps no retained messages refuses our will for it: we connect without, and say so", async () => {
    await using broker = await startScriptedBroker({ connack: (connection) => (connection === 1 ? 0x9a : 0), properties: [0x25, 0] });
    const delivery = await destinationAt(broker.port).connect(forever, ignore);
    delivery.retain([{ scope: "heartbeat", payload: {} }]);
    while (broker.published.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    expect([broker.connections, broker.published[0]?.retain]).toEqual([2, false]);
    expect(delivery.warnings()).toEqual([expect.stringContaining("keeps no retained messages") as string]);
    await delivery.close();
  });
});

describe("limits", () => {
  it("receive maximum 1 and maximum packet size 1 kB: what fits arrives in order, the rest is refused as too large", async () => {
    await using broker = await startScriptedBroker({ receiveMaximum: 1, maximumPacketSize: 1_000 });
    const outbox = memoryOutbox();
    const small = { ...SAMPLES.loss, body: { ...SAMPLES.loss.body } };
    await put(outbox, [SAMPLES.cycle, small, SAMPLES.cycle, { ...small, id: "b" }]);
    await using _ = delivering(destinationAt(broker.port), outbox);
    await outbox.drained();
    expect([outbox.accepted, outbox.rejected]).toEqual([[2, 4], [{ seq: 1, reason: "oversize" }, { seq: 3, reason: "oversize" }]]);
    expect(broker.mostInFlight).toBeLessThanOrEqual(1);
    expect(broker.published.every(({ text }) => text.length < 1_000)).toBe(true);
  });

  it("receive maximum 1: the goodbye waits for its place too", async () => {
    await using broker = await startScriptedBroker({ receiveMaximum: 1, delayMs: 50 });
    const delivery = await destinationAt(broker.port).connect(forever, ignore);
    delivery.retain([{ scope: "health", machine: "VMC-3", payload: {} }, { scope: "heartbeat", payload: { status: "online" } }]);
    await delivery.close();
    expect(broker.published.map(({ topic, text }) => [topic.endsWith("/health"), text.includes("offline")])).toEqual([[true, false], [false, true]]);
    expect(broker.mostInFlight).toBe(1);
  });

  it("a message at QoS 2, which we never asked for, ends the link instead of filling a store", async () => {
    await using broker = await startScriptedBroker({});
    const delivery = await destinationAt(broker.port, { protocol: "3.1.1" }).connect(forever, ignore);
    await broker.say(`${AGENT_PATH}/cmd`, "x", { qos: 2 });
    expect((await delivery.lost).message).toContain("QoS 2");
    await delivery.close();
  });

  it("a flood that we must acknowledge, from a broker that does not read: we stop reading too", async () => {
    const packet = Buffer.concat(Array.from({ length: 5_000 }, (_, n) => Buffer.from([0x32, 9, 0, 1, 0x61, n >> 8, (n & 255) || 1, 0, 1, 2, 3])));
    const FLOOD_BYTES = 200_000_000;
    let taken = (): number => 0;
    const server = createServer((socket) => {
      socket.on("error", () => undefined).once("data", () => {
        socket.pause();
        socket.write(Buffer.from([0x20, 0x03, 0x00, 0x00, 0x00]));
        taken = () => socket.bytesWritten - socket.writableLength;
        const pour = (): void => {
          while (socket.bytesWritten < FLOOD_BYTES && socket.write(packet));
        };
        socket.on("drain", pour);
        pour();
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const delivery = await destinationAt((server.address() as AddressInfo).port).connect(forever, ignore);
    for (let before = -1; taken() > before;) {
      before = taken();
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    expect(taken()).toBeGreaterThan(100_000);
    expect(taken()).toBeLessThan(40_000_000);
    await delivery.close();
    const closed = once(server, "close");
    server.close();
    await closed;
  });

  it.each([["a packet type there is not", [0x00, 0x00]], ["a length that never ends", [0x30, 0xff, 0xff, 0xff, 0xff, 0xff]], ["a PUBACK without an id", [0x40, 0x00]], ["a SUBACK of nobody", [0x90, 0x04, 0xff, 0xff, 0x00, 0x01]], ["a second CONNACK", [0x20, 0x03, 0x00, 0x00, 0x00]], ["AUTH", [0xf0, 0x02, 0x18, 0x00]], ["a PUBLISH with an empty topic", [0x32, 0x05, 0, 0, 0, 1, 0]], ["a topic alias we did not offer", [0x30, 0x09, 0, 0, 3, 0x23, 0, 1, 0x61, 0x62, 0x63]], ["a topic that is not UTF-8", [0x30, 0x05, 0, 2, 0xff, 0xfe, 0]]])("%s: no crash, and either harmless or the link ends with a reason", async (_, bytes) => {
    await using broker = await startScriptedBroker({});
    const destination = destinationAt(broker.port);
    const delivery = await destination.connect(forever, ignore);
    await broker.raw(Buffer.from(bytes));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(1));
    const first = await delivery.deliver(outbox.pending("bridge", 0, 1), forever).catch((error: unknown) => error);
    const again = await destination.connect(forever, ignore);
    const second = await again.deliver(outbox.pending("bridge", 0, 1), forever);
    expect([first, second]).toEqual([expect.toSatisfy((outcome: unknown) => outcome instanceof LinkError ? outcome.message.length > 30 : (outcome as Outcome).accepted[0] === 1), { accepted: [1], rejected: [] }]);
    await Promise.all([delivery.close(), again.close()]);
  });
});

describe("a broker that does everything wrong at random", () => {
  it.each([[1], [2], [3], [4]])("seed %i: when it comes to its senses, every record is accepted or refused with a reason", async (seed) => {
    const random = seeded(seed);
    let isMad = true;
    const pick = <T>(...of: readonly T[]): T => of[Math.trunc(random() * of.length)] ?? (of[0] as T);
    await using broker: ScriptedBroker = await startScriptedBroker({
      receiveMaximum: 5,
      connack: () => (isMad && random() < 0.3 ? pick<number | "close">("close", 0x88, 0x89, 0x97, 0x80) : 0),
      subscribe: (filters) => (isMad ? pick<readonly number[] | "silent" | "die">("silent", "die", [0x87, 0x80, 1], [0xff], []) : filters.map(() => 1)),
      publish: () => {
        if (!isMad) return 0;
        if (random() < 0.02) broker.dismiss(pick(0x00, 0x80, 0x82, 0x8b, 0x8d, 0x93, 0x95, 0x96, 0x97, 0x9c));
        return random() < 0.7 ? 0 : pick<Answer>("last", "twice", "stranger", "die", 0x10, 0x80, 0x83, 0x87, 0x97, 0xff);
      },
    });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(200));
    const ports = testPorts({ network: systemClock(200) });
    await using running = delivering(destinationAt(broker.port, {}, ports), outbox, { ports, board: testBoard({ scope: "heartbeat", payload: { status: "online" } }) });
    await Promise.race([outbox.drained(20_000), new Promise((resolve) => setTimeout(resolve, 1_500))]);
    isMad = false;
    await outbox.drained();
    const done = [...outbox.accepted, ...outbox.rejected.map(({ seq }) => seq)].toSorted((a, b) => a - b);
    expect(done).toEqual(Array.from({ length: 200 }, (_, n) => n + 1));
    expect(outbox.rejected.every(({ reason }) => reason.length > 10)).toBe(true);
    for (const seq of outbox.accepted) expect(sent(broker)).toContain(seq);
    expect(running.links.filter((link) => link.state === "stopped")).toEqual([]);
  }, 60_000);
});
