/**
 * A broker that does as it is told: MQTT 5 and 3.1.1 bytes written by hand from the specification, sharing no code with
 * the client under test. It counts what is unacknowledged, so that a broken window shows.
 */
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { packet as wholePacket, Packets } from "./packets.ts";

export interface Published {
  readonly topic: string;
  readonly text: string;
  readonly packetId: number;
  readonly retain: boolean;
  /** Of the connection, counted from 1. */
  readonly connection: number;
}
/**
 * A reason code acknowledges with it; "silent" never answers; "die" closes without answering. "last" is
 * answered after all others that wait, "twice" two times, "stranger" with an id that nobody used, beside the right one.
 */
export type Answer = number | "silent" | "die" | "last" | "twice" | "stranger";

export interface Script {
  readonly receiveMaximum?: number;
  readonly maximumPacketSize?: number;
  /** CONNACK reason code; "silent" never answers, "close" closes. */
  readonly connack?: (connection: number, level: number) => number | "silent" | "close";
  readonly publish?: (message: Published, nth: number) => Answer;
  /** How long an acknowledgement takes; milliseconds. */
  readonly delayMs?: number;
  /** SUBACK reason codes; "silent" never answers, "die" closes. Default: all granted. */
  readonly subscribe?: (filters: readonly string[], connection: number) => readonly number[] | "silent" | "die";
  /** Given the body of each CONNECT. */
  readonly onConnect?: (body: Buffer) => void;
  /** Other properties of CONNACK, as bytes. MQTT 5 only. */
  readonly properties?: readonly number[];
}
export interface ScriptedBroker extends AsyncDisposable {
  readonly port: number;
  readonly published: readonly Published[];
  readonly connections: number;
  /** Most messages of one connection unacknowledged at once. */
  readonly mostInFlight: number;
  /** Filters that were asked for, over all connections. */
  readonly subscriptions: readonly string[];
  /** PUBACK of messages to clients so far. */
  readonly acknowledged: number;
  /** DISCONNECT with a reason code, to everyone. */
  dismiss(code: number): void;
  /** Closes every connection without a word. */
  hangUp(): void;
  /** A message to everyone, whether they asked for it or not. Resolves when it has been written. */
  say(topic: string, payload: string | Uint8Array, flags?: { readonly qos?: 0 | 1 | 2; readonly retain?: boolean }): Promise<void>;
  /** These bytes, to everyone. Resolves when they have been written, or the peers are gone. */
  raw(bytes: Uint8Array): Promise<void>;
}

const packet = (first: number, ...body: readonly number[]): Buffer => wholePacket(first, body);

