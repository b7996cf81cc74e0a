/**
 * The MQTT destination: a new connection for every `connect`, MQTT 5 first and 3.1.1 when the broker refuses the
 * version. What lives longer than a connection: how often the broker refused a record, and what the links before have
 * taught (lessons.ts).
 */
import { readFile } from "node:fs/promises";
import type { AgentIdentity, Delivery, Destination, DestinationKind, DestinationPorts, LiveOutput } from "../../agent/contract/destination.ts";
import { LinkError } from "../../agent/contract/errors.ts";
import type { StoredRecord } from "../../agent/contract/outbox.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import { unixMs } from "../../agent/contract/time.ts";
import { noneOf, type Brokers } from "./brokers.ts";
import { clientId, clientIdProblems, sparkplugClientId } from "./client-ids.ts";
import { eventWriter } from "./cloud-events.ts";
import { brokerAddress, MQTT_SHAPE, type MqttConfig } from "./config.ts";
import type { Connection, ConnectionOptions, ProtocolLevel } from "./connection.ts";
import { delivery } from "./delivery.ts";
import { Lessons } from "./lessons.ts";
import { Marks } from "./marks.ts";
import { Refusals } from "./refusals.ts";
import type { TlsMaterial } from "./socket.ts";
import { sparkplugProblems, sparkplugSummary, type SparkplugConfig } from "./sparkplug/config.ts";
import { sparkplugLive } from "./sparkplug/live.ts";
import { DEFAULT_TOPIC, topicProblems, topicsOf } from "./topic.ts";

const TOPIC_EXPECTED = `a template such as ${DEFAULT_TOPIC}`;

export const mqttDestination: DestinationKind<MqttConfig> = {
  kind: "mqtt",
  shape: MQTT_SHAPE,
  check: (config, plan, earlier) => [
    ...clientIdProblems(config, earlier, plan),
    ...topicProblems(config.topic, plan.agent, plan.machines).map((problem) => ({ path: ["topic"], on: "value", found: problem, expected: TOPIC_EXPECTED } as const)),
    ...(config.sparkplug ? sparkplugProblems(config.sparkplug, plan) : []).map((problem) => ({ ...problem, path: ["sparkplug", ...problem.path] })),
  ],
  summary(config, { agent, machines }) {
    const topics = topicsOf(config.topic, agent);
    return [
      `connects to ${config.url.join(", else ")}${config.username === undefined ? "" : ` as ${config.username}`}, client id ${clientId(config, agent)}`,
      ...machines.map((machine) => `${machine} → ${topics.source(machine)}/rec/…`),
      ...(config.sparkplug ? sparkplugSummary(config.sparkplug, agent) : []),
    ];
  },
  pacing({ latency: { live, ...latencyMs }, drain_rate }) {
    return { latencyMs, liveMs: live, drainPerSecond: drain_rate ?? null };
  },
  create: destination,
};

/** What the retained heartbeat says when we are not there: `lost` comes from the broker (last will), `closed` from us. */
export const offlineHeartbeat = (identity: AgentIdentity, reason: "lost" | "closed"): object => ({
  schema: "heartbeat/1", status: "offline", agent: identity.id, version: identity.version, bootId: identity.bootId, epoch: identity.epoch, reason,
});

function destination(config: MqttConfig, identity: AgentIdentity, ports: DestinationPorts, name: string): Destination {
  const topics = topicsOf(config.topic, identity);
  const writeEvent = eventWriter(identity, (machine) => topics.source(machine));
  const refusals = new Refusals(ports);
  const lessons = new Lessons({ urls: config.url, window: config.window, rateLimit: config.rate_limit ?? null, clientId: clientId(config, identity) }, ports);
  const marks = new Marks(topics.heartbeat, ports.network);
  const write = (record: StoredRecord, replay: boolean): string => writeEvent(record, { publishedAt: ports.clock.now().unixMs, replay });
  return {
    kind: "mqtt",
    name,
    ...(config.sparkplug && { live: sparkplug(config, config.sparkplug, { identity, ports, name }) }),
    async connect(signal, downlink, marking): Promise<Delivery> {
      const { connection, url } = await openAny(config, { identity, ports, brokers: lessons.brokers }, signal).catch((error: unknown) => {
        lessons.notConnected();
        throw error;
      });
      const mark = marks.begin(connection, url, config.mark ? marking : undefined);
      return delivery({
        connection, topics, write, refusals, ports, lessons, mark,
        downlinks: lessons.subscriptions.begin(connection, { base: topics.heartbeat, downlink, network: ports.network, after: mark.found }),
        peer: peer(url, connection.level),
        window: Math.max(1, Math.min(config.window, connection.receiveMaximum)),
        goodbye: () => JSON.stringify(offlineHeartbeat(identity, "closed")),
      });
    },
  };
}

