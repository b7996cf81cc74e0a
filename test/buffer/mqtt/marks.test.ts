/** The mark at the broker: when it leaves, what is found there, and that nothing a broker or a stranger does with it holds records up. */
import { describe, expect, it } from "vitest";
import type { Delivery, Destination } from "../../../agent/contract/destination.ts";
import type { Marking } from "../../../agent/contract/outbox.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { startMosquitto, subscribe, type Received } from "../../support/broker.ts";
import { AGENT_PATH, delivering, destinationAt, eventOf, IDENTITY, put } from "../../support/delivering.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { markingOf, memoryOutbox } from "../../support/memory-outbox.ts";
import { describeNeeding } from "../../support/needs.ts";
import { testPorts } from "../../support/ports.ts";
import { manyRecords } from "../../support/sample-records.ts";
import { startScriptedBroker } from "../../support/scripted-broker.ts";

const TOPIC = `${AGENT_PATH}/mark`;
const OURS = "life-2";
const LEFT = { epoch: IDENTITY.epoch, life: "life-1", through: 40 };
const text = (mark: object): string => JSON.stringify({ schema: "mark/1", ...mark });

const connected = (destination: Destination, marking: Marking = markingOf(IDENTITY.epoch, OURS)): Promise<Delivery> => destination.connect(new AbortController().signal, () => undefined, marking);
async function delivered(delivery: Delivery, count: number): Promise<void> {
  const outbox = memoryOutbox();
  await put(outbox, manyRecords(count));
  expect((await delivery.deliver(outbox.pending("bridge", 0, count), new AbortController().signal)).accepted).toHaveLength(count);
}
/** Of this life, in the order they came, with the numbers of the records between them. */
const order = (received: readonly Received[]): readonly string[] => received.flatMap(({ topic, text }) => {
  if (topic === TOPIC && text.includes(OURS)) return [`mark ${(JSON.parse(text) as { through: number }).through}`];
  return topic.includes("/rec/") ? [`row ${eventOf(text).seq}`] : [];
});

describeNeeding(["mosquitto"], "a mark at Mosquitto", () => {
  it.each([["5"], ["3.1.1"]])("over protocol %s: what another life left is found once, and a mark of ours precedes the rows it names", async (protocol) => {
    await using broker = await startMosquitto();
    await using bridge = await subscribe(broker.port, "cellgate/#");
    await bridge.publish(TOPIC, text(LEFT), true);
    const [destination, marking] = [destinationAt(broker.port, { protocol }), markingOf(IDENTITY.epoch, OURS)];
    const delivery = await connected(destination, marking);
    expect(await delivery.found).toEqual(LEFT);
    delivery.mark?.(2);
    delivery.mark?.(1);
    await delivered(delivery, 4);
    await bridge.until((received) => order(received).length === 6);
    expect(order(bridge.received)).toEqual(["mark 2", "mark 4", "row 1", "row 2", "row 3", "row 4"]);
    expect(delivery.warnings().filter((words) => words.includes("mark") || words.includes("dropped"))).toEqual([]);
    await delivery.close();

    marking.reach(9); // At another destination.
    const next = await connected(destination, marking);
    expect(await next.found).toBe(null); // What lies there is our own.
    await delivered(next, 1);
    await bridge.until((received) => order(received).length === 8);
    expect(order(bridge.received).slice(-2)).toEqual(["mark 9", "row 1"]); // Never less than this life had said.
    await next.close();
  });

  it.each([
    ["no JSON", "{"], ["another schema", JSON.stringify({ ...LEFT, schema: "mark/2" })], ["a list", "[]"], ["nothing", " "],
    ["no number", text({ ...LEFT, through: null })], ["NaN", '{"schema":"mark/1","epoch":"e","life":"l","through":NaN}'], ["2^60", text({ ...LEFT, through: 2 ** 60 })],
    ["a part", text({ ...LEFT, through: 1.5 })], ["less than none", text({ ...LEFT, through: -1 })],
    ["a long epoch", text({ ...LEFT, epoch: "e".repeat(65) })], ["no life", text({ epoch: LEFT.epoch, through: 40 })], ["too large", text({ ...LEFT, more: "x".repeat(2_000) })],
    ["too large for a packet", text({ ...LEFT, more: "x".repeat(100_000) })],
  ])("%s is no mark, and is replaced by ours", async (_, left) => {
    await using broker = await startMosquitto();
    await using bridge = await subscribe(broker.port, "cellgate/#");
    await bridge.publish(TOPIC, left, true);
    const delivery = await connected(destinationAt(broker.port));
    expect(await delivery.found).toBe(null);
    await delivered(delivery, 1);
    await bridge.until((received) => order(received).length === 2);
    expect(order(bridge.received)).toEqual(["mark 1", "row 1"]);
    await delivery.close();
  });

  it("one who may not read or write there delivers all the same, and says so", async () => {
    await using broker = await startMosquitto(["allow_anonymous true", "acl_file {folder}/acl"], async (folder) => {
      const { writeFile } = await import("node:fs/promises");
      await writeFile(`${folder}/acl`, `topic write ${AGENT_PATH}\ntopic write cellgate/v1/lyon/machining/cell-7/vmc-3/#\ntopic read ${AGENT_PATH}/confirm\n`);
    });
    const delivery = await connected(destinationAt(broker.port));
    expect(await delivery.found).toBe(null);
    await delivered(delivery, 3);
    expect(delivery.warnings().filter((words) => words.includes(TOPIC))).toHaveLength(1);
    await delivery.close();
  });
});

