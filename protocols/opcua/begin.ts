/**
 * From a configuration to a session that reads: connected, what there is to read found, and followed. Loaded, with all that
 * it needs, when the first OPC UA source connects.
 */
import { InvariantError, LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import type { Place, Session } from "../../agent/contract/source.ts";
import { inSession } from "./address.ts";
import { eventClauses, type Clause } from "./alarms.ts";
import { hostOf, type OpcuaConfig } from "./config.ts";
import { open, type Open } from "./connect.ts";
import { explain } from "./explain.ts";
import { Following } from "./following.ts";
import { ReadOnly } from "./guard.ts";
import { loadLibrary, type Library } from "./library.ts";
import { Mailbox } from "./mailbox.ts";
import { explorerOf, locate, requireSomething } from "./nodes.ts";
import { openPki } from "./pki.ts";
import type { Profile } from "./profile.ts";
import { profileOf } from "./profiles.ts";
import { OpcuaSession } from "./session.ts";

/** Enough for a control whose every alarm comes at once. */
const EVENT_QUEUE = 1_000;

export interface Connecting {
  readonly config: OpcuaConfig;
  readonly ports: Ports;
  readonly place: Place | undefined;
}

export async function connect({ config, ports, place }: Connecting, signal: AbortSignal): Promise<Session> {
  if (place === undefined) throw new InvariantError("an OPC UA source needs the agent's id and data folder for its certificates");
  const library = await loadLibrary(ports.log);
  const pki = await openPki(library.certificates, place, ports.network.now().unixMs);
  const opened = await open({ config, ports, library, pki }, signal);
  try {
    return await begin({ config, ports, library, opened }, signal);
  } catch (cause) {
    await opened.close();
    signal.throwIfAborted();
    throw cause instanceof InvariantError ? cause : explain(cause, hostOf(config), config.security !== "none");
  }
}

interface Beginning {
  readonly config: OpcuaConfig;
  readonly ports: Ports;
  readonly library: Library;
  readonly opened: Open;
}

/** Finds what there is to read, and begins to follow it: a session is only given when something of the machine can be seen. */
async function begin({ config, ports, library, opened }: Beginning, signal: AbortSignal): Promise<Session> {
  const where = hostOf(config);
  const { client, session, product } = opened;
  const guard = await ReadOnly.open({ library: library.client, client, session, network: ports.network, timeoutMs: config.timeout, where }, signal);
  const profile = profileOf(config);
  const explorer = explorerOf(guard, signal);
  const found = await locate(guard, explorer, await profile.find(explorer), signal);
  requireSomething(found, profile.name, where);
  const mailbox = new Mailbox();
  await guard.subscribe({ publishingMs: config.publishing, keepaliveMs: config.keepalive, sessionMs: config.session }, {
    notice(notice) {
      mailbox.put(notice);
    },
    lost(why) {
      mailbox.end(new LinkError("lost", "backoff", `OPC UA server at ${where}: ${why}`));
    },
  }, signal);
  const alarmClauses = config.alarms ? await followAlarms({ guard, profile, ports, where }, signal) : null;
  const following = await Following.begin({ config, ports, guard, where }, found, signal);
  if (alarmClauses !== null) await guard.refreshConditions(signal);
  return new OpcuaSession({ config, ports, open: opened, guard, profile, mailbox, alarmClauses, where, peer: `${product} (OPC UA, ${profile.name}) at ${where}` }, following);
}

/** What is asked of each alarm. Null: the profile has none, or the server does not let us; the log says why. */
async function followAlarms({ guard, profile, ports, where }: { readonly guard: ReadOnly; readonly profile: Profile; readonly ports: Ports; readonly where: string }, signal: AbortSignal): Promise<readonly Clause[] | null> {
  const refusals: string[] = [];
  for (const address of profile.alarms) for (const strict of [false, true]) {
    const nodeId = address.by === "id" ? inSession(address.node, guard.namespaces) : null;
    if (nodeId === null) continue;
    const clauses = eventClauses(guard.namespaces, strict);
    const { handle, status } = await guard.followEvents(nodeId, clauses, EVENT_QUEUE, signal);
    if (handle !== null) return clauses;
    refusals.push(status);
  }
  if (refusals.length > 0) ports.log.warn({ server: where, status: [...new Set(refusals)].join(", ") }, "alarms cannot be followed: the user needs the right for it (SINUMERIK: AlarmRead), or the server has none");
  return null;
}