export async function startScriptedBroker(script: Script): Promise<ScriptedBroker> {
  const published: Published[] = [];
  const sockets = new Set<Socket>();
  const levels = new Map<Socket, number>();
  const subscriptions: string[] = [];
  let connections = 0;
  let mostInFlight = 0;
  let acknowledged = 0;
  let nextId = 0;

  const serve = (socket: Socket): void => {
    const connection = ++connections;
    let level = 5;
    let inFlight = 0;
    const packets = new Packets();
    const held: (() => void)[] = [];
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => {
      sockets.delete(socket);
      levels.delete(socket);
    });

    const connect = (body: Buffer): void => {
      level = body[6] ?? 0; // 2 + "MQTT", then the protocol level.
      levels.set(socket, level);
      script.onConnect?.(Buffer.from(body));
      const code = script.connack?.(connection, level) ?? 0;
      if (code === "silent") return;
      if (code === "close") return void socket.destroy();
      const properties: number[] = [];
      if (script.receiveMaximum !== undefined) properties.push(0x21, script.receiveMaximum >> 8, script.receiveMaximum & 255);
      if (script.properties !== undefined) properties.push(...script.properties);
      if (script.maximumPacketSize !== undefined) properties.push(0x27, 0, 0, script.maximumPacketSize >> 8, script.maximumPacketSize & 255);
      socket.write(level === 5 ? packet(0x20, 0, code, properties.length, ...properties) : packet(0x20, 0, code));
      if (code !== 0) socket.end();
    };
    const publish = (flags: number, body: Buffer): void => {
      const topicLength = body.readUInt16BE(0);
      const packetId = body.readUInt16BE(2 + topicLength);
      const propertiesAt = 4 + topicLength;
      const payloadAt = level === 5 ? propertiesAt + 1 + (body[propertiesAt] ?? 0) : propertiesAt;
      const message = { topic: body.toString("utf8", 2, 2 + topicLength), text: body.toString("utf8", payloadAt), packetId, retain: (flags & 1) === 1, connection };
      published.push(message);
      mostInFlight = Math.max(mostInFlight, ++inFlight);
      const answer = script.publish?.(message, published.length) ?? 0;
      if (answer === "silent") return;
      if (answer === "die") return void socket.destroy();
      const code = typeof answer === "number" ? answer : 0;
      const acknowledge = (id: number): void => void socket.write(packet(0x40, id >> 8, id & 255, ...(level === 5 && code > 0 ? [code] : [])));
      const settle = (): void => {
        inFlight--;
        if (answer === "stranger") acknowledge(packetId === 65_535 ? 1 : 60_000);
        acknowledge(packetId);
        if (answer === "twice") acknowledge(packetId);
        for (const late of held.splice(0).reverse()) late();
      };
      if (answer === "last") held.push(settle);
      else setTimeout(settle, script.delayMs ?? 0);
    };
    const subscribe = (body: Buffer): void => {
      const filters: string[] = [];
      for (let at = level === 5 ? 3 + (body[2] ?? 0) : 2; at < body.length;) {
        const length = body.readUInt16BE(at);
        filters.push(body.toString("utf8", at + 2, at + 2 + length));
        at += 2 + length + 1;
      }
      subscriptions.push(...filters);
      const codes = script.subscribe?.(filters, connection) ?? filters.map(() => 1);
      if (codes === "silent") return;
      if (codes === "die") return void socket.destroy();
      socket.write(packet(0x90, body[0] ?? 0, body[1] ?? 0, ...(level === 5 ? [0] : []), ...codes));
    };
    socket.on("data", (chunk: Buffer) => {
      for (const { kind, flags, body } of packets.take(chunk)) {
        if (kind === 1) connect(body);
        else if (kind === 3) publish(flags, body);
        else if (kind === 4) acknowledged++;
        else if (kind === 8) subscribe(body);
        else if (kind === 12) socket.write(packet(0xd0));
        else if (kind === 14) socket.end();
      }
    });
  };
  const toAll = async (bytes: (level: number) => Uint8Array): Promise<void> => {
    await Promise.all([...sockets].map((socket) => new Promise<void>((resolve) => {
      const done = (): void => {
        socket.off("close", done);
        resolve();
      };
      socket.once("close", done).write(bytes(levels.get(socket) ?? 5), done);
    })));
  };
  const server = createServer(serve).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    published,
    get connections() { return connections; },
    subscriptions,
    get mostInFlight() { return mostInFlight; },
    get acknowledged() { return acknowledged; },
    hangUp() {
      for (const socket of sockets) socket.destroy();
    },
    raw: (bytes) => toAll(() => bytes),
    say(topic, payload, { qos = 1, retain = false } = {}) {
      const name = Buffer.from(topic);
      nextId = nextId === 65_535 ? 1 : nextId + 1;
      const id = qos === 0 ? [] : [nextId >> 8, nextId & 255];
      return toAll((level) => {
        const head = Buffer.from([name.length >> 8, name.length & 255, ...name, ...id, ...(level === 5 ? [0] : [])]);
        const body = Buffer.from(payload);
        return wholePacket(0x30 | (qos << 1) | (retain ? 1 : 0), head, body);
      });
    },
    dismiss(code) {
      for (const socket of sockets) socket.end(packet(0xe0, code));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}
