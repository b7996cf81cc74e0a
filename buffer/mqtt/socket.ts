/**
 * The TCP or TLS connection under MQTT, open and verified before a byte of MQTT is sent, so that what is wrong with
 * the network or a certificate is told in its own words. Verification cannot be switched off; TLS 1.2 at least. With a
 * path, WebSocket frames around it.
 */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, TLSSocket } from "node:tls";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Clock, UnixMs } from "../../agent/contract/time.ts";
import { dateProblem, ownCertificate, peerCertificates, printable, type Certificate } from "./certificate.ts";

export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly alpn?: readonly string[];
}
export interface BrokerAddress {
  /** As in the configuration, for people. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Null: no encryption. */
  readonly tls: TlsMaterial | null;
  /** Null: no WebSocket. */
  readonly path: string | null;
  /** A clock that shows less is not set. */
  readonly releasedAt: UnixMs;
  /** Real time. */
  readonly network: Clock;
}
export interface Opened {
  readonly stream: Duplex;
  /** The broker's and ours, for warnings; none without TLS. */
  readonly certificates: readonly Certificate[];
}

/** Rejects with a `LinkError`, also when the signal aborts. */
export async function openSocket(address: BrokerAddress, signal: AbortSignal): Promise<Opened> {
  const { host, port, path, tls } = address;
  const own = tls?.cert === undefined ? [] : ownCertificate(tls.cert);
  const socket = await openConnection(address, own, signal);
  const peer = socket instanceof TLSSocket ? peerCertificates(socket.getPeerCertificate(true)) : [];
  const certificates = [...peer, ...own];
  if (path === null) return { stream: socket, certificates };
  const { openWebSocket } = await import("./websocket.ts");
  return { stream: await openWebSocket(socket, host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`, path, signal), certificates };
}

function openConnection(address: BrokerAddress, own: readonly Certificate[], signal: AbortSignal): Promise<Socket> {
  const where = `${address.host}:${address.port}`;
  return new Promise((resolve, reject) => {
    let socket: Socket;
    try {
      socket = begin(address);
    } catch (cause) {
      reject(new LinkError("refused", "backoff", `The certificate or key for the broker at ${where} cannot be used: ${text(cause)}. Check the files under tls.`, { cause }));
      return;
    }
    let shown: readonly Certificate[] = [];
    // Before Node verifies it, and closes when it is not good: afterwards it can no longer be asked for.
    socket.prependOnceListener("secure", () => { if (socket instanceof TLSSocket) shown = peerCertificates(socket.getPeerCertificate(true)); });
    const done = (finish: () => void): void => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", onError).off("close", onClose);
      finish();
    };
    const fail = (error: LinkError): void => done(() => {
      socket.on("error", () => undefined); // It is being thrown away: what it still says is about nothing.
      socket.destroy();
      reject(error);
    });
    const onAbort = (): void => fail(new LinkError("timeout", "backoff", `The broker at ${where} did not answer: ${text(signal.reason)}. Is it running, and does a firewall let this port through?`, { cause: signal.reason }));
    const onError = (cause: Error): void => fail(explain(where, cause, dateProblem([...shown, ...own], address.network.now().unixMs, address.releasedAt)));
    const onClose = (): void => fail(new LinkError("lost", "backoff", `The broker at ${where} closed the connection before it was ready.${address.tls ? " Does it speak TLS on this port?" : ""}`));
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", onError).once("close", onClose);
    socket.once(address.tls ? "secureConnect" : "connect", () => done(() => {
      socket.setNoDelay(true);
      socket.on("error", () => undefined); // It may fail before MQTT listens: an error that nobody hears ends the process.
      resolve(socket);
    }));
  });
}

function begin({ host, port, tls }: BrokerAddress): Socket {
  if (!tls) return connectTcp({ host, port });
  const { alpn, ...material } = tls;
  const servername = tls.servername ?? (isIP(host) ? undefined : host);
  return connectTls({ ...material, host, port, ...(servername !== undefined && { servername }), ...(alpn && { ALPNProtocols: [...alpn] }), minVersion: "TLSv1.2", rejectUnauthorized: true });
}

const text = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** Node's error codes (`tls`, `net`) → what a technician can do. */
const REMEDIES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there. Is the broker running, and is the port right?",
  ENOTFOUND: "the name is unknown. Check the host in the url and this machine's DNS.",
  EAI_AGAIN: "the name cannot be looked up now. Check this machine's DNS.",
  EHOSTUNREACH: "no route to it. Check the network cable and this machine's address.",
  ENETUNREACH: "no route to it. Check the network cable and this machine's address.",
  ECONNRESET: "it broke the connection off. Does it speak this protocol (mqtt:// or mqtts://) on this port?",
  EPROTO: "it does not speak TLS as we do. Is this the port for mqtts://?",
  CERT_NOT_YET_VALID: "its certificate, or one that signed it, is not valid yet. Is this machine's clock set?",
  CERT_HAS_EXPIRED: "its certificate, or one that signed it, has expired. Renew it, or set this machine's clock.",
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: "it takes none of the protocols under tls.alpn.",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed. Name it (or its authority) under tls.ca.",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate comes from an authority we do not know. Name that authority's file under tls.ca.",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate comes from an authority we do not know. Name that authority's file under tls.ca.",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate comes from an authority we do not know. Name that authority's file under tls.ca.",
  CERT_SIGNATURE_FAILURE: "its certificate was not signed by the authority under tls.ca.",
};

/** A peer may name anything in its certificate: shown short, and printable only. */
function namesIn(cause: Error): string {
  const names = "cert" in cause && typeof cause.cert === "object" && cause.cert !== null && "subjectaltname" in cause.cert ? cause.cert.subjectaltname : null;
  return typeof names === "string" && names !== "" ? printable(names) : "another name";
}

/** The dates explain an alert of TLS, or what verification found; they say nothing about a network that is down. */
function explain(where: string, cause: Error, dates: string | null): LinkError {
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  const unreachable = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"].includes(code);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return new LinkError("refused", "backoff", `The broker at ${where} cannot be reached: its certificate is for ${namesIn(cause)}. Use such a name in the url, or set tls.servername. (${code})`, { cause });
  const remedy = (/CERT|SSL|SIGNATURE/.test(code) ? dates : null) ?? REMEDIES[code] ?? `${text(cause)}.`;
  return new LinkError(unreachable ? "unreachable" : "refused", "backoff", `The broker at ${where} cannot be reached: ${remedy}${code ? ` (${code})` : ""}`, { cause });
}
