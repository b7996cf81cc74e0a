/** The YAML keys of a Sparkplug B output, and what only the whole file shows to be wrong with them. */
import type { SitePlan } from "../../../agent/contract/destination.ts";
import { optional, withDefault, type Of, type Problem, type Shape } from "../../../agent/contract/shape.ts";
import { duration, integer, mapOf, object, text } from "../../../agent/contract/shapes.ts";

/** Sparkplug 3.0 §4.1: any UTF-8 text without + / #; no control characters, which brokers refuse in topics. */
const ID = /^[^+/#\p{Cc}]{1,128}$/u;
const ID_EXPECTED = "1 to 128 characters, none of them + / or #";
const id = (description: string): Shape<string> => text({ description, pattern: ID, expected: ID_EXPECTED });

export const SPARKPLUG_SHAPE = object({
  group: id("group id: with the node id it names this agent, once in the whole infrastructure"),
  node: optional(id("edge node id; default: the agent's id")),
  devices: withDefault(mapOf(id("device id"), { description: "device id of a machine, where it is not the machine's id", maxKeys: 1_000 }), {}),
  primary_host: optional(id("id of the host application without which nothing is published; default: publish at once")),
  client_id: optional(text({ description: "client id of this link at the broker; default: the destination's with -spb after it", pattern: /^[A-Za-z0-9_.-]{1,64}$/, expected: "1 to 64 letters, digits, _ . or -" })),
  rebirth_interval: withDefault(duration({ description: "shortest time between two births that a host asks for; further requests in it are answered by one", minimumMs: 1_000, maximumMs: 3_600_000 }), 5_000, "5s"),
  history: withDefault(integer({ description: "changes per machine kept in memory while this link is away, and sent as historical afterwards; the oldest go first", minimum: 0, maximum: 100_000 }), 1_000),
}, "Sparkplug B 3.0 beside the records: live values for a SCADA host, on a link of its own; nobody acknowledges it, so it never replaces the records");

export type SparkplugConfig = Of<typeof SPARKPLUG_SHAPE>;

/** The names under which an agent is known: group, node, and a device for each machine. */
export interface SparkplugNames {
  readonly group: string;
  readonly node: string;
  device(machine: string): string;
}
export const namesOf = (config: SparkplugConfig, agent: { readonly id: string }): SparkplugNames => ({
  group: config.group,
  node: config.node ?? agent.id,
  device: (machine) => config.devices[machine] ?? machine,
});

/** For people, one line. */
export function sparkplugSummary(config: SparkplugConfig, agent: { readonly id: string }): readonly string[] {
  const { group, node } = namesOf(config, agent);
  return [`live values as Sparkplug B: spBv1.0/${group}/…/${node}${config.primary_host === undefined ? "" : `, while ${config.primary_host} is online`}`];
}

/** Paths within the group `sparkplug`. */
export function sparkplugProblems(config: SparkplugConfig, { agent, machines }: SitePlan): readonly Problem[] {
  const problems: Problem[] = [];
  const wrong = (path: readonly string[], found: string, expected: string): void => void problems.push({ path, on: "value", found, expected });
  const names = namesOf(config, agent);
  if (names.group === "STATE") wrong(["group"], "the group STATE, which is the host applications' topic", "another group id");
  if (config.node === undefined && !ID.test(agent.id)) wrong(["node"], `no node, and the agent's id ${JSON.stringify(agent.id)} cannot be one`, ID_EXPECTED);
  for (const machine of Object.keys(config.devices))
    if (!machines.includes(machine)) wrong(["devices", machine], `a device for ${machine}, which is no machine here`, `one of ${machines.join(", ")}`);
  const owners = new Map<string, string>();
  for (const machine of machines) {
    const device = names.device(machine);
    if (!ID.test(device)) wrong(["devices"], `no device for machine ${machine}, whose id cannot be a device id`, `${machine}: a text of ${ID_EXPECTED}`);
    // Hosts may not tell ids apart by case (tck-id-case-sensitivity-sparkplug-ids).
    const owner = owners.get(device.toLowerCase());
    if (owner !== undefined) wrong(["devices"], `machines ${owner} and ${machine} with the same device id ${device}, or one that differs only in case`, "another id for one of them");
    owners.set(device.toLowerCase(), machine);
  }
  return problems;
}
