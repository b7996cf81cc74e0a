/**
 * Topics: a template's levels filled with slugs, empty levels dropped (design.md §5.3). At most 7 slashes, which the
 * tightest broker allows (facts/mqtt.md §2). ERP codes never come here.
 *
 *   {machine path}/rec/{type}   {machine path}/live/{name}   {machine path}/health   {agent path}
 *
 * Records without a machine go to {agent path}/rec/{type}; where that would be an eighth slash, to {agent path}/{type}.
 */
import type { AgentIdentity, Retained } from "../../agent/contract/destination.ts";
import type { RecordType } from "../../agent/contract/record.ts";

export const DEFAULT_TOPIC = "cellgate/v1/{site}/{area}/{cell}/{machine}";
const MAXIMUM_SLASHES = 7;
const MAXIMUM_BYTES = 256;
const LONGEST_TYPE = "connection";
const LEVELS = ["enterprise", "site", "area", "cell"] as const;

export type Placed = Pick<AgentIdentity, "id" | "enterprise" | "site" | "area" | "cell">;

export interface Topics {
  /** Also the CloudEvents `source` of a machine's records; null: of the agent itself. */
  source(machine: string | null): string;
  record(machine: string | null, type: RecordType): string;
  retained(value: Retained): string;
  readonly heartbeat: string;
}

/** Lower case ASCII letters, digits and hyphens: `Drehmaschine Nr. 3` → `drehmaschine-nr-3`, `Fräse` → `frase`. */
export function slug(text: string): string {
  return text.normalize("NFKD").replace(/\p{Mark}/gu, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
}

/** A name that no slug can be made of keeps its identity as hexadecimal, so that two of them never share a topic. */
const level = (text: string): string => slug(text) || `x${Buffer.from(text).toString("hex")}`;

function path(template: string, placed: Placed, own: { readonly level: string; readonly text: string }): string {
  const values: Record<string, string> = { agent: level(placed.id), machine: own.text };
  for (const name of LEVELS) values[name] = slug(placed[name] ?? "");
  return template.split("/")
    .map((part) => part.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? ""))
    .filter((part) => part !== "")
    .join("/");
}

const slashes = (topic: string): number => topic.split("/").length - 1;

export function topicsOf(template: string, placed: Placed): Topics {
  const agent = path(template, placed, { level: "machine", text: `_agent/${level(placed.id)}` });
  const agentRecords = slashes(agent) + 2 <= MAXIMUM_SLASHES ? `${agent}/rec` : agent;
  const known = new Map<string, string>();
  const source = (machine: string | null): string => {
    if (machine === null) return agent;
    const found = known.get(machine) ?? path(template, placed, { level: "machine", text: level(machine) });
    known.set(machine, found);
    return found;
  };
  return {
    source,
    record: (machine, type) => (machine === null ? `${agentRecords}/${type}` : `${source(machine)}/rec/${type}`),
    retained(value) {
      switch (value.scope) {
        case "live": return `${source(value.machine)}/live/${level(value.name)}`;
        case "health": return `${source(value.machine)}/health`;
        case "heartbeat": return agent;
      }
    },
    heartbeat: agent,
  };
}

/** What is wrong with a template for this site, in words; empty when nothing is. For `cellgate check`. */
export function topicProblems(template: string, placed: Placed, machines: readonly string[]): readonly string[] {
  const problems: string[] = [];
  const known: readonly string[] = [...LEVELS, "machine", "agent"];
  for (const [whole, name = ""] of template.matchAll(/\{([^}]*)\}/g))
    if (!known.includes(name)) problems.push(`the topic template holds ${whole}; it may hold ${known.map((word) => `{${word}}`).join(", ")}`);
  if (!template.split("/").includes("{machine}")) problems.push("the topic template has no level {machine}, so machines would share one topic");
  if (template.replace(/\{\w+\}/g, "").match(/[+#{}]/)) problems.push("the topic template holds + or # or a brace, which no topic may");
  if (/^[/$]/.test(template)) problems.push("the topic template begins with / or $: brokers keep those for themselves");
  if (problems.length > 0) return problems;

  const topics = topicsOf(template, placed);
  const owners = new Map<string, string>();
  for (const machine of machines) {
    const source = topics.source(machine);
    const owner = owners.get(source);
    if (owner !== undefined && owner !== machine) problems.push(`machines ${owner} and ${machine} share the topic ${source}: topics keep only letters, digits and hyphens of an id`);
    owners.set(source, machine);
    problems.push(...limits(topics.record(machine, LONGEST_TYPE)));
  }
  problems.push(...limits(topics.record(null, LONGEST_TYPE)));
  return problems;
}

function limits(topic: string): readonly string[] {
  const problems: string[] = [];
  if (slashes(topic) > MAXIMUM_SLASHES) problems.push(`the topic ${topic} has ${slashes(topic)} slashes; some brokers allow at most ${MAXIMUM_SLASHES}: take levels out of the template`);
  if (Buffer.byteLength(topic) > MAXIMUM_BYTES) problems.push(`the topic ${topic.slice(0, 60)}… has ${Buffer.byteLength(topic)} bytes; some brokers allow at most ${MAXIMUM_BYTES}`);
  return problems;
}
