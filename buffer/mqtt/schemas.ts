/** JSON Schemas (2020-12) of what is published, made from the one definition of the records in the contract. */
import { RECORD_BODIES, RECORD_CONTEXT, RECORD_HEAD, RECORD_TYPES, type RecordType } from "../../agent/contract/record.ts";
import type { JsonSchema } from "../../agent/contract/shape.ts";
import { eventType, MAJOR } from "./cloud-events.ts";

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

export interface RecordSchemas {
  /** Of the record alone: the event's `data`. */
  readonly data: JsonSchema;
  /** Of the whole CloudEvent, as it stands on the wire. */
  readonly event: JsonSchema;
}

/** By record type. `cellgate schema --records` prints them. */
export function recordSchemas(): Readonly<Record<RecordType, RecordSchemas>> {
  const entries = RECORD_TYPES.map((type) => [type, schemasOf(type)] as const);
  return Object.fromEntries(entries) as Record<RecordType, RecordSchemas>;
}

function schemasOf(type: RecordType): RecordSchemas {
  const data = dataSchema(type);
  const document = (what: string, schema: JsonSchema): JsonSchema => ({ $schema: DIALECT, $id: `urn:cellgate:${what}:${type}:${MAJOR}`, title: `${type} ${what}`, ...schema });
  return { data: document("record", data), event: document("event", eventSchema(type, data)) };
}

function dataSchema(type: RecordType): JsonSchema {
  const parts = [RECORD_HEAD.schema, RECORD_CONTEXT.schema, RECORD_BODIES[type].schema];
  const properties = Object.assign({}, ...parts.map((part) => part["properties"])) as Record<string, JsonSchema>;
  return {
    type: "object",
    properties: { ...properties, schema: { ...properties["schema"], const: `${type}/${MAJOR}` } },
    required: parts.flatMap((part) => (Array.isArray(part["required"]) ? (part["required"] as string[]) : [])),
    additionalProperties: false,
  };
}

const said = (description: string, schema: JsonSchema): JsonSchema => ({ ...schema, description });
const TEXT = { type: "string", minLength: 1 } as const;
const INSTANT = { type: "string", format: "date-time" } as const;
const COUNT = { type: "integer", minimum: 0 } as const;

/** CloudEvents 1.0 attributes; those after `datacontenttype` are our extensions (design.md §5.3). */
function eventSchema(type: RecordType, data: JsonSchema): JsonSchema {
  const properties = {
    specversion: { const: "1.0" },
    id: said("recordId:rev", { type: "string", pattern: "^[0-9a-f-]{36}:[1-9][0-9]*$" }),
    source: said("topic path of the machine, or of the agent", { type: "string", format: "uri-reference", minLength: 1 }),
    type: { const: eventType(type) },
    time: said("start of what the record describes", INSTANT),
    datacontenttype: { const: "application/json" },
    epoch: said("random id of the agent's buffer file: seq counts within it", TEXT),
    seq: said("number in the buffer file", { type: "integer", minimum: 1 }),
    prev: said("seq of the record before it that was due to this destination; 0 for the first", COUNT),
    bootid: said("boot of the gateway in which it was published", TEXT),
    observedat: said("gateway time at which it was learned", INSTANT),
    publishedat: said("gateway time at which it was sent", INSTANT),
    late: said("tells of a time that completeThrough had already passed", { const: true }),
    clock: said("what its times rest on, where that is not a clock to be trusted as it is", { enum: ["shifted", "unsynchronised"] }),
    replay: said("may have been sent before: comes out of order", { const: true }),
    data,
  };
  const optional = ["late", "clock", "replay"];
  return { type: "object", properties, required: Object.keys(properties).filter((name) => !optional.includes(name)), additionalProperties: false };
}

/** Of the retained heartbeat when the agent is not there. What it says while it is there is the runtime's. */
export const HEARTBEAT_SCHEMA: JsonSchema = {
  type: "object",
  description: "whether the agent is there; offline comes from the broker (reason lost) or from the agent as it stops (reason closed)",
  properties: {
    schema: { const: "heartbeat/1" },
    status: { enum: ["online", "offline"] },
    agent: said("agent id", TEXT),
    version: said("agent version", TEXT),
    bootId: said("boot of the gateway", TEXT),
    epoch: said("id of the buffer file", TEXT),
    reason: said("of offline", { enum: ["lost", "closed"] }),
  },
  required: ["schema", "status", "agent"],
};

/** Without what only a schema document of its own may carry: for documents that embed it. */
export const embedded = (schema: JsonSchema): JsonSchema => Object.fromEntries(Object.entries(schema).filter(([keyword]) => keyword !== "$schema" && keyword !== "$id"));
