/** A session on the bus that the source names. Loaded when the first source connects. */
import type { Ports } from "../../agent/contract/ports.ts";
import type { Session } from "../../agent/contract/source.ts";
import { borrowBus } from "./buses.ts";
import type { ModbusConfig } from "./config.ts";
import { BusSession } from "./session.ts";

export const connect = async (config: ModbusConfig, ports: Ports, signal: AbortSignal): Promise<Session> =>
  new BusSession(config, ports, await borrowBus(config.address, ports, signal));
