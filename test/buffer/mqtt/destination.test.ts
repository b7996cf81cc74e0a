import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { memoryOutbox } from "../../support/memory-outbox.ts";
import { manyRecords, SAMPLES } from "../../support/sample-records.ts";
import { startMosquitto, startAedes, subscribe, type Received } from "../../support/broker.ts";
import type { Delivery, Destination } from "../../../agent/contract/destination.ts";
import { AGENT_PATH, delivering, destinationAt, eventOf, MACHINE_PATH, put, testBoard } from "../../support/delivering.ts";
import { describeNeeding } from "../../support/needs.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { leapingClock, testPorts } from "../../support/ports.ts";

const records = (received: readonly Received[]): readonly Received[] => received.filter(({ topic }) => topic.includes("/rec/"));
const seqs = (received: readonly Received[]): readonly number[] => records(received).map(({ text }) => eventOf(text).seq);
const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);

describeNeeding(["mosquitto"], "MQTT destination with Mosquitto", () => {
  it.each([["5", "MQTT 5"], ["3.1.1", "MQTT 3.1.1, whose acknowledgement says success even for a publish that was refused"]])("delivers every record once and in order over protocol %s", async (protocol, words) => {
    await using broker = await startMosquitto();
    await using subscriber = await subscribe(broker.port, "#", 5);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(3_000));
    await using running = delivering(destinationAt(broker.port, { protocol }), outbox);
    await outbox.drained();
    await subscriber.until((received) => seqs(received).length >= 3_000);
    expect(seqs(subscriber.received)).toEqual(upTo(3_000));
    expect(records(subscriber.received)[0]?.topic).toBe(`${MACHINE_PATH}/rec/state`);
    const link = await running.untilLink(({ state }) => state === "up");
    expect(link).toEqual({ state: "up", peer: `broker at mqtt://127.0.0.1:${broker.port}, ${words}` });
  });

  it("publishes a structured CloudEvent with the content type of the MQTT binding", async () => {
    await using broker = await startMosquitto();
    await using subscriber = await subscribe(broker.port, "#", 5);
    const outbox = memoryOutbox();
    await put(outbox, [SAMPLES.cycle]);
    await using _ = delivering(destinationAt(broker.port), outbox);
    await subscriber.until((received) => records(received).length === 1);
    const [message] = records(subscriber.received);
    expect(message?.contentType).toBe("application/cloudevents+json; charset=utf-8");
    expect(message?.retained).toBe(false);
    expect(eventOf(message?.text ?? "{}")).toMatchObject({
      specversion: "1.0", id: `${SAMPLES.cycle.id}:2`, source: MACHINE_PATH, type: "io.cellgate.cycle.v1", time: "2026-03-03T07:15:00.123Z",
      datacontenttype: "application/json", epoch: "epoch-1", seq: 1, prev: 0, bootid: "boot-1", observedat: "2026-03-03T07:16:00.000Z",
      data: { schema: "cycle/1", recordId: SAMPLES.cycle.id, rev: 2, tz: "Europe/Paris", outcome: "completed", program: { comment: "Gehäuse \"A\"" } },
    });
  });

  it("sends current values retained, ahead of a backlog, and again on a new connection", async () => {
    await using broker = await startMosquitto(["max_inflight_messages 20"]);
    await using subscriber = await subscribe(broker.port);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(2_000));
    const board = testBoard({ scope: "heartbeat", payload: { status: "online" } }, { scope: "live", machine: "VMC-3", name: "spindle_speed", payload: { value: 1 } }, { scope: "health", machine: "VMC-3", payload: { link: "up" } });
    await using running = delivering(destinationAt(broker.port), outbox, { board });
    await running.untilLink(({ state }) => state === "up");
    board.put({ scope: "live", machine: "VMC-3", name: "spindle_speed", payload: { value: 2 } });
    await subscriber.until((received) => received.some(({ text }) => text === '{"value":2}'));
    expect(seqs(subscriber.received).length).toBeLessThan(2_000);
    await outbox.drained();
    await subscriber.until((received) => seqs(received).length === 2_000);
    expect(seqs(subscriber.received)).toEqual(upTo(2_000));

    await using late = await subscribe(broker.port);
    await late.until((received) => received.length === 3);
    expect(Object.fromEntries(late.received.map(({ topic, text, retained }) => [topic, { text, retained }]))).toEqual({
      [AGENT_PATH]: { text: '{"status":"online"}', retained: true },
      [`${MACHINE_PATH}/live/spindle-speed`]: { text: '{"value":2}', retained: true },
      [`${MACHINE_PATH}/health`]: { text: '{"link":"up"}', retained: true },
    });

    await broker.kill();
    await running.untilLink(({ state }) => state === "down");
    await broker.start();
    await using after = await subscribe(broker.port);
    await after.until((received) => new Set(received.map(({ topic }) => topic)).size === 3);
  });

  it("a flood of current values starves neither the records nor its own newest value", async () => {
    await using broker = await startMosquitto();
    await using subscriber = await subscribe(broker.port);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(1_000));
    const board = testBoard();
    await using _ = delivering(destinationAt(broker.port, { window: 2 }), outbox, { board });
    let value = 0;
    const flood = setInterval(() => {
      for (let name = 0; name < 50; name++) board.put({ scope: "live", machine: "VMC-3", name: `point-${name}`, payload: { value: ++value } });
    }, 1);
    try {
      await outbox.drained();
    } finally {
      clearInterval(flood);
    }
    await subscriber.until((received) => received.some(({ text }) => text === `{"value":${value}}`));
    await subscriber.until((received) => seqs(received).length === 1_000);
    expect(seqs(subscriber.received)).toEqual(upTo(1_000));
  });

  it("says goodbye when it stops, and the broker says it when we vanish", async () => {
    await using broker = await startMosquitto();
    await using subscriber = await subscribe(broker.port, AGENT_PATH);
    const running = delivering(destinationAt(broker.port), memoryOutbox(), { board: testBoard({ scope: "heartbeat", payload: { status: "online" } }) });
    await subscriber.until((received) => received.some(({ text }) => eventOf(text)["status"] === "online"));
    await running.stop();
    await subscriber.until((received) => received.length === 2);
    expect(eventOf(subscriber.received[1]?.text ?? "{}")).toEqual({ schema: "heartbeat/1", status: "offline", agent: "cell-7", version: "0.1.0", bootId: "boot-1", epoch: "epoch-1", reason: "closed" });
    expect(running.links.at(-1)).toEqual({ state: "stopped" });

    await using second = delivering(destinationAt(broker.port), memoryOutbox(), { board: testBoard({ scope: "heartbeat", payload: { status: "online" } }) });
    await subscriber.until((received) => received.length === 3);
    await using thief = delivering(destinationAt(broker.port), memoryOutbox());
    await subscriber.until((received) => received.some(({ text }) => eventOf(text)["reason"] === "lost"));
    await second.untilLink(({ state }) => state === "down"); // Mosquitto 2.0 closes without a reason.
    await thief.stop();
  });

  it("keeps to the broker's receive maximum", async () => {
    await using broker = await startMosquitto(["max_inflight_messages 10"]);
    const destination = destinationAt(broker.port, { window: 500 });
    const delivery = await destination.connect(new AbortController().signal, () => undefined);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(500));
    const outcome = await delivery.deliver(outbox.pending("bridge", 0, 500), new AbortController().signal);
    expect(outcome.accepted).toEqual(upTo(500));
    await delivery.close();
  });

  it("rejects what is larger than the broker takes, and goes on", async () => {
    await using broker = await startMosquitto(["max_packet_size 3000"]);
    const outbox = memoryOutbox();
    const long = { ...SAMPLES.state, body: { ...SAMPLES.state.body, raw: { message: "x".repeat(4_000) } } };
    await put(outbox, [...manyRecords(3), long, ...manyRecords(3, 10)]);
    await using running = delivering(destinationAt(broker.port), outbox);
    await outbox.drained();
    expect(outbox.rejected).toEqual([{ seq: 4, reason: "oversize" }]);
    expect(outbox.accepted).toEqual([1, 2, 3, 5, 6, 7]);
    expect(running.links.filter(({ state }) => state === "down")).toEqual([]);
  });

  it("warns when nobody is subscribed", async () => {
    await using broker = await startMosquitto();
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(3));
    const ports = testPorts();
    await using _ = delivering(destinationAt(broker.port, {}, ports), outbox, { ports });
    await outbox.drained();
    expect(ports.lines).toEqual([expect.objectContaining({ level: "warn", sentence: expect.stringContaining("Nobody is subscribed") as string })]);
  });

  it("tells a wrong password apart, and does not hammer", async () => {
    await using broker = await startMosquitto(["allow_anonymous false", "password_file {folder}/passwords"], (folder) => writeFile(join(folder, "passwords"), ""));
    const ports = testPorts({}, { "/secret": "wrong" });
    await using running = delivering(destinationAt(broker.port, { username: "cell-7", password: { file: "/secret" } }, ports), memoryOutbox());
    const down = await running.untilLink(({ state }) => state === "down");
    expect(down).toMatchObject({ fault: "refused", retryInMs: 30_000, message: expect.stringContaining("Check username") as string });
    expect(JSON.stringify(down)).not.toContain("wrong\"");
  });
});

