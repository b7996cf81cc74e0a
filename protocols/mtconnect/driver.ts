/**
 * MTConnect agents, 1.0 to 2.x: probe, current, then a stream of samples, or polling where the agent does not stream.
 * Read-only by protocol: only GET is ever sent. Limits: README.md beside this file. Facts: mtconnect.md.
 */
import type { Driver, SourceKind } from "../../agent/contract/source.ts";
import { addressOf, MTCONNECT_SHAPE, type MTConnectConfig } from "./config.ts";

export const mtconnect: SourceKind<MTConnectConfig> = {
  kind: "mtconnect",
  shape: MTCONNECT_SHAPE,
  summary: ({ url, device, path }) => `${url}${device === undefined ? "" : `, device ${device}`}${path === undefined ? "" : `, path ${path}`}`,
  address: ({ url }) => addressOf(url),
  survey: { ports: [5000, 8082], load: async () => (await import("./survey.ts")).survey },
  create: (config, ports) => ({
    kind: "mtconnect",
    connect: async (signal) => (await import("./connect.ts")).connect(config, ports, signal),
  } satisfies Driver),
};
