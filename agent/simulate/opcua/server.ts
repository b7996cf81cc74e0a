/**
 * A simulated OPC UA server, made with node-opcua-server (packages.ts). What a client does beside reading is counted. Its own certificates lie in `folder`.
 */
import { join } from "node:path";
import type { OPCUAServer, OPCUAServerOptions } from "node-opcua-server";
import { nodeset, packages, type Packages } from "./packages.ts";

export type AddressSpace = NonNullable<OPCUAServer["engine"]["addressSpace"]>;

export interface ServerOptions {
  /** 0 is not possible here: the library needs to know it. */
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** For the server's own certificates. */
  readonly folder: string;
  /** Offers Sign and SignAndEncrypt beside None. */
  readonly secured?: boolean;
  /** Without None. */
  readonly securedOnly?: boolean;
  /** User name → password; absent: anybody may enter. */
  readonly users?: Readonly<Record<string, string>>;
  /** Client certificates that nobody listed are taken. Default true. */
  readonly trusting?: boolean;
  /** Default 10, as on an 840D sl. */
  readonly sessions?: number;
  /** Beside the standard one: paths of nodesets. */
  readonly nodesets?: readonly string[];
  readonly product?: string;
  /** The control's own clock, told with every answer. Default: this computer's. */
  readonly now?: () => Date;
  readonly more?: OPCUAServerOptions;
}
export interface Counts {
  /** Write, HistoryUpdate, AddNodes and the like. A client that only reads leaves it at 0. */
  writes: number;
  /** Methods called but ConditionRefresh. */
  calls: number;
  /** ConditionRefresh. */
  refreshes: number;
}
export interface SimulatedServer {
  readonly url: string;
  readonly server: OPCUAServer;
  readonly space: AddressSpace;
  readonly counts: Counts;
  readonly sessions: number;
  /** The client's certificate (DER) is accepted from now on, as in the server's menu; or no longer. */
  trustClient(certificate: Buffer, trusted: boolean): Promise<void>;
  close(): Promise<void>;
}

/** ConditionType_ConditionRefresh. */
const CONDITION_REFRESH = 3875;
const MUTATING = /^(?:Write|HistoryUpdate|AddNodes|AddReferences|DeleteNodes|DeleteReferences|SetTriggering)Request$/u;

export async function startServer(options: ServerOptions): Promise<SimulatedServer> {
  const { server: { OPCUAServer }, client, certificates: { OPCUACertificateManager } } = packages();
  const trusting = options.trusting ?? true;
  const certificates = new OPCUACertificateManager({ rootFolder: join(options.folder, "pki"), automaticallyAcceptUnknownCertificate: trusting, disableFileWatchers: true });
  const users = new OPCUACertificateManager({ rootFolder: join(options.folder, "users"), automaticallyAcceptUnknownCertificate: true, disableFileWatchers: true });
  await Promise.all([certificates.initialize(), users.initialize()]);
  const host = options.host ?? "127.0.0.1";
  const server = new OPCUAServer({
    port: options.port, hostname: host, serverCertificateManager: certificates, userCertificateManager: users, nodesets: [nodeset("standard"), ...(options.nodesets ?? [])],
    allowAnonymous: options.users === undefined, userManager: { isValidUser: (name: string, password: string) => Object.hasOwn(options.users ?? {}, name) && options.users?.[name] === password },
    ...offered(client, options), serverCapabilities: { maxSessions: options.sessions ?? 10 }, buildInfo: { productName: options.product ?? "Cellgate simulator" },
    ...(options.product !== undefined && { serverInfo: { applicationName: { text: options.product } } }), ...options.more,
  });
  await server.initialize();
  const counts: Counts = { writes: 0, calls: 0, refreshes: 0 };
  count(server, counts);
  const { now } = options;
  if (now !== undefined) server.on("response", (response) => {
    response.responseHeader.timestamp = now();
    if ("notificationMessage" in response) (response.notificationMessage as { publishTime: Date }).publishTime = now();
  });
  await server.start();
  const space = server.engine.addressSpace;
  if (!space) throw new Error("the simulated OPC UA server has no address space");
  let closing: Promise<void> | null = null;
  return {
    url: `opc.tcp://${host}:${options.port}`, server, space, counts,
    get sessions() {
      return server.engine.currentSessionCount;
    },
    trustClient: (certificate, trusted) => (trusted ? certificates.trustCertificate(certificate) : certificates.rejectCertificate(certificate)),
    close: () => (closing ??= server.shutdown(0).then(() => Promise.all([certificates.dispose(), users.dispose()])).then(() => undefined)),
  };
}

/** None, Sign and SignAndEncrypt, with the policies that are still safe. */
function offered({ MessageSecurityMode: modes, SecurityPolicy: policies }: Packages["client"], { secured = false, securedOnly = false }: ServerOptions): Pick<OPCUAServerOptions, "securityModes" | "securityPolicies"> {
  const none = { securityModes: [modes.None], securityPolicies: [policies.None] };
  if (!secured && !securedOnly) return none;
  const safe = { securityModes: [modes.Sign, modes.SignAndEncrypt], securityPolicies: [policies.Basic256Sha256, policies.Aes128_Sha256_RsaOaep, policies.Aes256_Sha256_RsaPss] };
  return securedOnly ? safe : { securityModes: [...none.securityModes, ...safe.securityModes], securityPolicies: [...none.securityPolicies, ...safe.securityPolicies] };
}

function count(server: OPCUAServer, counts: Counts): void {
  server.on("request", (request) => {
    const { name } = request.schema;
    if (MUTATING.test(name)) counts.writes++;
    if (name !== "CallRequest" || !("methodsToCall" in request)) return;
    const calls: readonly { readonly methodId: { readonly value: unknown } }[] = (request.methodsToCall as readonly { readonly methodId: { readonly value: unknown } }[] | null) ?? [];
    for (const { methodId } of calls) if (methodId.value === CONDITION_REFRESH) counts.refreshes++;
      else counts.calls++;
  });
}
