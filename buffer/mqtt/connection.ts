/**
 * One MQTT connection: one mqtt.js client object, used once. mqtt.js's own reconnecting, queueing and message ids are
 * kept out of the way (facts/mqtt.md §1): no reconnect, publish only while connected, and what was in flight when the
 * link went is the caller's to know, because mqtt.js may never call back for it. PUBLISH goes past it (publisher.ts).
 *
 *   open socket ─► CONNECT ─► CONNACK ─► publish … ─► lost (once, with why) ─► everything later is ignored
 */
import type { Socket } from "node:net";
import { MqttClient, type IClientOptions, type IConnackPacket } from "mqtt";
import { LinkError, type Retry } from "../../agent/contract/errors.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { limitPackets } from "./packet-limit.ts";
import { Publisher } from "./publisher.ts";
import { openSocket, type BrokerAddress } from "./socket.ts";

/** 5, or 4 for MQTT 3.1.1 (the protocol level on the wire). */
export type ProtocolLevel = 5 | 4;

export interface ConnectionOptions {
  readonly address: BrokerAddress;
  readonly level: ProtocolLevel;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  readonly keepaliveMs: number;
  /** QoS 1, sent by the broker when we are gone without a goodbye. */
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
export interface Connection {
  readonly level: ProtocolLevel;
  /** Messages in flight that the broker takes; 65,535 when it does not say (MQTT 3.1.1 never does). */
  readonly receiveMaximum: number;
  /** Bytes of a whole packet that the broker takes; infinite when it does not say. */
  readonly maximumPacketSize: number;
  /** Settles once, when the link is gone. Never rejects. */
  readonly lost: Promise<LinkError>;
  /** QoS 1. `done` is called with the reason code of the acknowledgement; never, once the link is lost. */
  publish(message: Message, done: (code: number) => void): void;
  /** QoS 0, not retained, in order with the others: nobody acknowledges it. A peer that takes nothing ends the link. */
  send(topic: string, payload: Uint8Array): void;
  /** At QoS 1. Resolves when the broker has granted all of them; else the link ends, and this rejects with why. */
  subscribe(filters: readonly string[], take: (topic: string, payload: Uint8Array) => void): Promise<void>;
  /** Breaks the link off: `lost` settles with this. */
  fail(error: LinkError): void;
  /** DISCONNECT, then closes. `keepWill` (MQTT 5): the broker sends the will all the same. Bounded, never throws. */
  close(keepWill?: boolean): Promise<void>;
}

/** The broker does not speak this version of MQTT: another may do. */
export class VersionRefused extends LinkError {}

const CONNECT_TIMEOUT_MS = 15_000;
const CLOSE_TIMEOUT_MS = 1_000;
const SUBSCRIBE_TIMEOUT_MS = 10_000;
/** Written at QoS 0 and not taken by the peer: beyond it the link is as good as gone. */
const LARGEST_UNSENT_BYTES = 1_048_576;
/** DISCONNECT with will message, MQTT 5 §3.14.2.1. */
const WITH_WILL = 0x04;
/** A broker has nothing larger to say to us. */
const LARGEST_INCOMING_BYTES = 1_048_576;
/** For refusals that only a person can cure: not hammered, never given up. */
const LONG_BACKOFF: Retry = { afterMs: 30_000 };

/** Rejects with a `LinkError`: `VersionRefused` when another protocol version is worth a try. */
export async function openConnection(options: ConnectionOptions, signal: AbortSignal): Promise<Connection> {
  const deadline = options.network.deadline(CONNECT_TIMEOUT_MS, signal);
  try {
    const socket = await openSocket(options.address, deadline.signal);
    const client = new MqttClient(() => socket, clientOptions(options));
    return await handshake({ client, socket }, options, deadline.signal);
  } finally {
    deadline.clear();
  }
}

function clientOptions(options: ConnectionOptions): IClientOptions {
  return {
    protocolId: "MQTT", protocolVersion: options.level, clientId: options.clientId,
    ...(options.username !== undefined && { username: options.username }),
    ...(options.password !== undefined && { password: options.password }),
    clean: true, resubscribe: false, keepalive: Math.round(options.keepaliveMs / 1000), reschedulePings: true,
    writeCache: false, // It would keep a buffer for each of the 65,536 packet numbers: 7 MB.
    reconnectPeriod: 0, reconnectOnConnackError: false, connectTimeout: CONNECT_TIMEOUT_MS * 2, // Ours ends first.
    queueQoSZero: false, log: () => undefined,
    will: { topic: options.will.topic, payload: Buffer.from(options.will.payload), qos: 1, retain: options.will.retain },
    ...(options.level === 5 && { properties: { sessionExpiryInterval: 0, maximumPacketSize: LARGEST_INCOMING_BYTES, requestProblemInformation: true } }),
  };
}

interface Wire {
  readonly client: MqttClient;
  readonly socket: Socket;
}

function handshake({ client, socket }: Wire, options: ConnectionOptions, signal: AbortSignal): Promise<Connection> {
  const where = `${options.address.host}:${options.address.port}`;
  return new Promise((resolve, reject) => {
    let connected = false;
    let loss: LinkError | null = null;
    let settleLost: (error: LinkError) => void = () => undefined;
    const lost = new Promise<LinkError>((settle) => (settleLost = settle));
    const fail = (error: LinkError): void => {
      if (loss) return;
      loss = error;
      signal.removeEventListener("abort", onAbort);
      client.end(true);
      socket.destroy(); // `end` does nothing while an earlier, polite one waits for a peer that has gone.
      if (connected) settleLost(error);
      else reject(error);
    };
    const onAbort = (): void => fail(new LinkError("timeout", "backoff", `The broker at ${where} took the connection but did not answer CONNECT.`, { cause: signal.reason }));
    const isLost = (): boolean => loss !== null;

    const onError = (cause: Error): void => fail(connected ? lostBy(where, cause) : refusedBy(where, cause));
    limitPackets(socket, LARGEST_INCOMING_BYTES, onError);
    client.on("error", onError);
    client.on("disconnect", (packet) => fail(dismissed(where, packet.reasonCode ?? 0)));
    client.on("close", () => fail(connected
      ? new LinkError("lost", "backoff", `The broker at ${where} closed the connection.`)
      : new LinkError("lost", "backoff", `The broker at ${where} closed the connection without answering CONNECT. ${options.level === 5 ? "If it only speaks MQTT 3.1.1, set protocol: 3.1.1." : "Is it an MQTT broker?"}`)));
    client.once("connect", (connack) => {
      signal.removeEventListener("abort", onAbort);
      if (loss) return;
      connected = true;
      if (connack.properties?.maximumQoS === 0) {
        socket.destroy();
        reject(new LinkError("unsupported", LONG_BACKOFF, `The broker at ${where} takes only QoS 0, which acknowledges nothing. Use a broker with QoS 1.`));
      } else resolve(connection({ client, socket }, { connack, options, lost, fail, isLost }));
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

interface Established {
  readonly connack: IConnackPacket;
  readonly options: ConnectionOptions;
  readonly lost: Promise<LinkError>;
  readonly fail: (error: LinkError) => void;
  readonly isLost: () => boolean;
}

function connection({ client, socket }: Wire, { connack, options, lost, fail, isLost }: Established): Connection {
  const publisher = new Publisher(socket);
  client.on("packetreceive", (packet) => {
    if (packet.cmd === "puback" && packet.messageId !== undefined) publisher.acknowledge(packet.messageId, packet.reasonCode ?? 0);
  });
  void lost.then(() => {
    publisher.forget();
  });
  let closing = false;
  const mayRetain = connack.properties?.retainAvailable !== false;
  return {
    level: options.level,
    receiveMaximum: connack.properties?.receiveMaximum ?? 65_535,
    maximumPacketSize: connack.properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    lost,
    fail,
    publish(message, done) {
      if (closing || isLost()) return;
      publisher.publish({ topic: message.topic, payload: message.payload, retain: message.retain && mayRetain, contentType: options.level === 5 ? message.contentType : null }, (code) => {
        if (!closing && !isLost()) done(code);
      });
    },
    send(topic, payload) {
      if (closing || isLost()) return;
      publisher.send({ topic, payload, retain: false, contentType: options.level === 5 ? "" : null });
      if (socket.writableLength > LARGEST_UNSENT_BYTES) fail(new LinkError("timeout", "backoff", "The broker does not take what is sent to it."));
    },
    subscribe: (filters, take) => subscribe(client, { filters, take, options, lost, fail }),
    async close(keepWill = false) {
      if (closing || isLost()) return;
      closing = true;
      const deadline = options.network.deadline(CLOSE_TIMEOUT_MS, new AbortController().signal);
      await new Promise<void>((resolve) => {
        deadline.signal.addEventListener("abort", () => resolve(), { once: true });
        client.removeAllListeners("close").on("close", () => resolve());
        client.end(false, keepWill && options.level === 5 ? { reasonCode: WITH_WILL } : {});
      });
      deadline.clear();
      fail(new LinkError("lost", "never", "closed by us"));
    },
  };
}

interface Subscription {
  readonly filters: readonly string[];
  readonly take: (topic: string, payload: Uint8Array) => void;
  readonly options: ConnectionOptions;
  readonly lost: Promise<LinkError>;
  readonly fail: (error: LinkError) => void;
}

async function subscribe(client: MqttClient, { filters, take, options, lost, fail }: Subscription): Promise<void> {
  const where = `${options.address.host}:${options.address.port}`;
  client.on("message", (topic, payload) => take(topic, payload));
  const deadline = options.network.deadline(SUBSCRIBE_TIMEOUT_MS, new AbortController().signal);
  const refused = await new Promise<string | null>((resolve, reject) => {
    void lost.then(reject);
    deadline.signal.addEventListener("abort", () => resolve("did not answer a subscription"), { once: true });
    client.subscribe([...filters], { qos: 1 }, (error, granted) => {
      const denied = error ? filters : (granted ?? []).filter(({ qos }) => qos >= 0x80).map(({ topic }) => topic);
      resolve(denied.length === 0 ? null : `refused the subscription to ${denied.join(", ")}: check its access rules`);
    });
  }).finally(() => deadline.clear());
  if (refused === null) return;
  const error = new LinkError("refused", LONG_BACKOFF, `The broker at ${where} ${refused}.`);
  fail(error);
  throw error;
}

const codeOf = (error: Error): number | null => ("code" in error && typeof error.code === "number" && error.code >= 0x80 ? error.code : null);

function lostBy(where: string, cause: Error): LinkError {
  if (cause.message === "Keepalive timeout") return new LinkError("timeout", "backoff", `The broker at ${where} has gone silent: no answer to a ping.`, { cause });
  if (codeOf(cause) !== null || !("code" in cause)) return new LinkError("protocol", "backoff", `The link to the broker at ${where} broke: ${cause.message}`, { cause });
  return new LinkError("lost", "backoff", `The link to the broker at ${where} broke: ${cause.message}`, { cause });
}

/** CONNACK codes: 1 to 5 of MQTT 3.1.1 §3.2.2.3, 0x80 and up of MQTT 5 §3.2.2.2. */
function refusedBy(where: string, cause: Error): LinkError {
  const code = "code" in cause && typeof cause.code === "number" ? cause.code : null;
  const refused = (retry: Retry, text: string): LinkError => new LinkError("refused", retry, `The broker at ${where} refused us: ${text}`, { cause });
  switch (code) {
    case null: return new LinkError("protocol", "backoff", `The broker at ${where} gave no proper answer to CONNECT: ${cause.message}`, { cause });
    case 1: case 0x84: return new VersionRefused("unsupported", LONG_BACKOFF, `The broker at ${where} refused the version of MQTT.`, { cause });
    case 2: case 0x85: return refused(LONG_BACKOFF, "it does not accept our client id. Set client_id to one it knows.");
    case 4: case 0x86: return refused(LONG_BACKOFF, "wrong user name or password. Check username and password.");
    case 5: case 0x87: case 0x8a: return refused(LONG_BACKOFF, "not authorised. Check username, password and the broker's access rules.");
    default: return refused("backoff", `${cause.message}.`);
  }
}

/** DISCONNECT from the broker, MQTT 5 §3.14.2.1. */
function dismissed(where: string, code: number): LinkError {
  const hex = `0x${code.toString(16).padStart(2, "0")}`;
  if (code === 0x8e) return new LinkError("refused", LONG_BACKOFF, `The broker at ${where} ended the link because another client came with our client id. Give each agent its own client_id.`);
  return new LinkError("lost", "backoff", `The broker at ${where} ended the link (reason ${hex}).`);
}
