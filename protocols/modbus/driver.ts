/**
 * Modbus TCP and RTU: configured points, or devices by name, read in few requests. Read-only: guard.ts lets functions 1
 * to 4 out and nothing else. Limits: README.md beside this file. Facts: modbus.md.
 */
import type { SourceKind } from "../../agent/contract/source.ts";
import { MODBUS_SHAPE, summaryOf, type ModbusConfig } from "./config.ts";

export const modbus: SourceKind<ModbusConfig> = {
  kind: "modbus",
  shape: MODBUS_SHAPE,
  summary: summaryOf,
  address: ({ address }) => (address.kind === "tcp" ? { host: address.host, port: address.port } : { serial: address.line.path }),
  survey: { ports: [502], load: async () => (await import("./survey.ts")).survey },
  create: (config, ports) => ({
    kind: "modbus",
    connect: async (signal) => (await import("./connect.ts")).connect(config, ports, signal),
  }),
};
