/**
 * The YAML keys of an MQTT destination. Secrets come by reference, never as text; certificate files are named here and
 * read anew at each connect, so that rotation needs no restart. There is no key that switches verification off.
 */
import { address } from "../../agent/contract/address-shape.ts";
import type { RecordType } from "../../agent/contract/record.ts";
import { fail, INVALID, name, optional, withDefault, type DefaultedShape, type Invalid, type Of, type Path, type Problem, type Shape } from "../../agent/contract/shape.ts";
import { secretReference } from "../../agent/contract/secret-shape.ts";
import { duration, flag, integer, list, object, oneOf, text } from "../../agent/contract/shapes.ts";
import { SPARKPLUG_SHAPE } from "./sparkplug/config.ts";
import { DEFAULT_TOPIC } from "./topic.ts";

const path = (description: string): Shape<string> => text({ description, pattern: /^\/[^\0]{0,4094}$/, expected: "an absolute path, such as /etc/cellgate/ca.pem" });
const shown = (ms: number): string => (ms % 60_000 === 0 && ms > 0 ? `${ms / 60_000}m` : `${ms / 1_000}s`);
const longestWait = (ms: number): DefaultedShape<number> => withDefault(duration({ description: "longest wait before sending", maximumMs: 86_400_000 }), ms, shown(ms));

/** What a person must answer waits for nothing; what is only counted may leave together. `live`: the current values. */
const LATENCY = {
  live: 0, state: 0, cycle: 5_000, count: 5_000, downtime: 0, alarm: 0, connection: 0, summary: 900_000, loss: 0, receipt: 900_000,
} as const satisfies Record<RecordType | "live", number>;
type Latency = { readonly [K in keyof typeof LATENCY]: number };
const LATENCY_KEYS = object({
  live: longestWait(LATENCY.live), state: longestWait(LATENCY.state), cycle: longestWait(LATENCY.cycle), count: longestWait(LATENCY.count),
  downtime: longestWait(LATENCY.downtime), alarm: longestWait(LATENCY.alarm), connection: longestWait(LATENCY.connection),
  summary: longestWait(LATENCY.summary), loss: longestWait(LATENCY.loss), receipt: longestWait(LATENCY.receipt),
}, "longest wait before sending, by use; sending one record sends all that are due before it");

const PER_SECOND = /^(\d{1,6}(?:\.\d{1,3})?) ?\/s$/;
/** `80/s` → 80. */
function perSecond(description: string): Shape<number> {
  return {
    schema: { type: "string", pattern: PER_SECOND.source, description },
    read(value, at, problems) {
      const rate = typeof value === "string" ? Number(PER_SECOND.exec(value)?.[1] ?? Number.NaN) : Number.NaN;
      if (rate >= 0.1 && rate <= 100_000) return rate;
      return fail(problems, { path: at, on: "value", found: name(value), expected: "a number of messages per second from 0.1/s to 100000/s, such as 80/s", ...(typeof value === "number" && { nearest: `${value}/s` }) });
    },
  };
}

const MQTT_URL = address({
  schemes: "mqtts?", path: false, description: "mqtts://HOST:PORT, or mqtt://HOST:PORT without encryption",
  expected: "mqtts://HOST or mqtt://HOST, with :PORT when it is not 8883 or 1883 (or wss://HOST/PATH), and without a user name or password in it",
});
const WEBSOCKET_URL = address({
  schemes: "wss?", path: true, description: "over WebSocket: wss://HOST/PATH, or ws://HOST/PATH without encryption",
  expected: "wss://HOST/PATH or ws://HOST/PATH, with :PORT when it is not 443 or 80, and without a user name or password in it",
});
const BROKER: Shape<string> = {
  schema: { anyOf: [MQTT_URL.schema, WEBSOCKET_URL.schema] },
  read: (value, at, problems) => (typeof value === "string" && /^wss?:/.test(value) ? WEBSOCKET_URL : MQTT_URL).read(value, at, problems),
};
const BROKERS = list(BROKER, { minItems: 1, maxItems: 8 });
/** One, or several in order of preference; decodes to a list. */
const URLS: Shape<readonly string[]> = {
  schema: { anyOf: [BROKER.schema, BROKERS.schema], description: "the broker; several in a list, in order of preference: each must lead to the same bridge" },
  read(value, at, problems) {
    if (Array.isArray(value)) return BROKERS.read(value, at, problems);
    const one = BROKER.read(value, at, problems);
    return one === INVALID ? INVALID : [one];
  },
};

