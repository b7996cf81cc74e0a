/** The YAML keys of an MTConnect source. Defaults and limits: mtconnect.md §2, §4. */
import { address } from "../../agent/contract/address-shape.ts";
import { secretReference } from "../../agent/contract/secret-shape.ts";
import { ACCOMPANYING_SIGNALS, DECIDING_SIGNALS } from "../../agent/contract/observation.ts";
import { fail, INVALID, optional, withDefault, type Of, type Shape } from "../../agent/contract/shape.ts";
import { duration, integer, mapOf, object, oneOf, text } from "../../agent/contract/shapes.ts";

const SIGNALS: readonly string[] = [...DECIDING_SIGNALS, ...ACCOMPANYING_SIGNALS];
const SIGNAL = new RegExp(`^(?:${SIGNALS.join("|")}|point/[A-Za-z0-9_.-]{1,64})$`, "u");

const KEYS = object({
  url: address({
    schemes: "https?", path: true,
    description: "the agent: http://HOST:PORT or https://HOST:PORT",
    expected: "http://HOST:PORT or https://HOST:PORT, without user name, password or query in it",
  }),
  device: optional(text({ description: "name or uuid of the device in the agent; not needed when it has only one", maxLength: 256 })),
  path: optional(integer({ description: "the one control path (channel) to read; default: all of them", minimum: 1, maximum: 64 })),
  history: withDefault(oneOf(["current", "buffer"], "where the first start begins: at the current values, or at the oldest that the agent still has"), "current"),
  interval: withDefault(duration({ description: "least time between two documents of a stream", maximumMs: 60_000 }), 50, "50ms"),
  heartbeat: withDefault(duration({ description: "how often a silent agent must show that it lives", minimumMs: 100, maximumMs: 600_000 }), 5_000, "5s"),
  count: withDefault(integer({ description: "most observations in one document; at most the agent's buffer is asked for", minimum: 1, maximum: 100_000 }), 1_000),
  timeout: withDefault(duration({ description: "longest wait for an answer", minimumMs: 100, maximumMs: 300_000 }), 10_000, "10s"),
  username: optional(text({ description: "user name for basic authentication", maxLength: 256 })),
  password: optional(secretReference("where the password lies")),
  tls: optional(object({
    ca: optional(text({ description: "PEM file of the authority that signed the agent's certificate; default: the system's public ones", maxLength: 4096 })),
    servername: optional(text({ description: "name the agent's certificate must carry, when it is not the host of the url", maxLength: 256 })),
  }, "encryption; only with https://")),
  streaming: withDefault(oneOf(["auto", "stream", "poll"], "auto: a stream, or polling where the agent has none"), "auto"),
  items: optional(mapOf(text({ description: "our signal", pattern: SIGNAL, expected: `one of ${SIGNALS.join(", ")}, or point/NAME` }), { description: "data item id → our signal, where the agent's model does not say it right", maxKeys: 500 })),
});

export type MTConnectConfig = Of<typeof KEYS>;

export const MTCONNECT_SHAPE: Shape<MTConnectConfig> = {
  schema: KEYS.schema,
  read(value, path, problems) {
    const config = KEYS.read(value, path, problems);
    if (config === INVALID) return INVALID;
    const wrong = (key: string, found: string, expected: string): typeof INVALID => fail(problems, { path: [...path, key], on: "value", found, expected });
    let invalid = false;
    if (config.tls && config.url.startsWith("http:")) invalid = wrong("url", "http:// together with tls", "https:// (or no tls group)") === INVALID;
    if (config.password && config.username === undefined) invalid = wrong("password", "a password without a user name", "username beside it") === INVALID;
    if (/\/(?:probe|current|sample)\/?$/u.test(config.url)) invalid = wrong("url", "the address of one document", "the agent's address alone, without /probe, /current or /sample") === INVALID;
    return invalid ? INVALID : config;
  },
};

/** The agent as people name it. */
export const hostOf = (config: MTConnectConfig): string => new URL(config.url).host;

/** Where its port is; of `https://` without one 443. */
export function addressOf(url: string): { readonly host: string; readonly port: number } {
  const { hostname, port, protocol } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/gu, ""), port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port) };
}