describe("a mark at brokers that are less obliging", () => {
  it("a file of this life is known to nobody: nothing is looked for", async () => {
    await using broker = await startScriptedBroker({});
    const delivery = await connected(destinationAt(broker.port), markingOf(IDENTITY.epoch, OURS, true));
    expect(await delivery.found).toBe(null);
    expect(broker.subscriptions).not.toContain(TOPIC);
    await delivered(delivery, 2);
    expect(broker.published.map(({ topic }) => topic === TOPIC)).toEqual([true, false, false]);
    await delivery.close();
  });

  it("without a marking nothing is asked and nothing left", async () => {
    await using broker = await startScriptedBroker({});
    const delivery = await destinationAt(broker.port).connect(new AbortController().signal, () => undefined);
    await delivered(delivery, 2);
    expect([...broker.subscriptions, ...broker.published.map(({ topic }) => topic)]).not.toContain(TOPIC);
    await delivery.close();
  });

  it.each([["does not answer the subscription", "silent", 4_000], ["has nothing to send", [0], 2_000]] as const)("one that %s is waited for no longer than the bound", async (_, answer, boundMs) => {
    await using broker = await startScriptedBroker({ subscribe: (filters) => (filters.includes(TOPIC) ? answer : filters.map(() => 0)) });
    const clock = fakeClock();
    const delivery = await connected(destinationAt(broker.port, {}, testPorts({ network: clock })));
    let isFound = false;
    const found = delivery.found?.then((mark) => {
      isFound = true;
      return mark;
    });
    while (!broker.subscriptions.includes(TOPIC)) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setTimeout(resolve, 50)); // The answer is on its way.
    await clock.advance(boundMs - 1);
    expect(isFound).toBe(false);
    await clock.advance(1);
    expect(await found).toBe(null);
    await delivery.close();
  });

  it("a link that goes meanwhile is asked again, twice; then no more", async () => {
    await using broker = await startScriptedBroker({ subscribe: (filters) => (filters.includes(TOPIC) ? "die" : filters.map(() => 0)) });
    const destination = destinationAt(broker.port);
    for (const asked of [1, 2, 2]) {
      const delivery = await connected(destination);
      expect(await delivery.found).toBe(null);
      expect(broker.subscriptions.filter((filter) => filter === TOPIC)).toHaveLength(asked);
      await delivery.close();
    }
  });

  it("what it breaks the connection off for is not held against the other subscriptions", async () => {
    await using broker = await startScriptedBroker({ subscribe: (filters) => (filters.includes(TOPIC) ? "die" : filters.map(() => 0)) });
    const destination = destinationAt(broker.port);
    for (const isAsked of [false, false, true]) {
      const delivery = await connected(destination);
      await delivery.found;
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(broker.subscriptions.includes(`${AGENT_PATH}/confirm`)).toBe(isAsked);
      expect(delivery.warnings()).toEqual([]);
      await delivery.close();
    }
  });

  it("one that keeps nothing is neither asked nor given one", async () => {
    await using broker = await startScriptedBroker({ properties: [0x25, 0x00] });
    const delivery = await connected(destinationAt(broker.port));
    expect(await delivery.found).toBe(null);
    await delivered(delivery, 2);
    expect([...broker.subscriptions, ...broker.published.map(({ topic }) => topic)]).not.toContain(TOPIC);
    await delivery.close();
  });

  it("a destination that wants none of it is neither asked nor given one", async () => {
    await using broker = await startScriptedBroker({});
    const delivery = await connected(destinationAt(broker.port, { mark: false }));
    expect(await delivery.found).toBe(null);
    delivery.mark?.(9);
    await delivered(delivery, 2);
    expect([...broker.subscriptions, ...broker.published.map(({ topic }) => topic)]).not.toContain(TOPIC);
    await delivery.close();
  });

  it("one with a quota on it keeps the link and takes records, and is asked again after ten minutes", async () => {
    await using broker = await startScriptedBroker({ publish: ({ topic }, nth) => (topic === TOPIC && nth === 1 ? 0x97 : 0) });
    const clock = fakeClock();
    const delivery = await connected(destinationAt(broker.port, {}, testPorts({ network: clock })), markingOf(IDENTITY.epoch, OURS, true));
    await delivered(delivery, 2);
    await delivered(delivery, 3);
    const marks = (): readonly string[] => broker.published.filter(({ topic }) => topic === TOPIC).map(({ text }) => text);
    expect(marks()).toHaveLength(1);
    expect(delivery.warnings()).toEqual([expect.stringMatching(/does not take our mark.*quota exceeded/)]);
    for (let minute = 0; minute < 10; minute++) {
      await clock.advance(60_000);
      await delivered(delivery, 3);
    }
    expect(marks().slice(1)).toEqual([text({ epoch: IDENTITY.epoch, life: OURS, through: 3 })]);
    expect(delivery.warnings()).toEqual([]);
    expect(broker.connections).toBe(1);
    await delivery.close();
  });

  it("one that refuses it is not told again soon, and takes records", async () => {
    await using broker = await startScriptedBroker({ receiveMaximum: 1, publish: ({ topic }) => (topic === TOPIC ? 0x87 : 0) });
    const delivery = await connected(destinationAt(broker.port), markingOf(IDENTITY.epoch, OURS, true));
    await delivered(delivery, 2);
    delivery.mark?.(90);
    await delivered(delivery, 3);
    expect(broker.published.filter(({ topic }) => topic === TOPIC)).toHaveLength(1);
    expect(broker.mostInFlight).toBe(1);
    expect(delivery.warnings()).toEqual([expect.stringMatching(/does not take our mark/)]);
    await delivery.close();
  });

  it("one that breaks the connection off for it gets the records in the end", { timeout: 30_000 }, async () => {
    await using broker = await startScriptedBroker({ publish: ({ topic }) => (topic === TOPIC ? "die" : 0) });
    const ports = testPorts({ network: systemClock(100) });
    const outbox = memoryOutbox(IDENTITY.epoch, markingOf(IDENTITY.epoch, OURS, true));
    await put(outbox, manyRecords(3));
    await using _ = delivering(destinationAt(broker.port, {}, ports), outbox, { ports });
    await outbox.drained(20_000);
    expect(outbox.rejected).toEqual([]);
  });
});
