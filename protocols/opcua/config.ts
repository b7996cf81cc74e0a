/** The YAML keys of an OPC UA source. Defaults and limits: opcua.md §1.2, §4.6, §4.8; README.md beside this file. */
import { address } from "../../agent/contract/address-shape.ts";
import { secretReference } from "../../agent/contract/secret-shape.ts";
import { fail, INVALID, optional, withDefault, type Of, type Path, type Problem, type Shape } from "../../agent/contract/shape.ts";
import { duration, flag, integer, list, number, object, oneOf, text } from "../../agent/contract/shapes.ts";
import { checkPoint, POINT_KEYS } from "../shared/points.ts";
import { decodeNodeId, decodeStep, NODE_EXPECTED, type Address } from "./address.ts";

const PROFILES = ["sinumerik", "machine_tool", "packml", "none"] as const;
export const POLICIES = ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"] as const;
/** Part 4 §5.13.1.4: longer queues than servers give. */
const QUEUE_LIMIT = 10_000;
const SAMPLING = { minimumMs: 10, maximumMs: 3_600_000 } as const;

const POINT = object({
  ...POINT_KEYS,
  node: optional(text({ description: "node id with the namespace's URI: nsu=URI;s=NAME", maxLength: 2_048 })),
  path: optional(list(text({ description: "a step: NAME, or nsu=URI;NAME", maxLength: 1_024 }), { description: "instead of node: the browse names from the Objects folder on", minItems: 1, maxItems: 32 })),
  element: optional(integer({ description: "of an array: which element, from 0", minimum: 0, maximum: 65_535 })),
  sampling: optional(duration({ description: "how often the server looks; default: sampling of the source", ...SAMPLING })),
  queue: optional(integer({ description: "values the server keeps between two messages; default: queue of the source", minimum: 1, maximum: QUEUE_LIMIT })),
  deadband: optional(number({ description: "numbers only: smaller changes are not reported", minimum: 0 })),
  channel: optional(integer({ description: "the control channel (path) it belongs to", minimum: 1, maximum: 64 })),
}, "one value of the server: which node, as which signal");
export type PointConfig = Of<typeof POINT>;

