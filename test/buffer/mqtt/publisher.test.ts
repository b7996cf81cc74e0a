/** Packets that we write ourselves, as real brokers of both versions read them: every width of the length field, every kind of text. */
import { expect, test } from "vitest";
import { openConnection, type Connection, type ProtocolLevel } from "../../../buffer/mqtt/connection.ts";
import { unixMs } from "../../../agent/contract/time.ts";
import { Publisher } from "../../../buffer/mqtt/publisher.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { startMosquitto, subscribe } from "../../support/broker.ts";
import { describeNeeding } from "../../support/needs.ts";
import { PassThrough } from "node:stream";

const SIZES = [0, 1, 60, 90, 100, 126, 127, 128, 129, 16_300, 16_383, 16_384, 16_400, 70_000, 2_097_151, 2_097_200];

const connectionTo = (port: number, level: ProtocolLevel): Promise<Connection> => openConnection({
  address: { url: "", host: "127.0.0.1", port, path: null, tls: null, releasedAt: unixMs(0), network: systemClock() }, level, clientId: "publisher", keepaliveMs: 15_000,
  will: { topic: "will", payload: "gone", retain: true }, network: systemClock(),
}, AbortSignal.timeout(10_000));

describeNeeding(["mosquitto"], "SUBSCRIBE and UNSUBSCRIBE at a real broker", () => {
  test.each<[ProtocolLevel]>([[5], [4]])("level %i: several at once, each with its own answer; what is given up no longer comes", async (level) => {
    await using broker = await startMosquitto();
    await using other = await subscribe(broker.port, "none");
    const connection = await connectionTo(broker.port, level);
    const [taken, { promise, resolve }] = [[] as string[], Promise.withResolvers<void>()];
    const asked = (filters: readonly string[], take: (topic: string) => void): Promise<readonly number[]> => new Promise((answered) => connection.subscribe(filters, ({ topic }) => { take(topic); }, answered));
    const answers = await Promise.all([asked(["a"], (topic) => taken.push(topic)), asked(["b", "c"], (topic) => { if (topic === "c") resolve(); })]);
    expect(answers.map((codes) => codes.length)).toEqual([1, 2]);
    await other.publish("a", "before");
    connection.unsubscribe(["a", "b"]);
    await new Promise<void>((done) => connection.publish({ topic: "d", payload: "", retain: false, contentType: "" }, () => { done(); })); // By then it has been taken.
    for (const topic of ["a", "b", "c"]) await other.publish(topic, "after");
    await promise;
    expect(taken).toEqual(["a", "c"]);
    await connection.close();
  });
});

describeNeeding(["mosquitto"], "PUBLISH at a real broker", () => {
  test.each<[ProtocolLevel]>([[5], [4]])("level %i: every message arrives as it was given, and is acknowledged", async (level) => {
    await using broker = await startMosquitto();
    await using subscriber = await subscribe(broker.port, "#", 5);
    const connection = await connectionTo(broker.port, level);
    const sent = SIZES.map((size, index) => ({ topic: `a/${"ä".repeat(index)}/${size}`, payload: "ü→x".repeat(Math.ceil(size / 6)).slice(0, size), retain: index % 3 === 0, contentType: "application/cloudevents+json" }));
    const codes: number[] = [];
    // One at a time and all at once: the same packets, written alone and together.
    for (const message of sent) await new Promise<void>((resolve) => connection.publish(message, (code) => { codes.push(code); resolve(); }));
    await Promise.all(sent.map((message) => new Promise<void>((resolve) => connection.publish(message, (code) => { codes.push(code); resolve(); }))));
    await subscriber.until(({ length }) => length === 2 * sent.length);
    await connection.close();
    expect(codes).toEqual(codes.map(() => 0));
    const same = (one: { readonly topic: string }, two: { readonly topic: string }): number => (one.topic < two.topic ? -1 : one.topic > two.topic ? 1 : 0);
    expect(subscriber.received.map(({ topic, text, contentType }) => ({ topic, text, contentType })).sort(same))
      .toEqual([...sent, ...sent].map(({ topic, payload }) => ({ topic, text: payload, contentType: level === 5 ? "application/cloudevents+json" : undefined })).sort(same));
  });
});

test("packet ids go round without touching those in flight, and an acknowledgement of none changes nothing", async () => {
  const written: number[] = [];
  const socket = new PassThrough();
  socket.on("data", (bytes: Buffer) => { for (let at = 0; at < bytes.length; at += 7) written.push(bytes.readUInt16BE(at + 5)); });
  const publisher = new Publisher(socket);
  const acknowledged: string[] = [];
  const send = (name: string): void => publisher.publish({ topic: "t", payload: "", retain: false, contentType: null }, () => void acknowledged.push(name));
  send("stuck");
  for (let n = 0; n < 65_534; n++) send("once");
  expect(() => { send("one too many"); }).toThrow("in flight");
  for (let id = 2; id <= 65_535; id++) publisher.acknowledge(id, 0);
  publisher.acknowledge(2, 0);
  expect(acknowledged).toHaveLength(65_534);
  send("again");
  publisher.acknowledge(2, 0);
  expect(acknowledged.at(-1)).toBe("again");
  publisher.forget();
  publisher.acknowledge(1, 0);
  expect(acknowledged).not.toContain("stuck");
  await new Promise((resolve) => setImmediate(resolve));
  expect(written.slice(0, 3)).toEqual([1, 2, 3]);
});
