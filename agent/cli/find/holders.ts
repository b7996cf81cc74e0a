/**
 * Whom the running agent of this computer reads: those are asked through it, over its control socket, and no second
 * connection is opened to them. An agent that runs and cannot be asked ends the command: its controls' slots are not ours.
 */
import { lookup } from "node:dns/promises";
import { existsSync, realpathSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { StoreError } from "../../contract/errors.ts";
import type { Ports } from "../../contract/ports.ts";
import { isRecord } from "../../contract/shape.ts";
import type { Address } from "../../contract/survey.ts";
import type { Kinds } from "../../config/kinds.ts";
import { placeOf, type Configuration } from "../../config/model.ts";
import type { Place } from "../../contract/source.ts";
import { askAgent, type Reply, type Request } from "../../runtime/health/control.ts";
import type { HeldSource } from "../../runtime/health/held-sources.ts";
import { CONFIG, type Arguments } from "../arguments.ts";
import { configuration } from "../configured.ts";
import type { Io } from "../terminal.ts";
import { canonical } from "./ranges.ts";

export interface HolderParts {
  readonly kinds: Kinds;
  ports(): Ports;
  /** Whether an agent has this data folder now, be it one that cannot be asked. */
  isHeld(dataDir: string): boolean;
}

/** Where an agent without a configuration file of its own would be: agent.data_dir's default. */
const NOWHERE: Place = { agentId: "probe", dataDir: "/var/lib/cellgate" };

/** The file that was named, or the usual one where it is there. Null: there is none, and none was named. */
export async function configurationIfThere(args: Arguments, kinds: Kinds, io: Io): Promise<Configuration | null> {
  const file = args.value("config") ?? "";
  return file === CONFIG["config"]?.default && !existsSync(file) ? null : configuration(file, kinds, io);
}
export const placeIn = (settings: Configuration | null): Place => (settings === null ? NOWHERE : placeOf(settings));

/** What the running agent reads; null: none runs. */
export async function heldSources(parts: HolderParts, dataDir: string, signal: AbortSignal): Promise<readonly HeldSource[] | null> {
  const reply = await asking(parts, dataDir, { verb: "sources" }, signal);
  if (reply === null) {
    if (existsSync(dataDir) && parts.isHeld(dataDir)) throw unasked(dataDir, "it is just starting, or has no control socket (its log says why)");
    return null;
  }
  if (!reply.ok || !Array.isArray(reply.result)) throw unasked(dataDir, `it is of another version than this command (${reply.ok ? "an answer that we do not know" : reply.reason})`);
  return reply.result.filter((one): one is HeldSource => isRecord(one) && typeof one["machine"] === "string" && typeof one["kind"] === "string" && isRecord(one["values"]));
}

export async function asking(parts: HolderParts, dataDir: string, request: Request, signal: AbortSignal): Promise<Reply | null> {
  try {
    return await askAgent(dataDir, request, parts.ports().network, signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw unasked(dataDir, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

const unasked = (dataDir: string, why: string, cause?: unknown): StoreError =>
  new StoreError("locked", `an agent runs on ${dataDir} and cannot be asked which controls it reads: ${why}. A control has few connections, so nothing was opened. Try again, or stop the agent first (systemctl stop cellgate)`, { cause });

/** Finds the source that holds an address. All addresses of this computer are one. */
export class Holders {
  readonly #held: readonly HeldSource[];

  constructor(held: readonly HeldSource[]) {
    this.#held = held;
  }

  async of(address: Address): Promise<HeldSource | null> {
    if ("serial" in address) return this.#held.find((one) => one.address !== null && "serial" in one.address && portOf(one.address.serial) === portOf(address.serial)) ?? null;
    const heldAt = await this.places();
    for (const host of await addressesOf(address.host)) {
      const held = heldAt(host, address.port);
      if (held !== null) return held;
    }
    return null;
  }

  /** The names in the agent's configuration are resolved once; then by address, as `addressesOf` gives them. */
  async places(): Promise<(host: string, port: number) => HeldSource | null> {
    const table = new Map<string, HeldSource>();
    for (const one of this.#held) {
      if (one.address === null || "serial" in one.address) continue;
      for (const host of await addressesOf(one.address.host)) table.set(`${asHere(host)} ${one.address.port}`, one);
    }
    return (host, port) => table.get(`${asHere(canonical(host))} ${port}`) ?? null;
  }
}

/** As the system resolves it, in one form each; a name that is not known stands for itself. */
export async function addressesOf(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true }).catch(() => [{ address: name }]);
  return found.map(({ address }) => canonical(address));
}

/** A port has several stable names, all of them links to it. */
function portOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // It is not plugged in now.
  }
}

const HERE = "this computer";
function asHere(address: string): string {
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []).map(({ address: one }) => canonical(one));
  return address.startsWith("127.") || address === "::1" || own.includes(address) ? HERE : address;
}
