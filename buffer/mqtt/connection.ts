/**
 * One MQTT connection: one mqtt.js client object, used once. mqtt.js's own reconnecting, queueing and message ids are
 * kept out of the way (facts/mqtt.md §1): no reconnect, publish only while connected, and what was in flight when the
 * link went is the caller's to know, because mqtt.js may never call back for it. PUBLISH goes past it (publisher.ts).
 *
 *   open socket ─► CONNECT ─► CONNACK ─► publish … ─► lost (once, with why) ─► everything later is ignored
 */
import { MqttClient, type IClientOptions, type IConnackPacket, type Packet } from "mqtt";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { dateProblem, type Certificate } from "./certificate.ts";
import { dismissed, isReset, LONG_BACKOFF, lostBy, refusedBy, type Loss } from "./link-errors.ts";
import { passExpected } from "./expected-packets.ts";
import { limitPackets } from "./packet-limit.ts";
import { Publisher } from "./publisher.ts";
import type { Next } from "./reason-codes.ts";
import { openSocket, type BrokerAddress, type Opened } from "./socket.ts";

/** 5, or 4 for MQTT 3.1.1 (the protocol level on the wire). */
export type ProtocolLevel = 5 | 4;

export interface ConnectionOptions {
  readonly address: BrokerAddress;
  readonly level: ProtocolLevel;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  readonly keepaliveMs: number;
  /** `retain`: false for a broker that keeps nothing and refuses a will that is to be kept. */
  readonly will: { readonly topic: string; readonly payload: string | Uint8Array; readonly retain: boolean };
  readonly network: Clock;
}
export interface Message {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly retain: boolean;
  /** Empty: none is said. MQTT 3.1.1 cannot say one. */
  readonly contentType: string;
}
export interface Incoming {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retained: boolean;
}
export interface Connection {
  readonly level: ProtocolLevel;
  /** Messages in flight that the broker takes; 65,535 when it does not say (MQTT 3.1.1 never does). */
  readonly receiveMaximum: number;
  /** Bytes of a whole packet that the broker takes; infinite when it does not say. */
  readonly maximumPacketSize: number;
  /** False: the broker keeps no current values. */
  readonly mayRetain: boolean;
  readonly certificates: readonly Certificate[];
  /** Settles once, when the link is gone. Never rejects. */
  readonly lost: Promise<Loss>;
  /** QoS 1. `done` is called with the reason code of the acknowledgement; never, once the link is lost. */
  publish(message: Message, done: (code: number) => void): void;
  /** QoS 0, not retained, in order with the others: nobody acknowledges it. A peer that takes nothing ends the link. */
  send(topic: string, payload: Uint8Array): void;
  /** One SUBSCRIBE at QoS 1. `take` must not wait. `done` gets the reason codes, or is never called. `retained`: those that lie at the broker come too. */
  subscribe(filters: readonly string[], take: (message: Incoming) => void, done: (codes: readonly number[]) => void, retained?: boolean): void;
  /** Nobody waits for the answer. */
  unsubscribe(filters: readonly string[]): void;
  /** Breaks the link off: `lost` settles with this. */
  fail(error: LinkError, next?: Next): void;
  /** DISCONNECT, then closes. `keepWill` (MQTT 5): the broker sends the will all the same. Bounded, never throws. */
  close(keepWill?: boolean): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 15_000;
const CLOSE_TIMEOUT_MS = 1_000;
/** Written at QoS 0 and not taken by the peer: beyond it the link is as good as gone. */
const LARGEST_UNSENT_BYTES = 1_048_576;
/** DISCONNECT with will message, MQTT 5 §3.14.2.1. */
const WITH_WILL = 0x04;
/** A downlink has 16 kB at most (downlinks.ts); the rest is room for what a broker adds. */
const LARGEST_INCOMING_BYTES = 65_536;
/** Messages to us that the broker may leave unanswered: they are answered at once. */
const RECEIVE_MAXIMUM = 16;

/** Rejects with a `LinkError`: `OptionRefused` when it is worth a try without that option. */
export async function openConnection(options: ConnectionOptions, signal: AbortSignal): Promise<Connection> {
  const deadline = options.network.deadline(CONNECT_TIMEOUT_MS, signal);
  try {
    const opened = await openSocket(options.address, deadline.signal);
    const client = new MqttClient(() => opened.stream, clientOptions(options));
    return await handshake({ client, ...opened }, options, deadline.signal);
  } finally {
    deadline.clear();
  }
}

const keepaliveSeconds = ({ keepaliveMs }: ConnectionOptions): number => Math.max(1, Math.round(keepaliveMs / 1_000));

function clientOptions(options: ConnectionOptions): IClientOptions {
  const { topic, payload, retain } = options.will;
  return {
    protocolId: "MQTT", protocolVersion: options.level, clientId: options.clientId,
    ...(options.username !== undefined && { username: options.username }),
    ...(options.password !== undefined && { password: options.password }),
    clean: true, resubscribe: false, keepalive: keepaliveSeconds(options), reschedulePings: true,
    writeCache: false, // It would keep a buffer for each of the 65,536 packet numbers: 7 MB.
    reconnectPeriod: 0, reconnectOnConnackError: false, connectTimeout: CONNECT_TIMEOUT_MS * 2, // Ours ends first.
    queueQoSZero: false, log: () => undefined,
    will: { topic, payload: Buffer.from(payload), qos: 1, retain },
    ...(options.level === 5 && { properties: { sessionExpiryInterval: 0, receiveMaximum: RECEIVE_MAXIMUM, maximumPacketSize: LARGEST_INCOMING_BYTES, requestProblemInformation: true } }),
  };
}

interface Wire extends Opened {
  readonly client: MqttClient;
}

function handshake(wire: Wire, options: ConnectionOptions, signal: AbortSignal): Promise<Connection> {
  const { client, stream } = wire;
  const where = `${options.address.host}:${options.address.port}`;
  return new Promise((resolve, reject) => {
    let connected = false;
    let loss: Loss | null = null;
    let settle: (loss: Loss) => void = () => undefined;
    const lost = new Promise<Loss>((resolve) => (settle = resolve));
    const fail = (error: LinkError, known: Partial<Omit<Loss, "error">> = {}): void => {
      if (loss) return;
      loss = { how: "else", code: null, next: "soon", ...known, error };
      signal.removeEventListener("abort", onAbort);
      client.end(true);
      stream.destroy(); // `end` does nothing while an earlier, polite one waits for a peer that has gone.
      if (connected) settle(loss);
      else reject(error);
    };
    const onAbort = (): void => fail(new LinkError("timeout", "backoff", `The broker at ${where} took the connection but did not answer CONNECT.`, { cause: signal.reason }));
    const isLost = (): boolean => loss !== null;

    const onError = (cause: Error): void => {
      const dates = dateProblem(wire.certificates, options.network.now().unixMs, options.address.releasedAt);
      if (!connected) fail(refusedBy({ where, dates }, cause));
      else fail(lostBy({ where, dates }, cause), { how: isReset(cause) ? "reset" : "else" });
    };
    stream.on("error", onError); // mqtt.js tells of some of them only.
    passExpected(client, { isOver: isLost, onWrong: (cause) => fail(new LinkError("protocol", LONG_BACKOFF, `The broker at ${where} breaks the rules of MQTT: ${cause.message}.`, { cause })) });
    limitPackets(stream, LARGEST_INCOMING_BYTES, onError);
    client.on("error", onError);
    client.on("disconnect", (packet) => fail(...dismissed(where, packet.reasonCode ?? 0)));
    client.on("close", () => fail(connected
      ? new LinkError("lost", "backoff", `The broker at ${where} closed the connection.`)
      : new LinkError("lost", "backoff", `The broker at ${where} closed the connection without answering CONNECT. ${options.level === 5 ? "If it only speaks MQTT 3.1.1, set protocol: 3.1.1." : "Is it an MQTT broker?"}`), { how: "closed" }));
    client.once("connect", (connack) => {
      signal.removeEventListener("abort", onAbort);
      if (loss) return;
      if (connack.properties?.maximumQoS === 0) return fail(new LinkError("unsupported", LONG_BACKOFF, `The broker at ${where} takes only QoS 0, which acknowledges nothing. Use a broker with QoS 1.`));
      connected = true;
      // A broker may ask for a longer one (MQTT 5 §3.2.2.3.14). Pinging more often is allowed, and ours notices a half-open link in time.
      if (client.keepalive > keepaliveSeconds(options)) client.keepaliveManager?.setKeepalive(keepaliveSeconds(options));
      resolve(connection(wire, { connack, options, lost, fail, isLost }));
    });
    if (signal.aborted) onAbort();
    else if (stream.destroyed) onError(stream.errored ?? new Error("it was closed at once")); // Before we listened.
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

interface Established {
  readonly connack: IConnackPacket;
  readonly options: ConnectionOptions;
  readonly lost: Promise<Loss>;
  readonly fail: (error: LinkError, known?: Partial<Omit<Loss, "error">>) => void;
  readonly isLost: () => boolean;
}

function connection({ client, stream, certificates }: Wire, { connack, options, lost, fail, isLost }: Established): Connection {
  const publisher = new Publisher(stream);
  const { level } = options;
  client.on("packetreceive", (packet) => { receive(packet, publisher); });
  void lost.then(() => {
    publisher.forget();
  });
  let closing = false;
  const { receiveMaximum, maximumPacketSize, retainAvailable } = connack.properties ?? {};
  const mayRetain = retainAvailable !== false;
  return {
    level, mayRetain, certificates, lost,
    receiveMaximum: receiveMaximum ?? 65_535,
    maximumPacketSize: maximumPacketSize ?? Number.POSITIVE_INFINITY,
    fail: (error, next = "soon") => fail(error, { next }),
    publish({ topic, payload, retain, contentType }, done) {
      if (closing || isLost()) return;
      publisher.publish({ topic, payload, retain: retain && mayRetain, contentType: level === 5 ? contentType : null }, (code) => {
        if (!closing && !isLost()) done(code);
      });
    },
    send(topic, payload) {
      if (closing || isLost()) return;
      publisher.send({ topic, payload, retain: false, contentType: level === 5 ? "" : null });
      if (stream.writableLength > LARGEST_UNSENT_BYTES) fail(new LinkError("timeout", "backoff", "The broker does not take what is sent to it."));
    },
    subscribe(filters, take, done, retained = false) {
      if (closing || isLost()) return;
      client.on("message", (topic, payload, { retain }) => { if (!isLost()) take({ topic, payload, retained: retain }); });
      publisher.subscribe(filters, { level, retained }, done);
    },
    unsubscribe(filters) {
      if (!closing && !isLost()) publisher.unsubscribe(filters, level);
    },
    async close(keepWill = false) {
      if (closing || isLost()) return;
      closing = true;
      await goodbye(client, keepWill && level === 5, options.network);
      fail(new LinkError("lost", "never", "closed by us"));
    },
  };
}

/** mqtt.js finds nothing in its own table for these, and answers nothing. */
function receive(packet: Packet, publisher: Publisher): void {
  if (packet.cmd === "puback" && packet.messageId !== undefined) publisher.acknowledge(packet.messageId, packet.reasonCode ?? 0);
  else if (packet.cmd === "suback" && packet.messageId !== undefined) publisher.subscribed(packet.messageId, packet.granted.map(Number));
}

/** Polite, within a bound. */
async function goodbye(client: MqttClient, keepWill: boolean, network: Clock): Promise<void> {
  const deadline = network.deadline(CLOSE_TIMEOUT_MS, new AbortController().signal);
  await new Promise<void>((resolve) => {
    deadline.signal.addEventListener("abort", () => resolve(), { once: true });
    client.removeAllListeners("close").on("close", () => resolve());
    client.end(false, keepWill ? { reasonCode: WITH_WILL } : {});
  });
  deadline.clear();
}
