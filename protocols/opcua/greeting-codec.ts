/**
 * The few OPC UA messages it takes to ask a server what it offers, without a session, without certificates, and without
 * the library: Hello, OpenSecureChannel (no security), GetEndpoints, CloseSecureChannel (Part 6 §5.2, §6.7, §7.1; Part 4
 * §5.5.4, §5.6.2). Nothing else can be encoded.
 */
import { malformed } from "../shared/bytes.ts";
import type { Framer } from "../shared/exchange.ts";

export type MessageType = "HEL" | "ACK" | "ERR" | "OPN" | "MSG" | "CLO";
export interface Message {
  readonly type: string;
  /** Of a message of several chunks, all of them, each without its headers. */
  readonly body: Uint8Array;
  readonly channel: number;
}
export interface Offered {
  readonly mode: "none" | "sign" | "encrypt" | "unknown";
  readonly policy: string;
  readonly logins: readonly string[];
}
export interface Server {
  readonly name: string;
  readonly productUri: string;
  readonly applicationUri: string;
  readonly endpoints: readonly Offered[];
}

const CHUNK_LIMIT = 64 * 1024;
const MESSAGE_LIMIT = 1024 * 1024;
const HEAD = 8;
/** Sequence number and request id. */
const SEQUENCE = 8;
const NONE = "http://opcfoundation.org/UA/SecurityPolicy#None";
const MODES: Readonly<Record<number, Offered["mode"]>> = { 1: "none", 2: "sign", 3: "encrypt" };
const LOGINS: Readonly<Record<number, string>> = { 0: "without a user", 1: "user name", 2: "user certificate", 3: "issued token" };
/** Binary encoding ids (Part 6, annex A: NodeIds.csv). */
const IDS = { openRequest: 446, openResponse: 449, closeRequest: 452, endpointsRequest: 428, endpointsResponse: 431, fault: 397 } as const;

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const text = (value: string | null): Buffer => (value === null ? u32(0xff_ff_ff_ff) : Buffer.concat([u32(Buffer.byteLength(value)), Buffer.from(value)]));
const framed = (type: MessageType, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(`${type}F`, "latin1"), u32(HEAD + body.length), body]);
};
/** Four-byte node id in namespace 0. */
const nodeId = (id: number): Buffer => Buffer.from([1, 0, id & 0xff, id >> 8]);
/** No session, no stamp, no diagnostics. */
const requestHeader = (handle: number, timeoutMs: number): Buffer =>
  Buffer.concat([Buffer.from([0, 0]), Buffer.alloc(8), u32(handle), u32(0), text(null), u32(timeoutMs), Buffer.from([0, 0, 0])]);

export const encodeHello = (url: string): Buffer => framed("HEL", u32(0), u32(CHUNK_LIMIT), u32(CHUNK_LIMIT), u32(MESSAGE_LIMIT), u32(64), text(url));
export const encodeOpen = (timeoutMs: number): Buffer =>
  framed("OPN", u32(0), text(NONE), text(null), text(null), u32(1), u32(1), nodeId(IDS.openRequest), requestHeader(1, timeoutMs), u32(0), u32(0), u32(1), text(null), u32(60_000));
export const encodeGetEndpoints = ({ channel, token }: Channel, url: string, timeoutMs: number): Buffer =>
  framed("MSG", u32(channel), u32(token), u32(2), u32(2), nodeId(IDS.endpointsRequest), requestHeader(2, timeoutMs), text(url), text(null), text(null));
export const encodeClose = ({ channel, token }: Channel): Buffer => framed("CLO", u32(channel), u32(token), u32(3), u32(3), nodeId(IDS.closeRequest), requestHeader(3, 0));

export interface Channel {
  readonly channel: number;
  readonly token: number;
}

/** Bytes → messages, chunks put together. Throws LinkError("protocol") for what is no OPC UA. */
export class MessageFramer implements Framer<Message> {
  readonly #what: string;
  #held: Buffer = Buffer.alloc(0);
  #chunks: Uint8Array[] = [];

  constructor(what: string) {
    this.#what = what;
  }

  reset(): void {
    this.#held = Buffer.alloc(0);
    this.#chunks = [];
  }

