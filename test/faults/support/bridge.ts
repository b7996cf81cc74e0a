/**
 * A broker that is the bridge behind it as well, and misbehaves as told: what it takes goes into the log of what was
 * received, with its connection, before it is acknowledged. It also watches the client: never more unacknowledged than
 * its receive maximum, no packet larger than its maximum.
 */
import { once } from "node:events";
import { openSync, writeSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { receivedLog } from "./evidence.ts";
import { CONNECT, DISCONNECT, filtersIn, packet, Packets, PINGREQ, PUBLISH, publicationOf, SUBSCRIBE, text16, UNSUBSCRIBE, type Packet, type Publication } from "../../support/packets.ts";

/** A number acknowledges with that reason code; under 0x80 the message is taken. forgotten: acknowledged, and never taken. lost: never taken, never answered. mute: taken, never answered. die and take-and-die close instead of answering. */
export type Answer = number | "forgotten" | "lost" | "mute" | "die" | "take-and-die";
export interface Behaviour {
  /** CONNACK's reason code; or silence, or the end. */
  readonly connack?: number | "silent" | "close";
  /** Closes so long after a good CONNACK; ms. */
  readonly closesAfterMs?: number;
  /** Of the next connections. */
  readonly receiveMaximum?: number;
  readonly maximumPacketSize?: number;
  /** Of records; current values are always acknowledged with 0. */
  readonly answer?: () => Answer;
  /** How long an acknowledgement takes; drawn for each, so that they leave out of order. ms */
  readonly delayMs?: () => number;
  /** Reads nothing and answers nothing; connections stay open. */
  readonly frozen?: boolean;
}
export interface Bridge extends AsyncDisposable {
  readonly port: number;
  readonly name: string;
  readonly connections: number;
  /** Records taken, repeats included. */
  readonly taken: number;
  /** What the client did that it must not. */
  readonly complaints: readonly string[];
  /** Newest retained text by topic. */
  readonly retained: ReadonlyMap<string, string>;
  /** The agent's newest heartbeat and its topic; null before the first. */
  heartbeat(): { readonly topic: string; readonly text: string } | null;
  readonly behaviour: Behaviour;
  behave(behaviour: Behaviour): void;
  /** Resets every connection. */
  cut(): void;
  /** Publishes to every client, QoS 0. */
  send(topic: string, payload: string | Buffer): void;
  /** Sends bytes as they are, and no more a broker's. */
  sendRaw(bytes: Buffer): void;
}

const COMPLAINTS_KEPT = 10;

export async function startBridge(folder: string, name: string): Promise<Bridge> {
  const log = openSync(receivedLog(folder), "a");
  const complaints: string[] = [];
  const retained = new Map<string, string>();
  const sessions = new Set<Session>();
  let [behaviour, connections, taken]: [Behaviour, number, number] = [{}, 0, 0];
  const complain = (words: string): void => {
    if (complaints.length < COMPLAINTS_KEPT) complaints.push(`${name}: ${words}`);
  };
  const shared: Shared = {
    behaviour: () => behaviour, complain,
    take(connection, { topic, text, retain }) {
      if (retain) retained.set(topic, text);
      else {
        taken++;
        writeSync(log, `${name}-${connection}\t${name}\t${text}\n`);
      }
    },
  };
  const server = createServer((socket) => {
    const session = new Session(socket, ++connections, shared);
    sessions.add(session);
    socket.on("close", () => sessions.delete(session));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    name, complaints, retained,
    port: (server.address() as AddressInfo).port,
    heartbeat() {
      const [found] = [...retained].filter(([topic]) => /\/_agent\/[^/]+$/.test(topic));
      return found ? { topic: found[0], text: found[1] } : null;
    },
    get connections() { return connections; },
    get taken() { return taken; },
    get behaviour() { return behaviour; },
    behave(next) {
      behaviour = next;
      for (const session of sessions) session.freeze(next.frozen ?? false);
    },
    cut() {
      for (const session of sessions) session.socket.resetAndDestroy();
    },
    send(topic, payload) {
      for (const session of sessions) session.publish(topic, payload);
    },
    sendRaw(bytes) {
      for (const session of sessions) session.socket.write(bytes);
    },
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.socket.destroy();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

interface Shared {
  behaviour(): Behaviour;
  complain(words: string): void;
  take(connection: number, publication: Publication): void;
}

class Session {
  readonly socket: Socket;
  readonly #connection: number;
  readonly #shared: Shared;
  readonly #packets = new Packets();
  #level = 5;
  #inFlight = 0;
  #receiveMaximum = 65_535;
  #maximumPacketSize = Infinity;

  constructor(socket: Socket, connection: number, shared: Shared) {
    this.socket = socket;
    this.#connection = connection;
    this.#shared = shared;
    socket.setNoDelay(true).on("error", () => undefined).on("data", (chunk: Buffer) => {
      for (const packet of this.#packets.take(chunk)) if (!socket.destroyed) this.#handle(packet);
    });
    this.freeze(shared.behaviour().frozen ?? false);
  }

  freeze(frozen: boolean): void {
    if (frozen) this.socket.pause();
    else this.socket.resume();
  }

  publish(topic: string, payload: string | Buffer): void {
    this.#write(packet(0x30, text16(topic), ...(this.#level === 5 ? [[0]] : []), Buffer.from(payload)));
  }

  #handle(received: Packet): void {
    if (received.whole.length > this.#maximumPacketSize) this.#shared.complain(`a packet of ${received.whole.length} bytes, ${this.#maximumPacketSize} are allowed`);
    if (received.kind === CONNECT) this.#connect(received.body);
    else if (received.kind === PUBLISH) this.#published(publicationOf(received, this.#level));
    else if (received.kind === SUBSCRIBE || received.kind === UNSUBSCRIBE) {
      const granted = Array.from({ length: filtersIn(received, this.#level) }, () => 0);
      const isBare = received.kind === UNSUBSCRIBE && this.#level < 5;
      this.#write(packet((received.kind + 1) << 4, received.body.subarray(0, 2), ...(this.#level === 5 ? [[0]] : []), isBare ? [] : granted));
    } else if (received.kind === PINGREQ) this.#write(packet(0xd0));
    else if (received.kind === DISCONNECT) this.socket.end();
  }

  #connect(body: Buffer): void {
    const { connack = 0, closesAfterMs, receiveMaximum, maximumPacketSize } = this.#shared.behaviour();
    this.#level = body[6] ?? 0; // After 2 bytes of length and "MQTT".
    if (connack === "silent") return;
    if (connack === "close") return void this.socket.destroy();
    this.#receiveMaximum = receiveMaximum ?? this.#receiveMaximum;
    this.#maximumPacketSize = maximumPacketSize ?? this.#maximumPacketSize;
    const properties = [
      ...(receiveMaximum === undefined ? [] : [0x21, receiveMaximum >> 8, receiveMaximum & 255]),
      ...(maximumPacketSize === undefined ? [] : [0x27, 0, 0, maximumPacketSize >> 8, maximumPacketSize & 255]),
    ];
    this.#write(this.#level === 5 ? packet(0x20, [0, connack, properties.length, ...properties]) : packet(0x20, [0, connack]));
    if (connack !== 0) this.socket.end();
    else if (closesAfterMs !== undefined) setTimeout(() => this.socket.destroy(), closesAfterMs);
  }

  #published(publication: Publication): void {
    if (publication.qos === 0) return this.#shared.take(this.#connection, publication);
    if (++this.#inFlight > this.#receiveMaximum) this.#shared.complain(`${this.#inFlight} messages unacknowledged, ${this.#receiveMaximum} are allowed`);
    const { answer, delayMs } = this.#shared.behaviour();
    const given = publication.retain ? 0 : (answer?.() ?? 0);
    if (given === "mute" || given === "take-and-die" || (typeof given === "number" && given < 0x80)) this.#shared.take(this.#connection, publication);
    if (given === "die" || given === "take-and-die") this.socket.destroy();
    if (typeof given !== "number" && given !== "forgotten") return;
    const code = given === "forgotten" ? 0 : given;
    const acknowledge = (): void => {
      this.#inFlight--;
      this.#write(packet(0x40, [publication.packetId >> 8, publication.packetId & 255, ...(this.#level === 5 && code > 0 ? [code] : [])]));
    };
    const ms = delayMs?.() ?? 0;
    if (ms === 0) acknowledge();
    else setTimeout(acknowledge, ms);
  }

  #write(bytes: Buffer): void {
    if (!this.socket.destroyed && this.socket.writable) this.socket.write(bytes);
  }
}
