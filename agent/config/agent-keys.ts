/** The keys of `agent:` in the YAML: who and where this agent is (design.md §5.2). */
import { optional, withDefault, type Of } from "../contract/shape.ts";
import { duration, object, oneOf, text } from "../contract/shapes.ts";
import { identity, line, timezone } from "./refined.ts";

export const AGENT_KEYS = object({
  id: optional(identity("this agent's id, unique within the enterprise; default: the host's name")),
  enterprise: optional(identity("ISA-95 enterprise")),
  site: optional(identity("ISA-95 site")),
  area: optional(identity("ISA-95 area")),
  cell: optional(identity("ISA-95 work cell")),
  timezone: optional(timezone("IANA zone of the site; default: the system's")),
  data_dir: withDefault(text({
    description: "folder of the buffer and of captures", pattern: /^\/[^\0]*$/, expected: "an absolute path, such as /var/lib/cellgate", maxLength: 4096,
  }), "/var/lib/cellgate"),
  clock_wait: withDefault(duration({ description: "how long after a start the sources' data waits for this machine's clock to be set by the network; then records say that it was not", maximumMs: 3_600_000 }), 300_000, "5m"),
  environment: withDefault(oneOf(["production", "test"], "on every record: test records must never reach a live ERP"), "production"),
  owner: optional(object({
    name: line("who looks after this agent"),
    contact: line("how to reach them"),
    escalation: optional(line("whom they call")),
  }, "who looks after this agent")),
}, "who and where this agent is");

export type AgentKeys = Of<typeof AGENT_KEYS>;