  push(bytes: Uint8Array): readonly Message[] {
    this.#held = Buffer.concat([this.#held, bytes]);
    const messages: Message[] = [];
    while (this.#held.length >= 4) {
      const head = this.#held.toString("latin1", 0, 4);
      if (!/^(?:ACKF|ERRF|OPNF|MSG[CFA]|CLOF)$/u.test(head)) throw malformed(this.#what, "is no OPC UA message", this.#held, 0);
      if (this.#held.length < HEAD) break;
      const size = this.#held.readUInt32LE(4);
      if (size < HEAD || size > CHUNK_LIMIT) throw malformed(this.#what, `says that it has ${size} bytes`, this.#held, 4);
      if (this.#held.length < size) break;
      const message = this.#chunk(head, Buffer.from(this.#held.subarray(HEAD, size)));
      this.#held = Buffer.from(this.#held.subarray(size));
      if (message !== null) messages.push(message);
    }
    return messages;
  }

  #chunk(head: string, payload: Buffer): Message | null {
    const type = head.slice(0, 3);
    if (type === "ACK" || type === "ERR") return { type, body: payload, channel: 0 };
    const reader = new LittleReader(payload, this.#what);
    const channel = reader.u32();
    if (type === "OPN") for (let field = 0; field < 3; field++) reader.bytes();
    else reader.u32();
    reader.skip(SEQUENCE);
    this.#chunks.push(payload.subarray(reader.offset));
    if (this.#chunks.reduce((sum, { length }) => sum + length, 0) > MESSAGE_LIMIT) throw malformed(this.#what, "is longer than any list of endpoints", payload, 0);
    if (head[3] === "C") return null;
    const body = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return { type: head[3] === "A" ? "ERR" : type, body, channel };
  }
}

/** The channel that an OPN message gives; null: it says something else. */
export function decodeOpened({ type, body }: Message, what: string): Channel | null {
  const reader = new LittleReader(body, what);
  if (type !== "OPN" || reader.nodeId() !== IDS.openResponse || responseStatus(reader) !== 0) return null;
  reader.u32();
  return { channel: reader.u32(), token: reader.u32() };
}

/** What a server offers; null: it refuses to say. */
export function decodeEndpoints({ type, body }: Message, what: string): Server | null {
  const reader = new LittleReader(body, what);
  if (type !== "MSG" || reader.nodeId() !== IDS.endpointsResponse || responseStatus(reader) !== 0) return null;
  let server: Omit<Server, "endpoints"> = { name: "", productUri: "", applicationUri: "" };
  const endpoints = reader.list(() => {
    reader.text();
    const applicationUri = reader.text();
    const productUri = reader.text();
    server = { name: reader.localized(), productUri, applicationUri };
    reader.u32();
    reader.text();
    reader.text();
    reader.list(() => reader.text());
    reader.bytes();
    const mode = MODES[reader.u32()] ?? "unknown";
    const policy = reader.text().replace(/^.*#/u, "");
    const logins = reader.list(() => {
      reader.text();
      const login = LOGINS[reader.u32()] ?? "unknown";
      for (let field = 0; field < 3; field++) reader.text();
      return login;
    });
    reader.text();
    reader.skip(1);
    return { mode, policy, logins: [...new Set(logins)] };
  });
  return { ...server, endpoints };
}

/** What an ERR message says: a status code, and words. */
export function decodeError({ body }: Message, what: string): string {
  const reader = new LittleReader(body, what);
  const code = reader.u32();
  return `${reader.text().slice(0, 200) || "no words"} (0x${code.toString(16)})`;
}

/** The status of a response header, read whole. */
function responseStatus(reader: LittleReader): number {
  reader.skip(12);
  const status = reader.u32();
  if (reader.u8() !== 0) return status || 1;
  reader.list(() => reader.text());
  reader.nodeId();
  return reader.u8() === 0 ? status : status || 1;
}

/** Least significant byte first, as OPC UA has it; never beyond the end. */
class LittleReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  offset = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes);
    this.#what = what;
  }

  u8(): number { return this.#bytes.readUInt8(this.skip(1)); }
  u32(): number { return this.#bytes.readUInt32LE(this.skip(4)); }

  /** Goes on by `count`; gives where that began. */
  skip(count: number): number {
    const from = this.offset;
    if (from + count > this.#bytes.length) throw malformed(this.#what, `ends ${from + count - this.#bytes.length} bytes early`, this.#bytes, from);
    this.offset = from + count;
    return from;
  }

  bytes(): Buffer {
    const length = this.u32();
    if (length === 0xff_ff_ff_ff) return Buffer.alloc(0);
    const from = this.skip(length);
    return this.#bytes.subarray(from, from + length);
  }

  text(): string { return this.bytes().toString("utf8").slice(0, 1_024); }

  localized(): string {
    const mask = this.u8();
    if ((mask & 1) !== 0) this.text();
    return (mask & 2) === 0 ? "" : this.text();
  }

  /** The number of a numeric node id in namespace 0; -1 for any other that can be passed over. */
  nodeId(): number {
    const encoding = this.u8();
    if (encoding === 0) return this.u8();
    const from = this.skip(encoding === 1 ? 3 : 6);
    if (encoding === 1) return this.#bytes[from] === 0 ? this.#bytes.readUInt16LE(from + 1) : -1;
    if (encoding !== 2) throw malformed(this.#what, `has a node id of the kind ${encoding}`, this.#bytes, from - 1);
    return this.#bytes.readUInt16LE(from) === 0 ? this.#bytes.readUInt32LE(from + 2) : -1;
  }

  list<T>(read: () => T): readonly T[] {
    const count = this.u32();
    if (count === 0xff_ff_ff_ff) return [];
    // Each entry has a byte at least.
    if (count > this.#bytes.length - this.offset) throw malformed(this.#what, `says that it lists ${count} entries`, this.#bytes, this.offset - 4);
    return Array.from({ length: count }, read);
  }
}
