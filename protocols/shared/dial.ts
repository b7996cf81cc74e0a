/**
 * Opens a TCP connection within a deadline and says for a technician why it could not be. The socket is the caller's:
 * it sends at once (no Nagle), and the system asks an idle peer for signs of life, so that a pulled cable is noticed.
 */
import * as net from "node:net";
import { LinkError, NoConnectionError, type Fault } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";

export interface Dialled {
  /** For messages: "the FOCAS server". */
  readonly what: string;
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

const KEEP_ALIVE_MS = 10_000;
const EXPLAINED: Readonly<Record<string, readonly [Fault, string]>> = {
  ECONNREFUSED: ["refused", "nothing listens there: is it switched on and enabled, and is this its port?"],
  ENOTFOUND: ["unreachable", "the name is not known: check the address and the name server"],
  EAI_AGAIN: ["unreachable", "the name server does not answer"],
  EHOSTUNREACH: ["unreachable", "there is no way to that host: check cable, address and network mask"],
  ENETUNREACH: ["unreachable", "there is no way to that network: check the gateway's own address"],
  EHOSTDOWN: ["unreachable", "the host does not answer"],
  ETIMEDOUT: ["timeout", "the host does not answer"],
  ECONNRESET: ["lost", "the other side cut the connection: does somebody else use its only slot?"],
  EPIPE: ["lost", "the other side cut the connection"],
  ECONNABORTED: ["lost", "the connection was cut"],
};

/** Rejects with NoConnectionError, or with the signal's reason. */
export async function dial({ what, host, port, timeoutMs }: Dialled, ports: Ports, signal: AbortSignal): Promise<net.Socket> {
  const where = `${what} at ${host}:${port}`;
  const deadline = ports.network.deadline(timeoutMs, signal);
  const socket = new net.Socket();
  const stop = (): void => void socket.destroy(new Error("stopped"));
  deadline.signal.addEventListener("abort", stop, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
      if (deadline.signal.aborted) stop();
      else socket.connect({ host, port }).setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    });
    // An error that nobody waits for comes again as the end of the stream.
    socket.on("error", () => undefined);
    return socket;
  } catch (cause) {
    socket.on("error", () => undefined).destroy();
    if (signal.aborted) throw signal.reason;
    if (deadline.signal.aborted) throw new NoConnectionError("timeout", "backoff", `${where} does not answer within ${timeoutMs} ms: is it switched on, and its port open in the firewall?`, { cause });
    const { fault, retry, message } = explainSocketError(cause, where);
    throw new NoConnectionError(fault, retry, message, { cause });
  } finally {
    deadline.signal.removeEventListener("abort", stop);
    deadline.clear();
  }
}

/** What the system says of a connection → a LinkError: what, where, what to do. */
export function explainSocketError(cause: unknown, where: string): LinkError {
  if (cause instanceof LinkError) return cause;
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
  const [fault, remedy] = EXPLAINED[code] ?? ["lost", "the connection ended"];
  return new LinkError(fault, "backoff", `${where}: ${remedy} (${code || (cause instanceof Error ? cause.message : String(cause))})`, { cause });
}