const FILE = { pattern: /^\//, expected: "an absolute path", maxLength: 4_096 } as const;
const KEYS = object({
  url: address({ schemes: "opc\\.tcp", path: true, description: "the server: opc.tcp://HOST:4840", expected: "opc.tcp://HOST:PORT, without user name or query in it" }),
  profile: withDefault(oneOf(PROFILES, "what the server offers by itself; none: only the points below are read"), "none"),
  points: withDefault(list(POINT, { description: "values to read beside the profile's; one for the same signal replaces it", maxItems: 2_000 }), [], []),
  security: withDefault(oneOf(["none", "sign", "encrypt"], "none, signed, or signed and encrypted"), "encrypt"),
  policy: optional(oneOf(POLICIES, "default: the strongest of these that the server offers")),
  trust: withDefault(oneOf(["listed", "first"], "which server certificate is trusted: those listed by `cellgate opcua trust`, or also the first one this server ever shows"), "listed"),
  username: optional(text({ description: "user on the server, one that may only read", maxLength: 256 })),
  password: optional(secretReference("where the password lies")),
  allow_plain_password: withDefault(flag("send the password unencrypted where the server takes it no other way"), false),
  user_certificate: optional(object({
    certificate: text({ description: "PEM or DER file of the user's certificate", ...FILE }),
    key: text({ description: "PEM file of its private key", ...FILE }),
  }, "log in by certificate instead of user name")),
  publishing: withDefault(duration({ description: "how often the server sends what changed", minimumMs: 50, maximumMs: 60_000 }), 500, "500ms"),
  sampling: withDefault(duration({ description: "how often the server looks at states and counts", ...SAMPLING }), 250, "250ms"),
  measure_sampling: withDefault(duration({ description: "how often it looks at speeds, loads and overrides", ...SAMPLING }), 1_000, "1s"),
  queue: withDefault(integer({ description: "values the server keeps of each node between two messages, and while the connection is away", minimum: 1, maximum: QUEUE_LIMIT }), 100),
  keepalive: withDefault(duration({ description: "how often a silent server must show that it lives", minimumMs: 500, maximumMs: 120_000 }), 5_000, "5s"),
  session: withDefault(duration({ description: "how long the server keeps our session while the connection is away", minimumMs: 10_000, maximumMs: 3_600_000 }), 60_000, "1m"),
  timeout: withDefault(duration({ description: "longest wait for an answer", minimumMs: 1_000, maximumMs: 120_000 }), 10_000, "10s"),
  stamps: withDefault(oneOf(["source", "server"], "whose time a value has: the device's, or the server's"), "source"),
  alarms: withDefault(flag("read alarms (events), where the profile has them"), true),
  channels: withDefault(list(integer({ minimum: 1, maximum: 64 }), { description: "sinumerik: the channels of the machine", minItems: 1, maxItems: 16 }), [1], [1]),
  drive: optional(integer({ description: "sinumerik: which drive is the spindle's, for its load; found at commissioning", minimum: 1, maximum: 93 })),
  machine: optional(text({ description: "machine_tool: name of the machine under Machines; not needed where there is one", maxLength: 256 })),
  unit: optional(list(text({ description: "a step: NAME, or nsu=URI;NAME", maxLength: 1_024 }), { description: "packml: browse names from the Objects folder to the unit; not needed where there is one", minItems: 1, maxItems: 32 })),
});
export type OpcuaConfig = Of<typeof KEYS>;

interface Told {
  readonly path: Path;
  readonly problems: Problem[];
}

export const OPCUA_SHAPE: Shape<OpcuaConfig> = {
  schema: KEYS.schema,
  read(value, path, problems) {
    const config = KEYS.read(value, path, problems);
    if (config === INVALID) return INVALID;
    const before = problems.length;
    checkWhole(config, { path, problems });
    for (const [index, point] of config.points.entries()) checkOne(point, { path: [...path, "points", index], problems });
    return problems.length > before ? INVALID : config;
  },
};

function checkWhole(config: OpcuaConfig, { path, problems }: Told): void {
  const wrong = (key: string, found: string, expected: string): void => void fail(problems, { path: [...path, key], on: "value", found, expected });
  const { security, username, password, user_certificate: certificate, publishing, keepalive, session, profile } = config;
  if (password !== undefined && username === undefined) wrong("password", "a password without a user name", "username beside it");
  if (username !== undefined && certificate !== undefined) wrong("user_certificate", "a user name and a user certificate", "one of them");
  if (security === "none" && config.policy !== undefined) wrong("policy", "a policy together with security: none", "security: sign or encrypt (or no policy)");
  if (keepalive < publishing * 3) wrong("keepalive", `${keepalive} ms with a publishing of ${publishing} ms`, "at least three times publishing");
  if (session <= keepalive * 2) wrong("session", `${session} ms with a keepalive of ${keepalive} ms`, "more than twice keepalive");
  if (profile === "none" && config.points.length === 0) wrong("profile", "profile none without points", `profile: ${PROFILES.slice(0, -1).join(", ")}, or a list of points`);
}

function checkOne(point: PointConfig, { path, problems }: Told): void {
  const given = [point.node, point.path].filter((one) => one !== undefined).length;
  if (given !== 1) fail(problems, { path, on: "value", found: given === 0 ? "neither node nor path" : "both node and path", expected: "one of node and path" });
  if (point.node !== undefined && decodeNodeId(point.node) === null) fail(problems, { path: [...path, "node"], on: "value", found: JSON.stringify(point.node.slice(0, 80)), expected: NODE_EXPECTED });
  checkPoint(point, path, problems);
}

/** Where a checked point lies. */
export function pointAddress({ node, path = [] }: Pick<PointConfig, "node" | "path">): Address {
  const id = node === undefined ? null : decodeNodeId(node);
  return id === null ? { by: "path", steps: path.flatMap((text) => decodeStep(text) ?? []) } : { by: "id", node: id };
}

/** The server as people name it: the configured address, whatever the server calls itself. */
export const hostOf = ({ url }: Pick<OpcuaConfig, "url">): string => url.replace(/^opc\.tcp:\/\//u, "").replace(/\/$/u, "");
/** Where its port is; 4840 where the address has none. */
export function addressOf(url: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/gu, ""), port: port === "" ? 4_840 : Number(port) };
}
