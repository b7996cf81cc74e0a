/**
 * SHDR: adapters asked directly, without an agent between (mtconnect.md §11). Names come from the adapter's Devices.xml or
 * from a map. Nothing but `* PING` is ever written. Limits: README.md beside this file.
 */
import type { Driver, SourceKind } from "../../agent/contract/source.ts";
import { SHDR_SHAPE, whereOf, type ShdrConfig } from "./config.ts";

export const shdr: SourceKind<ShdrConfig> = {
  kind: "shdr",
  shape: SHDR_SHAPE,
  summary: (config) => `${whereOf(config)}${config.device === undefined ? "" : `, device ${config.device}`}${config.path === undefined ? "" : `, path ${config.path}`}`,
  address: ({ host, port }) => ({ host, port }),
  survey: { ports: [7878], load: async () => (await import("./survey.ts")).survey },
  create: (config, ports) => ({
    kind: "shdr",
    connect: async (signal) => (await import("./connect.ts")).connect(config, ports, signal),
  } satisfies Driver),
};