const KEYS = object({
  url: URLS,
  username: optional(text({ description: "user name at the broker" })),
  password: optional(secretReference("where the password lies: {file: PATH}, {env: NAME} or {credential: NAME} of systemd")),
  tls: optional(object({
    ca: optional(path("PEM file of the authority that signed the broker's certificate; default: the system's public ones")),
    cert: optional(path("PEM file of our certificate, when the broker asks for one")),
    key: optional(path("PEM file of our certificate's key")),
    servername: optional(text({ description: "name the broker's certificate must carry, when it is not the host of the url" })),
    alpn: optional(list(text({ description: "protocol name of ALPN", pattern: /^[\x21-\x7e]{1,255}$/, expected: "1 to 255 printable ASCII characters" }), { description: "protocols offered in the TLS handshake, for brokers that share port 443", minItems: 1, maxItems: 8 })),
  }, "encryption; only with mqtts:// and wss://")),
  topic: withDefault(text({ description: "topic of a machine; {enterprise}, {site}, {area}, {cell}, {machine}, {agent} stand for slugs, empty levels are left out", maxLength: 256 }), DEFAULT_TOPIC),
  protocol: withDefault(oneOf(["auto", "5", "3.1.1"], "auto: MQTT 5, and 3.1.1 when the broker refuses that version"), "auto"),
  client_id: optional(text({ description: "client id at the broker; default: the agent's id", pattern: /^[A-Za-z0-9_.-]{1,64}$/, expected: "1 to 64 letters, digits, _ . or -" })),
  keepalive: withDefault(duration({ description: "how long a silent link may be before it is probed; it is given up after one and a half times this", minimumMs: 1_000, maximumMs: 1_160_000 }), 10_000, "10s"),
  window: withDefault(integer({ description: "messages sent and not yet acknowledged; 20 for a LAN, 100 for a cloud link; the broker's receive maximum bounds it", minimum: 1, maximum: 1000 }), 20),
  rate_limit: optional(perSecond("most messages a second, current values among them, for brokers with a quota; default: as fast as the window allows")),
  mark: withDefault(flag("false: nothing is kept at this broker by which an older copy of the buffer would be noticed; it saves a message for each record that leaves alone"), true),
  latency: withDefault<Latency>(LATENCY_KEYS, LATENCY, Object.fromEntries(Object.entries(LATENCY).map(([use, ms]) => [use, shown(ms)]))),
  sparkplug: optional(SPARKPLUG_SHAPE),
  drain_rate: optional(perSecond("most records a second of a backlog, so that a broker is not flooded after an outage; default: as fast as the link takes them")),
});

function refine<T>(shape: Shape<T>, check: (value: T, at: Path, problems: Problem[]) => T | Invalid): Shape<T> {
  return {
    schema: shape.schema,
    read(value, at, problems) {
      const decoded = shape.read(value, at, problems);
      return decoded === INVALID ? INVALID : check(decoded, at, problems);
    },
  };
}

export type MqttConfig = Of<typeof KEYS>;

/** All keys of one MQTT destination but `name`, which every kind of destination has. */
export const MQTT_SHAPE: Shape<MqttConfig> = refine(KEYS, (config, at, problems) => {
  const before = problems.length;
  const wrong = (key: string, found: string, expected: string): void => void problems.push({ path: [...at, key], on: "value", found, expected });
  const plain = config.url.find((url) => !brokerAddress(url).encrypted);
  if (config.tls && plain !== undefined) wrong("url", `${plain.split("//")[0] ?? ""}// together with tls`, "mqtts:// or wss:// (or no tls group)");
  if (new Set(config.url.map(placeOf)).size < config.url.length) wrong("url", "the same broker twice", "each broker once");
  if (config.tls && (config.tls.cert === undefined) !== (config.tls.key === undefined)) wrong("tls", "only one of cert and key", "both of them, or neither");
  if (config.password && config.username === undefined) wrong("password", "a password without a user name", "username beside it");
  return problems.length > before ? INVALID : config;
});

/** Two urls of one place, whatever their spelling. */
const placeOf = (url: string): string => JSON.stringify({ ...brokerAddress(url), host: brokerAddress(url).host.toLowerCase() });

interface Address {
  readonly host: string;
  readonly port: number;
  readonly encrypted: boolean;
  /** Of the WebSocket; null: MQTT straight on the connection. */
  readonly path: string | null;
}
const SCHEMES: Readonly<Record<string, { readonly port: number; readonly encrypted: boolean; readonly isWebSocket: boolean }>> = {
  "mqtt:": { port: 1883, encrypted: false, isWebSocket: false },
  "mqtts:": { port: 8883, encrypted: true, isWebSocket: false },
  "ws:": { port: 80, encrypted: false, isWebSocket: true },
  "wss:": { port: 443, encrypted: true, isWebSocket: true },
};
/** Of a checked url. The default ports are the registered ones; WebSocket without a path means `/mqtt`, as most brokers have it. */
export function brokerAddress(url: string): Address {
  const parsed = new URL(url);
  const scheme = SCHEMES[parsed.protocol] ?? { port: 1883, encrypted: false, isWebSocket: false };
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ""), port: Number(parsed.port || scheme.port), encrypted: scheme.encrypted,
    path: scheme.isWebSocket ? (parsed.pathname === "/" && !url.endsWith("/") ? "/mqtt" : parsed.pathname) : null,
  };
}
