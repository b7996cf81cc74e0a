/**
 * GET for MTConnect agents over node:http and node:https: a new socket for each request, TLS verified, redirects never
 * followed, every wait with a deadline, bodies read on demand (the socket waits when we do) and unpacked when packed.
 * HEAD is never used: agents answer it 404 (mtconnect.md §2).
 */
import { readFile } from "node:fs/promises";
import * as http from "node:http";
import * as https from "node:https";
import type { Readable } from "node:stream";
import { createGunzip, createInflate } from "node:zlib";
import { LinkError, NoConnectionError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import type { MTConnectConfig } from "./config.ts";
import { explainNetworkError } from "./network-error.ts";
import { BODY_LIMIT } from "./multipart.ts";

export interface Answer {
  /** For people: a long item filter is left out. */
  readonly url: string;
  readonly status: number;
  readonly contentType: string;
  /** Where a redirect points. */
  readonly location: string | null;
  /** The next bytes; null at the orderly end. Throws LinkError when none come within `waitMs`, or the link breaks. */
  next(waitMs: number): Promise<Uint8Array | null>;
  /** Drops the connection. Idempotent. */
  close(): void;
}

export interface Client {
  /** Resolves when the head of the answer is there. */
  open(target: string, purpose: "document" | "stream", signal: AbortSignal): Promise<Answer>;
  /** Drops every open connection. */
  close(): void;
}

const HEAD_LIMIT = 16 * 1024;
/** A document that trickles in may take this many times the wait for one answer. */
const TRICKLE_FACTOR = 6;

/** Reads certificate and password now, so that a rotated one counts from the next session on. */
export async function openClient(config: MTConnectConfig, ports: Ports): Promise<Client> {
  const base = new URL(config.url);
  const encrypted = base.protocol === "https:";
  const authorization = config.username === undefined ? null
    : `Basic ${Buffer.from(`${config.username}:${config.password ? await ports.secret(config.password) : ""}`, "utf8").toString("base64")}`;
  const tls: https.RequestOptions = {
    ...(config.tls?.ca !== undefined && { ca: await readAuthority(config.tls.ca) }),
    ...(config.tls?.servername !== undefined && { servername: config.tls.servername }),
  };
  const open = new Set<{ close(): void }>();

  return {
    async open(target, purpose, signal) {
      const url = `${base.origin}${base.pathname.replace(/\/+$/u, "")}${target}`;
      const options: https.RequestOptions = {
        method: "GET", agent: false, maxHeaderSize: HEAD_LIMIT, ...(encrypted && tls),
        headers: {
          Accept: "application/xml, text/xml, multipart/x-mixed-replace, multipart/mixed",
          "User-Agent": "cellgate",
          ...(purpose === "document" && { "Accept-Encoding": "gzip, deflate" }),
          ...(authorization !== null && { Authorization: authorization }),
        },
      };
      const request = encrypted ? https.request(url, options) : http.request(url, options);
      const shown = url.replace(/\bpath=[^&]{20,}/u, "path=…");
      const pending = { close: (): void => void request.destroy() };
      open.add(pending);
      try {
        const response = await headOf(request, { url: shown, config, ports, signal });
        const answer = answerOf(response, { url: shown, ports, signal, closed: () => void open.delete(answer) });
        open.add(answer);
        return answer;
      } finally {
        open.delete(pending);
      }
    },
    close() {
      for (const one of open) one.close();
    },
  };
}

async function readAuthority(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new LinkError("refused", "backoff", `the file ${path} (tls: ca) cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

interface Asked {
  readonly url: string;
  readonly config: MTConnectConfig;
  readonly ports: Ports;
  readonly signal: AbortSignal;
}

async function headOf(request: http.ClientRequest, { url, config, ports, signal }: Asked): Promise<http.IncomingMessage> {
  const deadline = ports.network.deadline(config.timeout, signal);
  const onAbort = (): void => void request.destroy();
  let isConnected = false;
  request.once("socket", (socket) => socket.once("connect", () => { isConnected = true; }));
  deadline.signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      request.on("error", reject);
      request.once("close", () => { reject(new Error("the connection closed before an answer came")); });
      if (deadline.signal.aborted) onAbort();
      else request.end();
    });
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (deadline.signal.aborted) throw new (isConnected ? LinkError : NoConnectionError)("timeout", "backoff", `no answer from ${url} within ${config.timeout} ms: is the agent running, and its port open in the firewall?`, { cause });
    throw explainNetworkError(cause, url);
  } finally {
    deadline.clear();
    deadline.signal.removeEventListener("abort", onAbort);
  }
}

interface Reading {
  readonly url: string;
  readonly ports: Ports;
  readonly signal: AbortSignal;
  readonly closed: () => void;
}

function answerOf(response: http.IncomingMessage, { url, ports, signal, closed }: Reading): Answer {
  const body = unpacked(response);
  const chunks = body[Symbol.asyncIterator]();
  let silent = false;
  // One listener for the whole answer: the machines share this signal, and a listener for each chunk would, once removed,
  // hold the ones added after it (an EventTarget's list is linked), so that garbage of all machines grows old together.
  const close = (): void => {
    signal.removeEventListener("abort", close);
    response.destroy();
    body.destroy();
    closed();
  };
  signal.addEventListener("abort", close, { once: true });
  if (signal.aborted) close();
  // An error that nobody waits for (the peer resets while we are busy) is told by the next read.
  body.on("error", () => undefined);
  return {
    url,
    status: response.statusCode ?? 0,
    contentType: response.headers["content-type"] ?? "",
    location: response.headers.location?.slice(0, 200) ?? null,
    close,
    async next(waitMs) {
      const cancel = ports.network.after(waitMs, () => {
        silent = true;
        close();
      });
      try {
        const chunk = await chunks.next() as IteratorResult<Uint8Array>;
        if (signal.aborted || silent) throw new Error("aborted");
        return chunk.done ? null : chunk.value;
      } catch (cause) {
        close();
        if (signal.aborted) throw signal.reason;
        if (silent) throw new LinkError("timeout", "backoff", `${url} has been silent for ${waitMs} ms: the agent hangs, or the network is cut`, { cause });
        throw explainNetworkError(cause, url);
      } finally {
        cancel();
      }
    },
  };
}

function unpacked(response: http.IncomingMessage): Readable {
  const encoding = (response.headers["content-encoding"] ?? "identity").trim().toLowerCase();
  if (encoding === "identity" || encoding === "") return response;
  const unpack = encoding === "deflate" ? createInflate() : createGunzip();
  response.on("error", (error) => void unpack.destroy(error));
  return response.pipe(unpack);
}

/** The whole body, at most BODY_LIMIT bytes. The answer is closed afterwards in any case. */
export async function readBody(answer: Answer, waitMs: number, ports: Ports): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const began = ports.network.now().monoMs;
  try {
    for (let chunk = await answer.next(waitMs); chunk !== null; chunk = await answer.next(waitMs)) {
      size += chunk.length;
      if (size > BODY_LIMIT) throw new LinkError("protocol", "backoff", `the answer of ${answer.url} has more than ${BODY_LIMIT} bytes`);
      if (ports.network.now().monoMs - began > waitMs * TRICKLE_FACTOR) throw new LinkError("timeout", "backoff", `the answer of ${answer.url} was not complete after ${waitMs * TRICKLE_FACTOR} ms`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, size);
  } finally {
    answer.close();
  }
}
