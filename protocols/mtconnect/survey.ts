/** Whether an MTConnect agent answers: its device model is asked for, in one request, and read whole. */
import { InvariantError } from "../../agent/contract/errors.ts";
import { decode } from "../../agent/contract/shape.ts";
import type { Found, Survey, TcpAddress } from "../../agent/contract/survey.ts";
import type { Device } from "../shared/mtconnect/probe.ts";
import { readModel } from "./agent.ts";
import { MTCONNECT_SHAPE, type MTConnectConfig } from "./config.ts";
import { openClient } from "./http.ts";

export const survey: Survey<MTConnectConfig> = {
  keys: (at) => ("host" in at ? { url: urlOf(at) } : {}),
  async identify({ at, timeoutMs }, ports, signal): Promise<readonly Found[]> {
    const decoded = decode(MTCONNECT_SHAPE, { url: urlOf(at) });
    if (!decoded.ok) throw new InvariantError(`an address alone is no MTConnect source: ${JSON.stringify(at)}`);
    const config = { ...decoded.value, timeout: timeoutMs };
    const client = await openClient(config, ports);
    try {
      const { devices, schema } = await readModel({ client, config, ports }, signal);
      return devices.map((device) => ({
        words: `MTConnect agent, device ${device.name}`,
        keys: { url: urlOf(at), ...(devices.length > 1 && { device: device.name }) },
        facts: factsOf(device, schema),
      }));
    } finally {
      client.close();
    }
  },
};

const urlOf = ({ host, port }: TcpAddress): string => `http://${host.includes(":") ? `[${host}]` : host}:${port}`;

const factsOf = ({ name, uuid, items, paths }: Device, schema: string | null): Readonly<Record<string, string>> => ({
  device: name, uuid, "MTConnect version": schema ?? "not said", "control paths": String(paths), "data items": String(items.length),
  conditions: String(items.filter(({ category }) => category === "CONDITION").length),
});
