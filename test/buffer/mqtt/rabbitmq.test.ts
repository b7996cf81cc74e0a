/** RabbitMQ's MQTT plugin: one broker for the whole file, since it takes ten seconds to start. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { destinationConformance } from "../../conformance/destination.ts";
import type { DownlinkKind } from "../../../agent/contract/destination.ts";
import { subscribe } from "../../support/broker.ts";
import { AGENT_PATH, delivering, destinationAt, eventOf, put, testBoard } from "../../support/delivering.ts";
import { freePort } from "../../support/free-port.ts";
import { memoryOutbox } from "../../support/memory-outbox.ts";
import { describeNeeding } from "../../support/needs.ts";
import { startRabbitMq, type RabbitMq } from "../../support/rabbitmq.ts";
import { manyRecords } from "../../support/sample-records.ts";
import { answeringPeers } from "./answering-peer.ts";

const STARTING_MS = 150_000;

describeNeeding(["rabbitmq-server"], "MQTT with RabbitMQ as a destination like any other", () => {
  let broker: RabbitMq | undefined;
  beforeAll(async () => { broker = await startRabbitMq(); }, STARTING_MS);
  afterAll(async () => { await broker?.[Symbol.asyncDispose](); });
  const port = (): number => broker?.port ?? 0;

  destinationConformance(answeringPeers(port, { protocol: "3.1.1" }), async () => destinationAt(await freePort()), { refuses: false });

  it("version 3.10 hangs up on MQTT 5, and we say which key helps", async () => {
    await expect(destinationAt(port()).connect(new AbortController().signal, () => undefined)).rejects.toMatchObject({ message: expect.stringContaining("set protocol: 3.1.1") as string });
  });

  it.each([["MQTT", "mqtt", (): number => port()], ["MQTT over WebSocket", "ws", (): number => broker?.webSocketPort ?? 0]])("%s: records in order, current values kept, downlinks come", async (_, scheme, at) => {
    await using subscriber = await subscribe(port(), "cellgate/#");
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(1_000));
    const board = testBoard({ scope: "heartbeat", payload: { status: "online" } });
    const url = `${scheme}://127.0.0.1:${at()}${scheme === "ws" ? "/ws" : ""}`;
    const destination = destinationAt(at(), { url, protocol: "3.1.1" });
    await using running = delivering(destination, outbox, { board });
    await outbox.drained();
    expect(await running.untilLink(({ state }) => state === "up")).toMatchObject({ peer: expect.stringContaining("MQTT 3.1.1") as string });
    const seqs = (): readonly number[] => subscriber.received.filter(({ topic }) => topic.includes("/rec/")).map(({ text }) => eventOf(text).seq);
    await subscriber.until(() => seqs().length === 1_000);
    expect(seqs()).toEqual(Array.from({ length: 1_000 }, (_, n) => n + 1));
    await running.stop();

    const heard: [DownlinkKind, string][] = [];
    let ring = (): void => undefined;
    const delivery = await destination.connect(new AbortController().signal, (kind, payload) => {
      heard.push([kind, Buffer.from(payload).toString()]);
      ring();
    });
    const rung = new Promise<void>((resolve) => (ring = resolve));
    const again = setInterval(() => void subscriber.publish(`${AGENT_PATH}/confirm`, '{"through":1}'), 100);
    await rung;
    clearInterval(again);
    expect(heard[0]).toEqual(["confirm", '{"through":1}']);
    expect(delivery.warnings()).toEqual([expect.stringContaining("no negative acknowledgement") as string]);
    await delivery.close();
  });
});
