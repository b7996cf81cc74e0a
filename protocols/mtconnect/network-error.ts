/** What the operating system, TLS and HTTP say → a LinkError for a technician: what, where, what to do. */
import { LinkError, NoConnectionError, type Fault } from "../../agent/contract/errors.ts";

const EXPLAINED: Readonly<Record<string, readonly [Fault, string]>> = {
  ECONNREFUSED: ["refused", "nothing listens there: is the agent running, and is this its port?"],
  ENOTFOUND: ["unreachable", "the name is not known: check the url and the name server"],
  EAI_AGAIN: ["unreachable", "the name server does not answer"],
  EHOSTUNREACH: ["unreachable", "there is no way to that host: check cable, address and network mask"],
  ENETUNREACH: ["unreachable", "there is no way to that network: check the gateway's own address"],
  EHOSTDOWN: ["unreachable", "the host does not answer"],
  ETIMEDOUT: ["timeout", "the host does not answer"],
  ECONNRESET: ["lost", "the connection was cut before the answer was complete: did the agent stop?"],
  EPIPE: ["lost", "the connection was cut"],
  ECONNABORTED: ["lost", "the connection was cut"],
  DEPTH_ZERO_SELF_SIGNED_CERT: ["refused", "its certificate is signed by itself: name it under tls: ca"],
  SELF_SIGNED_CERT_IN_CHAIN: ["refused", "its certificate comes from an authority we do not know: name that under tls: ca"],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ["refused", "its certificate comes from an authority we do not know: name that under tls: ca"],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ["refused", "its certificate comes from an authority we do not know: name that under tls: ca"],
  CERT_HAS_EXPIRED: ["refused", "its certificate has expired, or the clock here is wrong"],
  CERT_NOT_YET_VALID: ["refused", "its certificate is not valid yet: is the clock here right?"],
  ERR_TLS_CERT_ALTNAME_INVALID: ["refused", "its certificate is for another name: set tls: servername to the name in it"],
};

export function explainNetworkError(cause: unknown, url: string): LinkError {
  if (cause instanceof LinkError) return cause;
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
  const message = cause instanceof Error ? cause.message : String(cause);
  const raw = cause instanceof Error && "rawPacket" in cause && cause.rawPacket instanceof Uint8Array ? `: ${Buffer.from(cause.rawPacket.subarray(0, 32)).toString("hex")}` : "";
  if (code.startsWith("HPE_")) return new LinkError("protocol", "backoff", `${url} does not speak HTTP (${message})${raw}: is this the agent's port?`, { cause });
  if (code === "EPROTO" || code.startsWith("ERR_SSL")) return new LinkError("protocol", "backoff", `${url} does not speak TLS as it should (${message}): is it http:// rather than https://?`, { cause });
  if (code.startsWith("Z_")) return new LinkError("protocol", "backoff", `the packed answer of ${url} cannot be unpacked (${message})`, { cause });
  const [fault, remedy] = EXPLAINED[code] ?? ["lost", "the connection ended before the answer was complete"];
  // The system's word for the attempt to connect: no request has left.
  const isUnconnected = cause instanceof Error && "syscall" in cause && (cause.syscall === "connect" || cause.syscall === "getaddrinfo");
  return new (isUnconnected ? NoConnectionError : LinkError)(fault, "backoff", `${url}: ${remedy} (${code || message})`, { cause });
}
