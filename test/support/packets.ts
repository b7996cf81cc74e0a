/** MQTT 5 and 3.1.1 packets by hand from the specifications, as a broker reads and writes them. Shares no code with the client under test. */

export interface Packet {
  readonly kind: number;
  readonly flags: number;
  readonly body: Buffer;
  /** As it came: head and body. */
  readonly whole: Buffer;
}
export const CONNECT = 1;
export const PUBLISH = 3;
export const SUBSCRIBE = 8;
export const UNSUBSCRIBE = 10;
export const PINGREQ = 12;
export const DISCONNECT = 14;

export function packet(first: number, ...parts: readonly (Buffer | readonly number[])[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const length: number[] = [];
  for (let left = body.length; ; left >>= 7) {
    if (left < 128) {
      length.push(left);
      break;
    }
    length.push((left & 127) | 128);
  }
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}
export const text16 = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
};

/** Gathers chunks and hands out whole packets. */
export class Packets {
  #buffered: Buffer = Buffer.alloc(0);

  *take(chunk: Buffer): Generator<Packet> {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    for (;;) {
      let [length, at] = [0, 1];
      for (let shift = 0; ; shift += 7) {
        const byte = this.#buffered[at++];
        if (byte === undefined) return;
        length |= (byte & 127) << shift;
        if (byte < 128) break;
      }
      if (this.#buffered.length < at + length) return;
      const first = this.#buffered[0] ?? 0;
      const whole = this.#buffered.subarray(0, at + length);
      this.#buffered = this.#buffered.subarray(at + length);
      yield { kind: first >> 4, flags: first & 15, body: whole.subarray(at), whole };
    }
  }
}

export interface Publication {
  readonly topic: string;
  readonly text: string;
  readonly packetId: number;
  readonly qos: number;
  readonly retain: boolean;
}
export function publicationOf({ flags, body }: Packet, level: number): Publication {
  const topicLength = body.readUInt16BE(0);
  const qos = (flags >> 1) & 3;
  let at = 2 + topicLength;
  const packetId = qos > 0 ? body.readUInt16BE(at) : 0;
  at += qos > 0 ? 2 : 0;
  if (level === 5) {
    const [length, next] = variable(body, at);
    at = next + length;
  }
  return { topic: body.toString("utf8", 2, 2 + topicLength), text: body.toString("utf8", at), packetId, qos, retain: (flags & 1) === 1 };
}
/** How many filters a SUBSCRIBE or UNSUBSCRIBE names; each filter of the former has an options byte. */
export function filtersIn({ kind, body }: Packet, level: number): number {
  let at = 2;
  if (level === 5) {
    const [length, next] = variable(body, at);
    at = next + length;
  }
  let count = 0;
  for (; at < body.length; count++) at += 2 + body.readUInt16BE(at) + (kind === SUBSCRIBE ? 1 : 0);
  return count;
}
/** A variable byte integer, and where what follows it begins. */
function variable(body: Buffer, from: number): readonly [number, number] {
  let [value, at] = [0, from];
  for (let shift = 0; ; shift += 7) {
    const byte = body[at++] ?? 0;
    value |= (byte & 127) << shift;
    if (byte < 128) return [value, at];
  }
}
