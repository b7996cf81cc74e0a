/**
 * PUBLISH at QoS 1 or 0 straight onto the connection's socket: one buffer a packet, one write for all packets of one turn of
 * the event loop, and no second in-flight table beside ours. And (UN)SUBSCRIBE, whose packet ids come from the same numbers
 * (MQTT 5 §2.2.1: a broker must not see one twice). mqtt.js writes a packet in seven pieces, copies it into a
 * store and looks after it there: half of what a record costs while a backlog drains. Everything else stays with
 * mqtt.js: CONNECT, pings, incoming packets, DISCONNECT. Bounded by the caller's window.
 *
 * PUBLISH: MQTT 5 §3.3, 3.1.1 §3.3: type and flags, remaining length, topic, packet id, [properties], payload.
 */
import type { Writable } from "node:stream";

export interface Packet {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly retain: boolean;
  /** Property 3 of MQTT 5, empty when none is to be said; null for 3.1.1, which has no properties. */
  readonly contentType: string | null;
}

const LARGEST_ID = 65_535;
const PUBLISH = 0x30;
const QOS1 = 0x02;
const RETAIN = 0x01;
const SUBSCRIBE = 0x82;
const UNSUBSCRIBE = 0xa2;
/** MQTT 5 §3.8.3.1: QoS 1, and retained messages are not sent because of the subscription. 3.1.1 knows only the QoS. */
const QOS1_NOTHING_RETAINED = 0x21;
const QOS1_FILTER = 0x01;
const CONTENT_TYPE_PROPERTY = 0x03;
/** Topics and content types come again and again; a machine has some dozens. */
const KNOWN_TEXTS = 10_000;

/** A connection, or whatever stands for one. */
export type Output = Pick<Writable, "cork" | "uncork" | "write">;

export class Publisher {
  readonly #socket: Output;
  readonly #pending = new Map<number, (code: number) => void>();
  readonly #subscriptions = new Map<number, (codes: readonly number[]) => void>();
  readonly #texts = new Map<string, Buffer>();
  #lastId = 0;
  #isCorked = false;

  constructor(socket: Output) {
    this.#socket = socket;
  }

  /** `done` is called by `acknowledge`. Throws RangeError when every packet id is in flight, which a window forbids. */
  publish(packet: Packet, done: (code: number) => void): void {
    const id = this.#nextId();
    this.#pending.set(id, done);
    this.#write(this.#encode(packet, id));
  }

  /** QoS 0: sent, and not heard of again. */
  send(packet: Packet): void {
    this.#write(this.#encode(packet, null));
  }

  #write(packet: Buffer): void {
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      // After the microtasks too: acknowledgements of one chunk each make room, and what fills it leaves together.
      process.nextTick(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(packet);
  }

  /** PUBACK. An id that is not in flight is the broker's mistake and changes nothing. */
  acknowledge(id: number, code: number): void {
    const done = this.#pending.get(id);
    this.#pending.delete(id);
    done?.(code);
  }

  /** One SUBSCRIBE of these filters; `done` is called with the reason codes, in their order. */
  subscribe(filters: readonly string[], { level, retained }: { readonly level: 5 | 4; readonly retained: boolean }, done: (codes: readonly number[]) => void): void {
    const id = this.#nextId();
    const options = level === 5 && !retained ? QOS1_NOTHING_RETAINED : QOS1_FILTER;
    this.#subscriptions.set(id, done);
    this.#filters(SUBSCRIBE, id, level, filters.flatMap((filter) => [this.#text(filter), Buffer.from([options])]));
  }
  /** The broker's answer says nothing that matters, and is passed over. */
  unsubscribe(filters: readonly string[], level: 5 | 4): void {
    this.#filters(UNSUBSCRIBE, this.#nextId(), level, filters.map((filter) => this.#text(filter)));
  }
  #filters(type: number, id: number, level: 5 | 4, parts: readonly Buffer[]): void {
    const body = Buffer.concat([Buffer.from([id >> 8, id & 255]), ...(level === 5 ? [Buffer.from([0])] : []), ...parts]);
    const head = Buffer.alloc(1 + lengthBytes(body.length), type);
    writeLength(head, 1, body.length);
    this.#socket.write(Buffer.concat([head, body]));
  }

  /** SUBACK. */
  subscribed(id: number, codes: readonly number[]): void {
    const done = this.#subscriptions.get(id);
    this.#subscriptions.delete(id);
    done?.(codes);
  }

  /** Nothing in flight is called back any more. */
  forget(): void {
    this.#pending.clear();
    this.#subscriptions.clear();
  }

  #nextId(): number {
    if (this.#pending.size + this.#subscriptions.size >= LARGEST_ID) throw new RangeError("every packet id is in flight");
    do this.#lastId = this.#lastId === LARGEST_ID ? 1 : this.#lastId + 1; while (this.#pending.has(this.#lastId) || this.#subscriptions.has(this.#lastId));
    return this.#lastId;
  }

  /** `id` null: QoS 0, which has none. */
  #encode({ topic, payload, retain, contentType }: Packet, id: number | null): Buffer {
    const name = this.#text(topic);
    const type = contentType === null ? null : this.#text(contentType);
    const propertyBytes = contentType === null || contentType === "" || type === null ? 0 : 1 + type.length;
    const payloadBytes = Buffer.byteLength(payload);
    const properties = type === null ? 0 : lengthBytes(propertyBytes) + propertyBytes;
    const remaining = name.length + (id === null ? 0 : 2) + properties + payloadBytes;
    const packet = Buffer.allocUnsafe(1 + lengthBytes(remaining) + remaining);
    packet[0] = PUBLISH | (id === null ? 0 : QOS1) | (retain ? RETAIN : 0);
    let at = writeLength(packet, 1, remaining);
    at += name.copy(packet, at);
    if (id !== null) at = packet.writeUInt16BE(id, at);
    if (type !== null) {
      at = writeLength(packet, at, propertyBytes);
      if (propertyBytes > 0) {
        packet[at] = CONTENT_TYPE_PROPERTY;
        at += 1;
        at += type.copy(packet, at);
      }
    }
    if (typeof payload === "string") packet.write(payload, at);
    else packet.set(payload, at);
    return packet;
  }

  /** UTF-8 behind its length in two bytes. */
  #text(text: string): Buffer {
    const known = this.#texts.get(text);
    if (known) return known;
    const bytes = Buffer.from(text);
    const encoded = Buffer.alloc(2 + bytes.length);
    encoded.writeUInt16BE(bytes.length, 0);
    bytes.copy(encoded, 2);
    if (this.#texts.size < KNOWN_TEXTS) this.#texts.set(text, encoded);
    return encoded;
  }
}

/** Lengths are written seven bits a byte, lowest first; at most 268,435,455. */
const lengthBytes = (length: number): number => (length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : 4);

function writeLength(packet: Buffer, from: number, length: number): number {
  let at = from;
  let rest = length;
  do {
    const digit = rest % 128;
    rest = Math.trunc(rest / 128);
    packet[at] = rest > 0 ? digit | 0x80 : digit;
    at += 1;
  } while (rest > 0);
  return at;
}
