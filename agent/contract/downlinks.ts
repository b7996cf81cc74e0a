/** What a bridge may send to the agent, on `…/_agent/{id}/{confirm,replay,cmd}` (design.md §5.3): one definition for who reads it and for the documents. */
import { optional, type Shape } from "./shape.ts";
import { integer, object, oneOf, text } from "./shapes.ts";
import type { DownlinkKind } from "./destination.ts";

/** What a `cmd` may ask. heartbeat: heartbeat, health and live values are published now. */
export const COMMANDS = ["heartbeat"] as const;

const name = text({ description: "destination by its name in the YAML", maxLength: 256 });
const epoch = text({ description: "id of the buffer file", maxLength: 64 });
export const DOWNLINK_BODIES = {
  confirm: object({ destination: name, epoch, through: integer({ description: "everything due to it through this number is stored", minimum: 0 }) }),
  replay: object({ destination: optional(name), epoch, from: integer({ description: "first number", minimum: 1 }), to: integer({ description: "last number, inclusive", minimum: 1 }) }),
  cmd: object({ verb: oneOf(COMMANDS) }),
} as const satisfies Record<DownlinkKind, Shape<object>>;
