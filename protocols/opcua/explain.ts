/**
 * What the library says went wrong → what a technician can do about it. Its errors are texts; each pattern here was seen
 * from this version of it, or is a status name of the specification (opcua.md §4.5 to §4.7).
 */
import { stripVTControlCharacters } from "node:util";
import { LinkError, type Fault, type Retry } from "../../agent/contract/errors.ts";

interface Case {
  readonly when: RegExp;
  readonly fault: Fault;
  readonly retry: Retry;
  readonly words: string;
  /** Our certificate is the reason: another one of ours may do. */
  readonly ours?: true;
}
/** Only a person mends it: asked again slowly, since they may. */
const SLOWLY: Retry = { afterMs: 60_000 };

const CASES: readonly Case[] = [
  { when: /ECONNREFUSED/u, fault: "refused", retry: "backoff", words: "nothing listens there: is the machine on, the OPC UA server enabled and licensed, and is this its port? A control's server starts minutes after the control answers ping" },
  { when: /ENOTFOUND|EAI_AGAIN/u, fault: "unreachable", retry: "backoff", words: "the host's name is not known: check the address and the name server" },
  { when: /EHOSTUNREACH|ENETUNREACH|EHOSTDOWN/u, fault: "unreachable", retry: "backoff", words: "there is no way to that host: check cable, address and network mask" },
  { when: /ETIMEDOUT/u, fault: "timeout", retry: "backoff", words: "the host does not answer" },
  { when: /BadTooManySessions|BadMaxConnectionsReached/u, fault: "refused", retry: SLOWLY, words: "all sessions of the server are taken (an 828D has five, an 840D sl ten): one of ours that was not closed ends by itself after its session timeout; else end another client" },
  { when: /BadCertificateUriInvalid/u, fault: "refused", retry: SLOWLY, words: "the server refuses our certificate because its application URI is not ours: agent.id was changed? Make a new one: cellgate opcua certificate renew, and trust it at the server", ours: true },
  { when: /BadCertificateTimeInvalid/u, fault: "refused", retry: "backoff", words: "the server finds our certificate's dates wrong: its clock or ours is; compare with `cellgate opcua certificate show`", ours: true },
  { when: /BadCertificateUntrusted|BadSecurityChecksFailed|BadCertificateInvalid|BadCertificateChainIncomplete/u, fault: "refused", retry: SLOWLY, words: "the server does not trust our certificate: accept it there (it lies among the rejected ones, or bring it there with `cellgate opcua certificate export`)", ours: true },
  { when: /BadIdentityTokenRejected|BadIdentityTokenInvalid|BadUserAccessDenied|BadUserSignatureInvalid/u, fault: "refused", retry: SLOWLY, words: "the server refuses our user: check username and password (or user_certificate), and that the user exists there" },
  { when: /ANONYMOUS user token/u, fault: "refused", retry: SLOWLY, words: "the server does not let anybody in without a user: set username and password, or user_certificate" },
  { when: /USERNAME user token/u, fault: "refused", retry: SLOWLY, words: "the server takes no user names at this security: remove username, or use user_certificate" },
  { when: /X509\) user token/u, fault: "refused", retry: SLOWLY, words: "the server takes no user certificates at this security: use username and password" },
  { when: /BadSecurityPolicyRejected|BadSecurityModeRejected|BadSecurityModeInsufficient|[Cc]annot find (?:an )?[Ee]ndpoint/u, fault: "unsupported", retry: SLOWLY, words: "the server does not offer this security: compare security and policy with what is enabled there" },
  { when: /BadTcpEndpointUrlInvalid|BadTcpServerTooBusy|BadServerHalted|BadShutdown|BadOutOfService|BadServiceUnsupported/u, fault: "refused", retry: "backoff", words: "the server is not ready" },
  { when: /Invalid server nonce|BadNonceInvalid/u, fault: "unsupported", retry: SLOWLY, words: "the server's security is too old (Basic128Rsa15?): enable Basic256Sha256 there" },
  { when: /BadTimeout|[Tt]imeout|timed out/u, fault: "timeout", retry: "backoff", words: "the server took the connection and then did not answer" },
];

/** The server shut the connection instead of answering: it does so when it does not know our certificate, and gives no reason. */
const CUT = /third party|rejected by server|disconnected|[Cc]onnection [Bb]reak|ECONNRESET|EPIPE|premature/u;
const NOT_TRUSTED = "the server cut the connection without a reason, as servers do that do not trust our certificate: accept it there (it lies among the rejected ones, or bring it there with `cellgate opcua certificate export`)";

/** `secured`: certificates are in play. */
export function explain(cause: unknown, where: string, secured: boolean): LinkError {
  if (cause instanceof LinkError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  const found = CASES.find(({ when }) => when.test(text));
  const short = stripVTControlCharacters(text).replaceAll(/\s+/gu, " ").trim().slice(0, 200);
  if (found !== undefined) return new LinkError(found.fault, found.retry, `OPC UA server at ${where}: ${found.words} (${short})`, { cause });
  if (CUT.test(text)) return new LinkError(secured ? "refused" : "lost", "backoff", `OPC UA server at ${where}: ${secured ? NOT_TRUSTED : "the connection was cut"} (${short})`, { cause });
  return new LinkError("protocol", "backoff", `OPC UA server at ${where}: ${short}`, { cause });
}

/** Another certificate of ours may be taken where this one was not. */
export function isAboutOurCertificate(cause: unknown): boolean {
  const text = cause instanceof Error ? cause.message : String(cause);
  const found = CASES.find(({ when }) => when.test(text));
  return found === undefined ? CUT.test(text) : found.ours === true;
}
