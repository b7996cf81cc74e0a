/**
 * Haas controls by their Q commands: over the network (Next Generation Control) or RS-232 (older ones). Only the questions
 * of questions.ts can be asked. The control's MTConnect port is `type: mtconnect`. Limits: README.md beside this file.
 */
import type { Driver, SourceKind } from "../../agent/contract/source.ts";
import { HAAS_SHAPE, whereOf, type HaasConfig } from "./config.ts";

export const haas: SourceKind<HaasConfig> = {
  kind: "haas",
  shape: HAAS_SHAPE,
  summary: whereOf,
  address: ({ host, port, serial }) => (serial === undefined ? { host: host ?? "", port } : { serial: serial.path }),
  survey: { ports: [5051], load: async () => (await import("./survey.ts")).survey },
  create: (config, ports) => ({
    kind: "haas",
    async connect(signal) {
      const { connect } = await import("./connect.ts");
      return connect(config, ports, signal);
    },
  } satisfies Driver),
};
