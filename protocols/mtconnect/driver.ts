/**
 * MTConnect agents, 1.0 to 2.x: probe, current, then a stream of samples, or polling where the agent does not stream.
 * Read-only by protocol: only GET is ever sent. Limits: README.md beside this file. Facts: mtconnect.md.
 */
import type { Ports } from "../../agent/contract/ports.ts";
import type { Driver, Session, SourceKind } from "../../agent/contract/source.ts";
import { Agent, readModel } from "./agent.ts";
import { explainAgentErrors } from "./agent-error.ts";
import { addressOf, hostOf, MTCONNECT_SHAPE, type MTConnectConfig } from "./config.ts";
import { openClient } from "./http.ts";
import { selectItems } from "../shared/mtconnect/items.ts";
import { dialectFor } from "./requests.ts";
import { AgentSession } from "./session.ts";

export const mtconnect: SourceKind<MTConnectConfig> = {
  kind: "mtconnect",
  shape: MTCONNECT_SHAPE,
  summary: ({ url, device, path }) => `${url}${device === undefined ? "" : `, device ${device}`}${path === undefined ? "" : `, path ${path}`}`,
  address: ({ url }) => addressOf(url),
  survey: { ports: [5000, 8082], load: async () => (await import("./survey.ts")).survey },
  create: (config, ports) => ({ kind: "mtconnect", connect: (signal) => connect(config, ports, signal) } satisfies Driver),
};

/** Reads the model and the current values: a session is only given when both are there. */
async function connect(config: MTConnectConfig, ports: Ports, signal: AbortSignal): Promise<Session> {
  const client = await openClient(config, ports);
  const parts = { client, config, ports };
  try {
    const where = `the agent at ${hostOf(config)}`;
    const model = await readModel(parts, signal);
    const selection = selectItems(model, config, where);
    const whole = dialectFor(model, selection, { count: config.count, heartbeatMs: config.heartbeat });
    const agent = new Agent(parts, selection, whole);
    const asked = await agent.current(null, signal);
    if (asked.kind === "refused") throw explainAgentErrors(asked.errors, asked.url);
    const { header } = asked.streams;
    agent.limitCount(header.bufferSize);
    const { name } = selection.device;
    const peer = (): string => [
      `MTConnect agent ${header.version || "of unknown version"} at ${hostOf(config)}`,
      `device ${name}`,
      ...(config.path === undefined ? [] : [`path ${config.path}`]),
      ...(agent.dialect.filter === null ? ["unfiltered: the agent takes no item filter"] : []),
      ...(config.streaming === "poll" ? ["polled"] : []),
    ].join(", ");
    const describe = () => ({
      facts: { agent: header.version || "of unknown version", "MTConnect version": model.schema ?? "not said", device: name, uuid: selection.device.uuid, "control paths": String(selection.device.paths), "data items": `${selection.items.length} read of ${selection.device.items.length}` },
      refused: [],
    });
    return new AgentSession({ agent, client, config, ports, peer, describe }, asked.streams);
  } catch (cause) {
    client.close();
    throw cause;
  }
}
