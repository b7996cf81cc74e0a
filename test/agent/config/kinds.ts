/** Small kinds of our own, so that the texts expected here do not depend on what a driver's keys are called. */
import type { Kinds } from "../../../agent/config/kinds.ts";
import { secretReference } from "../../../agent/contract/secret-shape.ts";
import { optional, withDefault, type Of } from "../../../agent/contract/shape.ts";
import { duration, oneOf, object, text } from "../../../agent/contract/shapes.ts";
import type { DestinationKind } from "../../../agent/contract/destination.ts";
import type { SourceKind } from "../../../agent/contract/source.ts";

const SOURCE = object({
  url: text({ description: "the device's address", pattern: /^http:\/\/\S+$/, expected: "http://HOST:PORT" }),
  device: optional(text({ description: "device name" })),
  history: withDefault(oneOf(["current", "buffer"], "where a first start begins"), "current"),
  poll: withDefault(duration({ description: "time between polls", minimumMs: 100 }), 1_000, "1s"),
});
const BROKER = object({
  url: text({ description: "the broker's address" }),
  username: optional(text()),
  password: optional(secretReference("password at the broker")),
  topic: withDefault(text({ description: "topic template" }), "{site}/{machine}"),
});

const never = (): never => {
  throw new Error("nothing is connected to here");
};
const machineTool: SourceKind<Of<typeof SOURCE>> = { kind: "mtconnect", shape: SOURCE, summary: ({ url, device }) => `${url}${device === undefined ? "" : `, device ${device}`}`, create: never };
const contact: SourceKind<object> = { kind: "contact", shape: object({ line: text({ description: "GPIO line" }) }), create: never };
const broker: DestinationKind<Of<typeof BROKER>> = {
  kind: "mqtt",
  shape: BROKER,
  check: ({ topic }, { agent }) => (topic.includes("{site}") && agent.site === undefined
    ? [{ path: ["topic"], on: "value", found: "a topic with {site}", expected: "agent: {site: NAME}, or a topic without it" }]
    : []),
  summary: ({ topic }, { machines }) => machines.map((machine) => `${machine} → ${topic}`),
  create: never,
};

export const KINDS: Kinds = { sources: [machineTool, contact], destinations: [broker] };
export const HOST = { name: "edge-1", timezone: "Europe/Berlin" } as const;

/** A good file, to break in one place. */
export const GOOD = `agent:
  id: cell-7
  site: lyon
destinations:
  - name: erp
    url: mqtt://broker
machines:
  - id: VMC-3
    sources:
      - {type: mtconnect, url: "http://10.0.7.21:8082"}
`;
