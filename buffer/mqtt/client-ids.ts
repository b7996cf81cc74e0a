/**
 * Client ids of one file at one broker: a broker lets each in once and puts the older connection out, so that two of ours
 * with one id would end each other for ever. The same for a Sparkplug edge node. A broker is known by host and port only.
 */
import type { SitePlan } from "../../agent/contract/destination.ts";
import type { Problem } from "../../agent/contract/shape.ts";
import { brokerAddress, type MqttConfig } from "./config.ts";
import { namesOf } from "./sparkplug/config.ts";

/** Of a link beside the records', for Sparkplug. */
export const sparkplugClientId = (config: MqttConfig, agent: SitePlan["agent"]): string => config.sparkplug?.client_id ?? `${clientId(config, agent)}-spb`;
export const clientId = (config: MqttConfig, agent: SitePlan["agent"]): string => config.client_id ?? agent.id;

/** `earlier`: MQTT destinations that stand before this one in the file. Paths within this one's keys. */
export function clientIdProblems(config: MqttConfig, earlier: readonly { readonly name: string; readonly config: MqttConfig }[], { agent }: SitePlan): readonly Problem[] {
  const problems: Problem[] = [];
  const wrong = (path: readonly string[], found: string, expected: string): void => void problems.push({ path, on: "value", found, expected });
  const [own, ownSparkplug] = [clientId(config, agent), sparkplugClientId(config, agent)];
  if (config.sparkplug && own === ownSparkplug) wrong(["sparkplug", "client_id"], `the client id ${own}, which the records' link has already`, "another client_id");
  for (const { name, config: other } of earlier) {
    const broker = shared(config, other);
    if (broker === undefined) continue;
    const taken = [clientId(other, agent), ...(other.sparkplug ? [sparkplugClientId(other, agent)] : [])];
    if (taken.includes(own)) wrong([config.client_id === undefined ? "name" : "client_id"], `the client id ${own} at ${broker} again, which destination ${name} has already: the broker would put one of them out for the other, for ever`, "client_id: another one for each destination at the same broker");
    if (!config.sparkplug) continue;
    if (taken.includes(ownSparkplug)) wrong(["sparkplug", ...(config.sparkplug.client_id === undefined ? [] : ["client_id"])], `the client id ${ownSparkplug} at ${broker} again, which destination ${name} has already`, "another client_id under sparkplug");
    if (other.sparkplug && nodeOf(config.sparkplug, agent) === nodeOf(other.sparkplug, agent)) wrong(["sparkplug"], `the group and edge node of destination ${name}, at the same broker`, "another group or node, or sparkplug at one of them only");
  }
  return problems;
}

function shared(one: MqttConfig, other: MqttConfig): string | undefined {
  const theirs = new Set(other.url.map(brokerOf));
  return one.url.map(brokerOf).find((broker) => theirs.has(broker));
}
function brokerOf(url: string): string {
  const { host, port } = brokerAddress(url);
  return `${host.toLowerCase()}:${port}`;
}
const nodeOf = (config: NonNullable<MqttConfig["sparkplug"]>, agent: SitePlan["agent"]): string => {
  const { group, node } = namesOf(config, agent);
  return `${group}/${node}`.toLowerCase();
};
