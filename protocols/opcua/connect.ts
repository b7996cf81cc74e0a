/**
 * From an address to an open session: the server is asked what it offers, its certificate is judged, then one secure
 * channel and one session are opened. Whatever fails closes what was opened: a session that stays open at a control holds
 * one of its few slots.
 */
import { readFile } from "node:fs/promises";
import type { ClientSession, EndpointDescription, OPCUAClient, OPCUAClientOptions, UserIdentityInfo } from "node-opcua-client";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import { bounded } from "./bounded.ts";
import { certificateWords, factsOf } from "./certificate.ts";
import { hostOf, type OpcuaConfig } from "./config.ts";
import { chooseEndpoint, identityFor, type Chosen } from "./endpoint.ts";
import { explain, isAboutOurCertificate } from "./explain.ts";
import type { Library } from "./library.ts";
import { WARN_BEFORE_MS, type Pki } from "./pki.ts";
import { mendedTransport } from "./transport.ts";
import { judgeServer } from "./trust.ts";

export interface Dialling {
  readonly config: OpcuaConfig;
  readonly ports: Ports;
  readonly library: Library;
  readonly pki: Pki;
}
export interface Open {
  readonly client: OPCUAClient;
  readonly session: ClientSession;
  /** The server's own words for itself. */
  readonly product: string;
  /** For people: security, certificate, user. */
  readonly facts: Readonly<Record<string, string>>;
  /** Warns when our certificate ends soon. A link may last longer than that. */
  remind(): Promise<void>;
  close(): Promise<void>;
}

/** For each step of closing: three of them fit into the time in which the agent stops. */
const CLOSE_MS = 1_000;
/** Discovery, channel and session: each answers within the timeout, or none does. */
const STEPS = 4;

export async function open(dialling: Dialling, signal: AbortSignal): Promise<Open> {
  const { config, ports: { network }, pki } = dialling;
  const where = hostOf(config);
  const deadline = network.deadline(config.timeout * STEPS, signal);
  try {
    const chosen = await discover(dialling, deadline.signal);
    if (config.security !== "none") await pki.inTurn(() => judgeServer({ ...dialling, certificate: chosen.certificate, where }));
    const [own = "", before] = pki.own();
    try {
      return await enter(dialling, chosen, own, deadline.signal);
    } catch (cause) {
      if (before === undefined || !isAboutOurCertificate(cause)) throw cause;
      dialling.ports.log.warn({ server: where }, "the server does not take our renewed certificate yet: the one before is used; accept the new one there");
      return await enter(dialling, chosen, before, deadline.signal);
    }
  } catch (cause) {
    signal.throwIfAborted();
    if (deadline.signal.aborted) throw new LinkError("timeout", "backoff", `OPC UA server at ${where}: no session within ${(config.timeout * STEPS) / 1_000} s`, { cause });
    throw explain(cause, where, config.security !== "none");
  } finally {
    deadline.clear();
  }
}

/** What the server offers, asked without security and without a session. */
async function discover(dialling: Dialling, signal: AbortSignal): Promise<Chosen> {
  const client = clientOf(dialling, { certificateFile: dialling.pki.own()[0] ?? "" });
  try {
    const endpoints = await bounded(asked(client, dialling.config.url), boundOf(dialling, "connecting"), signal);
    return chooseEndpoint(endpoints, dialling.config, hostOf(dialling.config));
  } finally {
    await ended(dialling, client, null);
  }
}

async function asked(client: OPCUAClient, url: string): Promise<readonly EndpointDescription[]> {
  await client.connect(url);
  return client.getEndpoints();
}

async function enter(dialling: Dialling, chosen: Chosen, certificateFile: string, signal: AbortSignal): Promise<Open> {
  const { config, ports: { network } } = dialling;
  await remind(dialling, certificateFile);
  const identity = await identityFor(config, chosen, { secret: dialling.ports.secret, library: dialling.library.client });
  const client = clientOf(dialling, {
    certificateFile, securityMode: chosen.mode, securityPolicy: chosen.policy,
    ...(config.security !== "none" && { serverCertificate: chosen.certificate }),
  });
  const opening = begin(client, config.url, identity);
  try {
    const opened = await bounded(opening, boundOf(dialling, "opening a session", STEPS), signal);
    return { client, session: opened, product: chosen.product, facts: factsFor(config, chosen), remind: () => remind(dialling, certificateFile), close: once(() => ended(dialling, client, opened)) };
  } catch (cause) {
    // Called off in the middle, the server may still give the session: it would hold its slot until its timeout.
    const late = await bounded(opening, { network, timeoutMs: CLOSE_MS, what: "closing" }, new AbortController().signal).catch(() => null);
    await ended(dialling, client, late);
    throw cause;
  }
}

function factsFor({ security, username, user_certificate: certificate }: OpcuaConfig, { policy, certificate: server, product }: Chosen): Readonly<Record<string, string>> {
  return {
    server: product, security: security === "none" ? "none" : `${security} with ${policy.replace(/^.*#/u, "")}`, ...(server.length > 0 && { "server certificate": certificateWords(factsOf(server)) }),
    user: username ?? (certificate === undefined ? "nobody (anonymous)" : "by certificate"),
  };
}

async function remind({ config, ports: { network, log } }: Dialling, certificateFile: string): Promise<void> {
  if (config.security === "none") return;
  const { until } = factsOf(await readFile(certificateFile));
  if (until - network.now().unixMs < WARN_BEFORE_MS) log.warn({ until: new Date(until).toISOString().slice(0, 10) }, "our OPC UA certificate ends soon: renew it (cellgate opcua certificate renew), and accept the new one at every server");
}

async function begin(client: OPCUAClient, url: string, identity: UserIdentityInfo): Promise<ClientSession> {
  await client.connect(url);
  return client.createSession(identity);
}

/** The configured address is used whatever the server calls itself: behind NAT, or with a host name nobody knows, its own would fail. */
function clientOf({ config, pki, library }: Dialling, more: OPCUAClientOptions): OPCUAClient {
  return library.client.OPCUAClient.create({
    applicationName: "Cellgate", applicationUri: pki.applicationUri, clientName: "Cellgate", clientCertificateManager: pki.manager, privateKeyFile: pki.keyFile,
    endpointMustExist: false, transportFactory: mendedTransport(library.transport), requestedSessionTimeout: config.session, keepSessionAlive: true, keepAliveInterval: config.keepalive,
    defaultTransactionTimeout: Math.max(5_000, config.timeout), transportTimeout: config.timeout,
    // The library mends a connection within its session, so that what the server queued is not lost; the session's watch bounds it.
    connectionStrategy: { maxRetry: 1, initialDelay: 1_000, maxDelay: 5_000 },
    ...more,
  });
}

/** Session first: a control frees its slot at once, not after the session timeout. Never throws. */
async function ended(dialling: Dialling, client: OPCUAClient, session: ClientSession | null): Promise<void> {
  const never = new AbortController().signal;
  const bound = { network: dialling.ports.network, timeoutMs: CLOSE_MS, what: "closing" };
  // What fails here has no consequence: the server ends the session by its own timeout.
  if (session !== null) await bounded(session.close(true), bound, never).catch(() => undefined);
  await bounded(client.disconnect(), bound, never).catch(() => undefined);
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  return () => (done ??= work());
}

const boundOf = ({ config, ports: { network } }: Dialling, what: string, times = 2) => ({ network, timeoutMs: config.timeout * times, what: `${what} at ${hostOf(config)}` });