/** On a connection of its own, with the same keys. */
function sparkplug(config: MqttConfig, own: SparkplugConfig, { identity, ports, name }: { readonly identity: AgentIdentity; readonly ports: DestinationPorts; readonly name: string }): LiveOutput {
  return sparkplugLive({
    config: own, identity, ports, name, liveMs: config.latency.live, brokers: config.url.length,
    async open({ topic, payload }, turn, signal) {
      const options = await connectionOptions(config, identity, ports, config.url[turn % config.url.length]);
      return openWith({ ...options, clientId: sparkplugClientId(config, identity), will: { topic, payload, retain: false } }, config.protocol, signal);
    },
  });
}

interface Trying {
  readonly identity: AgentIdentity;
  readonly ports: Ports;
  readonly brokers: Brokers;
}

/** Tries each broker once; throws when none took us. */
async function openAny(config: MqttConfig, { identity, ports, brokers }: Trying, signal: AbortSignal): Promise<{ readonly connection: Connection; readonly url: string }> {
  const errors: LinkError[] = [];
  for (const url of brokers.order()) {
    try {
      const connection = await openWith(await connectionOptions(config, identity, ports, url), config.protocol, signal);
      brokers.use(url);
      return { connection, url };
    } catch (error) {
      if (!(error instanceof LinkError) || signal.aborted) throw error;
      errors.push(error);
    }
  }
  throw noneOf(errors);
}

/** The wire package is loaded by the first connect: commands that never connect do not pay for it. */
async function openWith(options: Omit<ConnectionOptions, "level">, protocol: MqttConfig["protocol"], signal: AbortSignal): Promise<Connection> {
  const [{ openConnection }, { OptionRefused }] = await Promise.all([import("./connection.ts"), import("./link-errors.ts")]);
  let wanted: ConnectionOptions = { ...options, level: protocol === "3.1.1" ? 4 : 5 };
  for (;;) {
    try {
      return await openConnection(wanted, signal);
    } catch (error) {
      if (!(error instanceof OptionRefused)) throw error;
      if (error.option === "version" && protocol === "auto" && wanted.level === 5) wanted = { ...wanted, level: 4 };
      else if (error.option === "retain" && wanted.will.retain) wanted = { ...wanted, will: { ...wanted.will, retain: false } };
      else throw error;
    }
  }
}

/** `url`: one of those configured; default: the first. */
export async function connectionOptions(config: MqttConfig, identity: AgentIdentity, ports: Ports, url = config.url[0] ?? ""): Promise<Omit<ConnectionOptions, "level">> {
  const { host, port, encrypted, path } = brokerAddress(url);
  const password = config.password && await ports.secret(config.password).catch((cause: unknown) => {
    throw new LinkError("refused", "backoff", `The password for ${url} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  });
  return {
    address: { url, host, port, path, tls: encrypted ? await tlsMaterial(config.tls ?? {}) : null, releasedAt: identity.releasedAt ?? unixMs(0), network: ports.network },
    clientId: clientId(config, identity),
    ...(config.username !== undefined && { username: config.username }),
    ...(password !== undefined && { password }),
    keepaliveMs: config.keepalive,
    will: { topic: topicsOf(config.topic, identity).heartbeat, payload: JSON.stringify(offlineHeartbeat(identity, "lost")), retain: true },
    network: ports.network,
  };
}

async function tlsMaterial(tls: NonNullable<MqttConfig["tls"]>): Promise<TlsMaterial> {
  const read = async (key: "ca" | "cert" | "key"): Promise<Partial<TlsMaterial>> => {
    const path = tls[key];
    if (path === undefined) return {};
    try {
      return { [key]: await readFile(path, "utf8") };
    } catch (cause) {
      throw new LinkError("refused", "backoff", `The file ${path} (tls.${key}) cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  };
  const [ca, cert, key] = await Promise.all([read("ca"), read("cert"), read("key")]);
  return { ...ca, ...cert, ...key, ...(tls.servername !== undefined && { servername: tls.servername }), ...(tls.alpn && { alpn: tls.alpn }) };
}

const WORDS: Readonly<Record<ProtocolLevel, string>> = {
  5: "MQTT 5",
  4: "MQTT 3.1.1, whose acknowledgement says success even for a publish that was refused",
};
const peer = (url: string, level: ProtocolLevel): string => `broker at ${url}, ${WORDS[level]}`;
