/**
 * The YAML keys of an MQTT destination. Secrets come by reference, never as text; certificate files are named here and
 * read anew at each connect, so that rotation needs no restart. There is no key that switches verification off.
 */
import { address } from "../../agent/contract/address-shape.ts";
import { RECORD_TYPES } from "../../agent/contract/record.ts";
import { INVALID, optional, withDefault, type Invalid, type Of, type OptionalShape, type Path, type Problem, type Shape } from "../../agent/contract/shape.ts";
import { secretReference } from "../../agent/contract/secret-shape.ts";
import { duration, integer, object, oneOf, text } from "../../agent/contract/shapes.ts";
import { DEFAULT_TOPIC } from "./topic.ts";

const path = (description: string): Shape<string> => text({ description, maxLength: 4096 });
const longestWait = (): OptionalShape<number> => optional(duration({ description: "longest wait before sending", maximumMs: 86_400_000 }));

const KEYS = object({
  url: address({
    schemes: "mqtts?", path: false,
    description: "the broker: mqtts://HOST:PORT, or mqtt://HOST:PORT without encryption",
    expected: "mqtts://HOST or mqtt://HOST, with :PORT when it is not 8883 or 1883, and without a user name or password in it",
  }),
  username: optional(text({ description: "user name at the broker" })),
  password: optional(secretReference("where the password lies: {file: PATH}, {env: NAME} or {credential: NAME} of systemd")),
  tls: optional(object({
    ca: optional(path("PEM file of the authority that signed the broker's certificate; default: the system's public ones")),
    cert: optional(path("PEM file of our certificate, when the broker asks for one")),
    key: optional(path("PEM file of our certificate's key")),
    servername: optional(text({ description: "name the broker's certificate must carry, when it is not the host of the url" })),
  }, "encryption; only with mqtts://")),
  topic: withDefault(text({ description: "topic of a machine; {enterprise}, {site}, {area}, {cell}, {machine}, {agent} stand for slugs, empty levels are left out", maxLength: 256 }), DEFAULT_TOPIC),
  protocol: withDefault(oneOf(["auto", "5", "3.1.1"], "auto: MQTT 5, and 3.1.1 when the broker refuses that version"), "auto"),
  client_id: optional(text({ description: "client id at the broker; default: the agent's id", pattern: /^[A-Za-z0-9_.-]{1,64}$/, expected: "1 to 64 letters, digits, _ . or -" })),
  keepalive: withDefault(duration({ description: "how long a silent link may be before it is probed", minimumMs: 1_000, maximumMs: 1_160_000 }), 15_000, "15s"),
  window: withDefault(integer({ description: "messages sent and not yet acknowledged; 20 for a LAN, 100 for a cloud link; the broker's receive maximum bounds it", minimum: 1, maximum: 1000 }), 20),
  latency: optional(object({ live: longestWait(), ...Object.fromEntries(RECORD_TYPES.map((type) => [type, longestWait()])) }, "longest wait before sending, by use; at present everything is sent at once, which is within any of them")),
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
  if (config.tls && config.url.startsWith("mqtt:")) wrong("url", "mqtt:// together with tls", "mqtts:// (or no tls group)");
  if (config.tls && (config.tls.cert === undefined) !== (config.tls.key === undefined)) wrong("tls", "only one of cert and key", "both of them, or neither");
  if (config.password && config.username === undefined) wrong("password", "a password without a user name", "username beside it");
  return problems.length > before ? INVALID : config;
});

/** Host and port of a checked url. The default ports are those registered for MQTT: 1883, and 8883 with TLS. */
export function brokerAddress(url: string): { readonly host: string; readonly port: number; readonly encrypted: boolean } {
  const parsed = new URL(url);
  const encrypted = parsed.protocol === "mqtts:";
  return { host: parsed.hostname.replace(/^\[|\]$/g, ""), port: Number(parsed.port || (encrypted ? 8883 : 1883)), encrypted };
}
