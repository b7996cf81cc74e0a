/** From a configuration to a session with an adapter. Loaded when the first one is connected. */
import { readFile } from "node:fs/promises";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import type { Session } from "../../agent/contract/source.ts";
import { dial } from "../shared/dial.ts";
import { decodeModel, type DeviceModel } from "../shared/mtconnect/probe.ts";
import type { ShdrConfig } from "./config.ts";
import { namesOf } from "./names.ts";
import { AdapterSession } from "./session.ts";

/** The largest model recorded has 60 kB. */
const MODEL_LIMIT = 16 * 1024 * 1024;

/** The file is read anew for each connection, so that a corrected one counts without a restart. */
export async function connect(config: ShdrConfig, ports: Ports, signal: AbortSignal): Promise<Session> {
  const names = namesOf(config, await readModel(config));
  const { host, port, timeout } = config;
  const socket = await dial({ what: "the adapter", host, port, timeoutMs: timeout }, ports, signal);
  return new AdapterSession({ socket, config, names, ports });
}

async function readModel({ devices }: ShdrConfig): Promise<DeviceModel | null> {
  if (devices === undefined) return null;
  const bytes = await readFile(devices).catch((cause: unknown) => {
    throw new LinkError("refused", "backoff", `the file ${devices} (devices) cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  });
  if (bytes.length > MODEL_LIMIT) throw new LinkError("unsupported", "backoff", `the file ${devices} (devices) has ${bytes.length} bytes: that is no Devices.xml`);
  return decodeModel(bytes, `the file ${devices} (devices)`);
}
