/** MQTT over WebSocket, at aedes and at servers that are none; RabbitMQ's is in rabbitmq.test.ts, wss in tls.test.ts. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { createServer as createTcp, type AddressInfo, type Server } from "node:net";
import { describe, expect, it } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { startAedes, subscribe } from "../../support/broker.ts";
import { AGENT_PATH, delivering, destinationAt, eventOf, put } from "../../support/delivering.ts";
import { memoryOutbox } from "../../support/memory-outbox.ts";
import { testPorts } from "../../support/ports.ts";
import { startProxy } from "../../support/proxy.ts";
import { manyRecords } from "../../support/sample-records.ts";

const forever = new AbortController().signal;
const ignore = (): void => undefined;
const CONNACK = Buffer.from([0x20, 0x03, 0x00, 0x00, 0x00]);
const at = (port: number, path = "/mqtt"): object => ({ url: `ws://127.0.0.1:${port}${path}` });

async function listening(server: Server): Promise<{ readonly port: number } & AsyncDisposable> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, async [Symbol.asyncDispose]() { server.close(); } };
}
/** Speaks WebSocket, and answers the first frame with what `answer` does. */
async function webSocketServer(answer: (webSocket: WebSocket) => void): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (webSocket) => void webSocket.on("error", ignore).once("message", () => answer(webSocket)));
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const webSocket of server.clients) webSocket.terminate();
      server.close();
    },
  };
}

describe("MQTT over WebSocket with aedes", () => {
  it("records arrive once and in order, through cuts, and downlinks come", async () => {
    await using broker = await startAedes();
    await using proxy = await startProxy(broker.webSocketPort);
    await using subscriber = await subscribe(broker.port, "cellgate/+/+/+/+/+/rec/+");
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(3_000));
    const ports = testPorts({ network: systemClock(50) });
    await using running = delivering(destinationAt(0, { ...at(proxy.port), protocol: "3.1.1" }, ports), outbox, { ports });
    for (const count of [500, 1_500]) {
      await subscriber.until(({ length }) => length >= count);
      proxy.cut();
    }
    await outbox.drained();
    await subscriber.until((received) => new Set(received.map(({ text }) => eventOf(text).seq)).size === 3_000);
    const first = subscriber.received.map(({ text }) => eventOf(text)).filter(({ replay }) => replay !== true).map(({ seq }) => seq);
    expect(first).toEqual(first.toSorted((a, b) => a - b));
    await running.stop();

    const heard: string[] = [];
    const delivery = await destinationAt(0, at(broker.webSocketPort)).connect(forever, (kind, payload) => void heard.push(`${kind} ${Buffer.from(payload).toString()}`));
    while (heard.length === 0) {
      await subscriber.publish(`${AGENT_PATH}/confirm`, "{}");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(heard[0]).toBe("confirm {}");
    await delivery.close();
  });

  it("a half-open link is noticed like any other", async () => {
    await using broker = await startAedes();
    await using proxy = await startProxy(broker.webSocketPort);
    await using running = delivering(destinationAt(0, { ...at(proxy.port), keepalive: "1s" }), memoryOutbox());
    await running.untilLink(({ state }) => state === "up");
    proxy.set({ mutes: "both" });
    expect(await running.untilLink(({ state }) => state === "down")).toMatchObject({ fault: "timeout", message: expect.stringContaining("gone silent") as string });
  });
});

describe("what is not MQTT over WebSocket", () => {
  it("another path, another protocol, no answer: each said in its own words", async () => {
    await using web = await listening(createHttp((_, response) => void response.writeHead(404).end()));
    await expect(destinationAt(0, at(web.port, "/wrong")).connect(forever, ignore)).rejects.toMatchObject({ message: `The broker at 127.0.0.1:${web.port} cannot be reached over WebSocket: it answered HTTP 404 for /wrong. Check the path in the url.` });
    await using moving = await listening(createHttp((_, response) => void response.writeHead(302, { location: "ws://192.0.2.1/" }).end()));
    await expect(destinationAt(0, at(moving.port)).connect(forever, ignore)).rejects.toMatchObject({ message: expect.stringContaining("HTTP 302") as string });
    const other = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => false });
    await once(other, "listening");
    await expect(destinationAt(0, at((other.address() as AddressInfo).port)).connect(forever, ignore)).rejects.toMatchObject({ message: expect.stringContaining("subprotocol") as string });
    other.close();
    await using plain = await listening(createTcp((socket) => void socket.on("error", ignore).once("data", () => socket.end("* not HTTP\r\n\r\n"))));
    await expect(destinationAt(0, at(plain.port)).connect(forever, ignore)).rejects.toMatchObject({ name: "LinkError", message: expect.stringContaining("path") as string });
    await using silent = await listening(createTcp((socket) => void socket.on("error", ignore)));
    await expect(destinationAt(0, at(silent.port), testPorts({ network: systemClock(100) })).connect(forever, ignore)).rejects.toMatchObject({ fault: "timeout", message: expect.stringContaining("did not answer for /mqtt") as string });
  });

  it("headers without an end, a frame beyond the bound, text, a packet beyond the bound: the link ends with a reason", async () => {
    await using endless = await listening(createTcp((socket) => void socket.on("error", ignore).once("data", () => socket.write(`HTTP/1.1 101 Switching\r\nX: ${"a".repeat(200_000)}`))));
    await expect(destinationAt(0, at(endless.port)).connect(forever, ignore)).rejects.toMatchObject({ name: "LinkError" });
    const lost = async (say: (webSocket: WebSocket) => void): Promise<string> => {
      await using server = await webSocketServer((webSocket) => {
        webSocket.send(CONNACK);
        setTimeout(() => say(webSocket), 20);
      });
      const delivery = await destinationAt(0, at(server.port)).connect(forever, ignore);
      const { message } = await delivery.lost;
      await delivery.close();
      return message;
    };
    expect(await lost((webSocket) => webSocket.send(Buffer.alloc(1_048_577)))).toContain("Max payload size exceeded");
    expect(await lost((webSocket) => webSocket.send("hello"))).toContain("text frame");
    expect(await lost((webSocket) => webSocket.send(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f])))).toContain("a packet of 268435455 bytes");
    expect(await lost((webSocket) => webSocket.close())).toContain("closed the connection");
  });

  it.each([
    ["a text frame", Buffer.from([0x81, 0x02, 0x68, 0x69]), "a text frame"],
    ["a frame of a terabyte", Buffer.from([0x82, 0x7f, 0, 0, 1, 0, 0, 0, 0, 0]), "Max payload size exceeded"],
    ["a reserved opcode", Buffer.from([0x8b, 0x00]), "invalid opcode 11"],
  ])("that comes with the answer to the handshake, %s, ends the link and not the agent", async (_, frame, words) => {
    await using server = await listening(createTcp((socket) => void socket.on("error", ignore).once("data", (request: Buffer) => {
      const key = /sec-websocket-key: (.*)\r/i.exec(request.toString())?.[1] ?? "";
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n`), frame]));
    })));
    await expect(destinationAt(0, at(server.port)).connect(forever, ignore)).rejects.toMatchObject({ name: "LinkError", message: expect.stringContaining(words) as string });
  });
});
