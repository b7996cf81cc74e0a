/**
 * OPC UA servers: controls (SINUMERIK, umati machine tools, PackML units) by their profile, and any other server by a list
 * of nodes. Read-only: guard.ts is the one way to the session. Limits: README.md beside this file. Facts: opcua.md.
 */
import type { Driver, SourceKind } from "../../agent/contract/source.ts";
import { addressOf, OPCUA_SHAPE, type OpcuaConfig } from "./config.ts";

export const opcua: SourceKind<OpcuaConfig> = {
  kind: "opcua",
  shape: OPCUA_SHAPE,
  summary: ({ url, profile, security }) => `${url}, ${profile === "none" ? "configured points" : profile}, security ${security}`,
  address: ({ url }) => addressOf(url),
  survey: { ports: [4840], load: async () => (await import("./survey.ts")).survey },
  create: (config, ports, place) => ({
    kind: "opcua",
    connect: async (signal) => (await import("./begin.ts")).connect({ config, ports, place }, signal),
  } satisfies Driver),
};
