/** Which of a server's endpoints is used, and who we are there. What it does not offer is said with what it does. */
import { readFile } from "node:fs/promises";
import type { EndpointDescription, MessageSecurityMode, UserIdentityInfo, UserTokenType } from "node-opcua-client";
import { ConfigError, LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import type { POLICIES, OpcuaConfig } from "./config.ts";
import type { Client } from "./library.ts";

export interface Chosen {
  readonly mode: MessageSecurityMode;
  /** The policy's URI. */
  readonly policy: string;
  /** The server's certificate, DER. */
  readonly certificate: Buffer;
  readonly product: string;
  readonly endpoint: EndpointDescription;
}

const POLICY_URI = "http://opcfoundation.org/UA/SecurityPolicy#";
/** Part 4 §7.20: security modes by number. */
const MODES = { none: 1, sign: 2, encrypt: 3 } as const;
const MODE_WORDS: Readonly<Record<number, string>> = { 1: "none", 2: "sign", 3: "encrypt" };
/** Strongest first. */
const PREFERRED = ["Aes256_Sha256_RsaPss", "Basic256Sha256", "Aes128_Sha256_RsaOaep"] as const satisfies readonly (typeof POLICIES)[number][];

const modeOf = (mode: number): number => mode;
const policyName = (uri: string | null): string => (uri ?? "").replace(POLICY_URI, "");

export function chooseEndpoint(endpoints: readonly EndpointDescription[], { security, policy }: OpcuaConfig, where: string): Chosen {
  const wanted: readonly string[] = security === "none" ? ["None"] : policy === undefined ? PREFERRED : [policy];
  const fitting = endpoints.filter(({ securityMode, transportProfileUri }) => modeOf(securityMode) === MODES[security] && !/https|wss?:/iu.test(transportProfileUri ?? ""));
  const found = wanted.flatMap((name) => fitting.find(({ securityPolicyUri }) => policyName(securityPolicyUri) === name) ?? [])[0];
  if (found === undefined) throw new LinkError("unsupported", { afterMs: 60_000 }, `OPC UA server at ${where} does not offer security: ${security}${policy === undefined ? "" : ` with ${policy}`}; it offers ${offered(endpoints)}. Enable it at the server (Basic256Sha256 is the usual one), or change security in the configuration`);
  return {
    mode: found.securityMode, policy: found.securityPolicyUri ?? "", certificate: Buffer.from(found.serverCertificate ?? []),
    product: found.server.applicationName.text || found.server.productUri || "OPC UA server", endpoint: found,
  };
}

const offered = (endpoints: readonly EndpointDescription[]): string => [...new Set(endpoints.map(({ securityMode, securityPolicyUri }) => (modeOf(securityMode) === MODES.none ? "none" : `${MODE_WORDS[securityMode] ?? "?"} with ${policyName(securityPolicyUri)}`)))].join(", ") || "nothing";

/** Throws ConfigError for secrets that cannot be read, LinkError for a login that the server does not take. */
export async function identityFor(config: OpcuaConfig, { endpoint }: Chosen, { secret, library: { UserTokenType } }: Pick<Ports, "secret"> & { readonly library: Client }): Promise<UserIdentityInfo> {
  const { username, password, user_certificate: certificate } = config;
  const policies = endpoint.userIdentityTokens ?? [];
  const takes = (token: UserTokenType): boolean => policies.some(({ tokenType }) => tokenType === token);
  const refuse = (has: string): never => {
    throw new LinkError("refused", { afterMs: 60_000 }, `OPC UA server at ${config.url}: it lets nobody in ${has}; it takes ${policies.map(({ tokenType }) => ["no user", "user names", "user certificates"][tokenType] ?? "tokens we do not know").join(", ") || "nobody"}`);
  };
  if (certificate !== undefined) {
    if (!takes(UserTokenType.Certificate)) refuse("by a user certificate");
    const [der, key] = await Promise.all([readFile(certificate.certificate), readFile(certificate.key, "utf8")]).catch((cause: unknown) => {
      throw new ConfigError([`the user certificate of ${config.url} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`], { cause });
    });
    return { type: UserTokenType.Certificate, certificateData: derOf(der), privateKey: key };
  }
  if (username === undefined) return takes(UserTokenType.Anonymous) ? { type: UserTokenType.Anonymous } : refuse("without a user: set username and password, or user_certificate");
  const token = policies.find(({ tokenType }) => tokenType === UserTokenType.UserName);
  if (token === undefined) refuse("by a user name");
  const plain = policyName(token?.securityPolicyUri || endpoint.securityPolicyUri) === "None";
  if (plain && config.security !== "encrypt" && !config.allow_plain_password)
    throw new LinkError("unsupported", { afterMs: 60_000 }, `OPC UA server at ${config.url} takes the password only unencrypted at this security: use security: encrypt, or allow_plain_password: true if the network may see it`);
  return { type: UserTokenType.UserName, userName: username, password: password === undefined ? "" : await secret(password) };
}

function derOf(file: Buffer): Buffer {
  const body = /-----BEGIN CERTIFICATE-----([\s\S]+?)-----END CERTIFICATE-----/u.exec(file.toString("latin1"))?.[1];
  return body === undefined ? file : Buffer.from(body.replaceAll(/\s/gu, ""), "base64");
}
