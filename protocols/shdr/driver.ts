/**
 * SHDR: adapters asked directly, without an agent between (mtconnect.md §11). Names come from the adapter's Devices.xml or
 * from a map. Nothing but `* PING` is ever written. Limits: README.md beside this file.
 */
import { readFile } from "node:fs/promises";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import type { Driver, Session, SourceKind } from "../../agent/contract/source.ts";
import { dial } from "../shared/dial.ts";
import { decodeModel, type DeviceModel } from "../shared/mtconnect/probe.ts";
import { SHDR_SHAPE, whereOf, type ShdrConfig } from "./config.ts";
import { namesOf } from "./names.ts";
import { AdapterSession } from "./session.ts";

/** The largest model recorded has 60 kB. */
const MODEL_LIMIT = 16 * 1024 * 1024;

export const shdr: SourceKind<ShdrConfig> = {
  kind: "shdr",
  shape: SHDR_SHAPE,
  summary: (config) => `${whereOf(config)}${config.device === undefined ? "" : `, device ${config.device}`}${config.path === undefined ? "" : `, path ${config.path}`}`,
  address: ({ host, port }) => ({ host, port }),
  survey: { ports: [7878], load: async () => (await import("./survey.ts")).survey },
  create: (config, ports) => ({ kind: "shdr", connect: (signal) => connect(config, ports, signal) } satisfies Driver),
};

/** The file is read anew for each connection, so that a corrected one counts without a restart. */
async function connect(config: ShdrConfig, ports: Ports, signal: AbortSignal): Promise<Session> {
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