describeNeeding(["mosquitto"], "a publish that the broker's access rules deny", () => {
  const RULES = ["acl_file {folder}/acl"];
  const rules = (folder: string): Promise<void> => writeFile(join(folder, "acl"), "topic readwrite cellgate/+/+/+/+/+/rec/cycle\ntopic read #\n");

  it("is refused after some tries over MQTT 5, while others go on", async () => {
    await using broker = await startMosquitto(RULES, rules);
    const outbox = memoryOutbox();
    await put(outbox, [SAMPLES.state, SAMPLES.cycle]);
    const { network, leap } = leapingClock();
    const ports = testPorts({ random: () => 0, network });
    const delivery = await destinationAt(broker.port, {}, ports).connect(new AbortController().signal, () => undefined);
    const signal = new AbortController().signal;
    expect(await delivery.deliver(outbox.pending("bridge", 0, 10), signal)).toEqual({ accepted: [2], rejected: [] });
    expect(delivery.warnings().slice(0, 1)).toEqual([`The broker refuses records to ${MACHINE_PATH}/rec/state: not authorised (0x87). One waits and is tried again.`]);
    for (let tries = 2; tries < 50; tries++) expect(await delivery.deliver(outbox.pending("bridge", 0, 1), signal)).toEqual({ accepted: [], rejected: [] });
    for (let tries = 2; tries < 5; tries++) {
      leap(20_000);
      expect(await delivery.deliver(outbox.pending("bridge", 0, 1), signal)).toEqual({ accepted: [], rejected: [] });
    }
    leap(20_000);
    expect(await delivery.deliver(outbox.pending("bridge", 0, 1), signal)).toEqual({ accepted: [], rejected: [{ seq: 1, reason: "not authorised (0x87)" }] });
    expect(delivery.warnings().filter((warning) => warning.includes("refuses"))).toEqual([]);
    await delivery.close();
  });

  it("is put back by the loop and tried again later", async () => {
    await using broker = await startMosquitto(RULES, rules);
    await using subscriber = await subscribe(broker.port);
    const outbox = memoryOutbox();
    await put(outbox, [SAMPLES.state, SAMPLES.cycle]);
    await using _ = delivering(destinationAt(broker.port), outbox);
    await subscriber.until((received) => received.length === 1);
    await writeFile(join(broker.folder, "acl"), "topic readwrite #\n");
    broker.reload();
    await outbox.drained();
    await subscriber.until((received) => received.length === 2);
    expect(records(subscriber.received).map(({ text }) => [eventOf(text).seq, eventOf(text).replay])).toEqual([[2, undefined], [1, true]]);
    expect(outbox.rejected).toEqual([]);
  });

  it("and then breaks the connection off, as Mosquitto 2.0 with max_queued_messages 0: it is the denied value that goes, not a record", async () => {
    await using broker = await startMosquitto([...RULES, "max_queued_messages 0"], (folder) => writeFile(join(folder, "acl"), "topic readwrite cellgate/+/+/+/+/+/rec/#\ntopic read #\n"));
    await using subscriber = await subscribe(broker.port);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(40));
    const board = testBoard({ scope: "health", machine: "VMC-3", payload: {} }, { scope: "live", machine: "VMC-3", name: "state", payload: {} });
    const destination = destinationAt(broker.port);
    let [link, breaks]: [Delivery | null, number] = [null, 0];
    const seen: Destination = { ...destination, connect: async (...asked) => {
      link = await destination.connect(...asked);
      void link.lost.then(() => breaks++);
      return link;
    } };
    await using _ = delivering(seen, outbox, { board, ports: testPorts({ random: () => 0, network: systemClock(10) }) });
    await outbox.drained();
    await subscriber.until((received) => new Set(seqs(received)).size === 40);
    // How many links that costs is timing: an answer may be lost with its link, and several be on their way at once.
    await expect.poll(() => link?.warnings().join(" "), { timeout: 10_000 }).toMatch(/^(?=.*\/vmc-3\/health)(?=.*\/vmc-3\/live\/state).*Not published any more/);
    await put(outbox, manyRecords(10, 40));
    await outbox.drained();
    expect(outbox.rejected).toEqual([]);
    expect(breaks).toBeGreaterThan(0);
  });

  it("looks like success over MQTT 3.1.1, which the peer's name says", async () => {
    await using broker = await startMosquitto(RULES, rules);
    await using subscriber = await subscribe(broker.port);
    const outbox = memoryOutbox();
    await put(outbox, [SAMPLES.state]);
    await using running = delivering(destinationAt(broker.port, { protocol: "3.1.1" }), outbox);
    await outbox.drained();
    expect(outbox.accepted).toEqual([1]);
    expect(subscriber.received).toEqual([]);
    expect(await running.untilLink(({ state }) => state === "up")).toMatchObject({ peer: expect.stringContaining("even for a publish that was refused") as string });
  });
});

describeNeeding([], "MQTT destination with aedes, which speaks 3.1.1 only", () => {
  it("falls back by itself", async () => {
    await using broker = await startAedes();
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(200));
    await using running = delivering(destinationAt(broker.port), outbox);
    await outbox.drained();
    expect(await running.untilLink(({ state }) => state === "up")).toMatchObject({ peer: expect.stringContaining("MQTT 3.1.1") as string });
  });

  it("does not fall back when MQTT 5 is asked for", async () => {
    await using broker = await startAedes();
    await using running = delivering(destinationAt(broker.port, { protocol: "5" }), memoryOutbox());
    expect(await running.untilLink(({ state }) => state === "down")).toMatchObject({ fault: "unsupported", retryInMs: 30_000 });
  });
});
