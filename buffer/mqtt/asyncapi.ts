/** The topics as an AsyncAPI 3.0 document, made from the one definition of records and topics. */
import { DOWNLINK_KINDS } from "../../agent/contract/destination.ts";
import { DOWNLINK_BODIES } from "../../agent/contract/downlinks.ts";
import { RECORD_TYPES } from "../../agent/contract/record.ts";
import { CONTENT_TYPE, eventType, MAJOR } from "./cloud-events.ts";
import { MARK_SCHEMA } from "./marks.ts";
import { embedded, HEARTBEAT_SCHEMA, recordSchemas } from "./schemas.ts";

const CELL = "cellgate/v1/{site}/{area}/{cell}";
const PARAMETERS = {
  site: { description: "slug of the site; the level is left out when none is configured" },
  area: { description: "slug of the area; the level is left out when none is configured" },
  cell: { description: "slug of the work cell; the level is left out when none is configured" },
  machine: { description: "slug of the machine id: lower case letters, digits and hyphens" },
  agent: { description: "slug of the agent id" },
  name: { description: "slug of the value's name: spindle-speed" },
} as const;

type Entries = (readonly [string, object])[];
const group = (...entries: Entries): Readonly<Record<string, object>> => Object.fromEntries(entries);
const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
const parameters = (address: string): object =>
  Object.fromEntries([...address.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => [name, PARAMETERS[name as keyof typeof PARAMETERS]]));
const channel = (address: string, message: string, description: string): object =>
  ({ address, description, parameters: parameters(address), messages: { [message]: { $ref: `#/components/messages/${message}` } } });
const sends = (name: string, retain: boolean, summary: string): object =>
  ({ action: "send", channel: { $ref: `#/channels/${name}` }, summary, bindings: { mqtt: { qos: 1, retain, bindingVersion: "0.2.0" } } });

const receives = (name: string, summary: string): object =>
  ({ action: "receive", channel: { $ref: `#/channels/${name}` }, summary, bindings: { mqtt: { qos: 1, bindingVersion: "0.2.0" } } });

/** What a bridge sends: never retained, which is ignored, and at most 16 kB. */
const DOWNLINKS = {
  confirm: "the bridge has stored everything due to it through a number",
  replay: "the bridge asks for records again; they come with replay: true, the same ids and revisions",
  cmd: "asks the agent to do one of a closed list of harmless things",
} as const;

/** Topics that hold one current value each: retained, the newest replaces the one before, outside `seq` and `prev`. */
const CURRENT = [
  { name: "live", address: `${CELL}/{machine}/live/{name}`, description: "a current value of a machine", payload: { type: "object" } },
  { name: "health", address: `${CELL}/{machine}/health`, description: "whether the machine's sources are reachable, and what is missing", payload: { type: "object" } },
  { name: "heartbeat", address: `${CELL}/_agent/{agent}`, description: "whether the agent is there (last will) and how far its records are complete", payload: HEARTBEAT_SCHEMA },
  { name: "mark", address: `${CELL}/_agent/{agent}/mark`, description: "through which number rows may be known; the agent itself reads it when it starts, to know whether its buffer came back older. Others must not write it", payload: MARK_SCHEMA },
] as const;

/** The default topics; a template in the YAML may place them elsewhere. `cellgate schema --asyncapi` prints it. */
export function asyncApiDocument(): object {
  const schemas = recordSchemas();
  const records = RECORD_TYPES.flatMap((type) => [
    { name: `record${capital(type)}`, type, address: `${CELL}/{machine}/rec/${type}`, whose: "a machine" },
    { name: `agentRecord${capital(type)}`, type, address: `${CELL}/_agent/{agent}/${type}`, whose: "the agent itself (with /rec before the type where that keeps to 7 slashes)" },
  ]);
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Cellgate records",
      version: `${MAJOR}.0.0`,
      description: "What a Cellgate agent publishes over MQTT: records (CloudEvents 1.0, structured JSON, at least once, one id for every repeat) and current values (retained), and what it takes from a bridge.",
      license: { name: "Apache-2.0" },
    },
    defaultContentType: CONTENT_TYPE,
    channels: group(
      ...records.map(({ name, type, address, whose }) => [name, channel(address, `${type}Event`, `${type} records of ${whose}`)] as const),
      ...CURRENT.map(({ name, address, description }) => [name, channel(address, name, description)] as const),
      ...DOWNLINK_KINDS.map((kind) => [kind, channel(`${CELL}/_agent/{agent}/${kind}`, kind, DOWNLINKS[kind])] as const),
    ),
    operations: group(
      ...records.map(({ name, type, whose }) => [`publish${capital(name)}`, sends(name, false, `each ${type} record of ${whose}, in order of seq`)] as const),
      ...CURRENT.map(({ name, description }) => [`publish${capital(name)}`, sends(name, true, description)] as const),
      ...DOWNLINK_KINDS.map((kind) => [`take${capital(kind)}`, receives(kind, DOWNLINKS[kind])] as const),
    ),
    components: {
      messages: group(
        ...RECORD_TYPES.map((type) => [`${type}Event`, { name: eventType(type), title: `${type} event`, contentType: CONTENT_TYPE, payload: { $ref: `#/components/schemas/${type}Event` } }] as const),
        ...CURRENT.map(({ name, payload }) => [name, { name, contentType: "application/json", payload }] as const),
        ...DOWNLINK_KINDS.map((kind) => [kind, { name: kind, contentType: "application/json", payload: DOWNLINK_BODIES[kind].schema }] as const),
      ),
      schemas: group(...RECORD_TYPES.map((type) => [`${type}Event`, embedded(schemas[type].event)] as const)),
    },
  };
}
