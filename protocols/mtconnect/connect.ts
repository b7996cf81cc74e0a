/** From a configuration to a session with an MTConnect agent. Loaded when the first one is connected. */
import type { Ports } from "../../agent/contract/ports.ts";
import type { Session } from "../../agent/contract/source.ts";
import { Agent, readModel } from "./agent.ts";
import { explainAgentErrors } from "./agent-error.ts";
import { hostOf, type MTConnectConfig } from "./config.ts";
import { openClient } from "./http.ts";
import { selectItems } from "../shared/mtconnect/items.ts";
import { dialectFor } from "./requests.ts";
import { AgentSession } from "./session.ts";

/** Reads the model and the current values: a session is only given when both are there. */
export async function connect(config: MTConnectConfig, ports: Ports, signal: AbortSignal): Promise<Session> {
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
