/**
 * FANUC controls over Ethernet (FOCAS2), without the vendor's library: one connection, the command channel alone, and no
 * function but those that read (functions.ts). What a control has is found by asking. Limits: README.md beside this file.
 * Facts: focas.md.
 */
import type { Driver, SourceKind } from "../../agent/contract/source.ts";
import { FOCAS_SHAPE, type FocasConfig } from "./config.ts";

export const focas: SourceKind<FocasConfig> = {
  kind: "focas",
  shape: FOCAS_SHAPE,
  summary: ({ host, port, path }) => `${host}:${port}${path === undefined ? "" : `, path ${path}`}`,
  address: ({ host, port }) => ({ host, port }),
  survey: { ports: [8193], load: async () => (await import("./survey.ts")).survey },
  create: (config, ports) => ({
    kind: "focas",
    async connect(signal) {
      const { connect } = await import("./connect.ts");
      return connect(config, ports, signal);
    },
  } satisfies Driver),
};
