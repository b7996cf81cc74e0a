/**
 * The control socket: how commands on the same computer ask the running agent, which alone has the buffer open.
 * A Unix socket `data_dir/cellgate.sock`, for its owner and group; one line of JSON {"verb", …} each way, then it closes:
 *
 *   {"verb":"buffer.replay","destination":"bridge","from":1}  →  {"ok":true,"result":{"rows":812}}
 *   {"verb":"buffer.replay","destination":"bridge"}           →  {"ok":false,"reason":"…what is wrong…"}
 *
 * Bounds: `CLIENTS` at once, a request of `LARGEST_REQUEST`, `PATIENCE_MS` for each. The verbs are `control-verbs.ts`'s.
 * Without the socket (a path too long for the system, no permission) the agent runs on and says so.
 */
import { chmodSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Ports } from "../../contract/ports.ts";
import { isRecord } from "../../contract/shape.ts";
import type { Clock } from "../../contract/time.ts";

export type Reply = { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly reason: string };
export interface Request {
  readonly verb: string;
  readonly [argument: string]: unknown;
}

const SOCKET = "cellgate.sock";
const CLIENTS = 8;
const LARGEST_REQUEST = 64 * 1024;
const LARGEST_REPLY = 16 * 1024 * 1024;
const PATIENCE_MS = 5_000;
/** `sun_path` of Linux less its end mark; longer ones would be cut in silence. */
const LONGEST_PATH = 107;

export const controlSocketOf = (dataDir: string): string => join(dataDir, SOCKET);

export interface ControlParts {
  readonly dataDir: string;
  readonly ports: Ports;
  /** Answers one request. What it throws becomes a refusal with its text. */
  readonly answer: (request: Request) => Reply | Promise<Reply>;
}

/** Serves until the signal aborts; whatever is wrong with the socket itself is told and costs nothing else. */
export async function serveControl(parts: ControlParts, signal: AbortSignal): Promise<void> {
  const path = controlSocketOf(parts.dataDir);
  const { log } = parts.ports;
  if (Buffer.byteLength(path) > LONGEST_PATH)
    return log.warn({ path, longest: LONGEST_PATH }, "data_dir is too long a path for a control socket: commands that change the buffer work only while the agent is stopped");
  const clients = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    clients.add(socket);
    socket.once("close", () => clients.delete(socket));
    serve(socket, parts, signal);
  });
  server.maxConnections = CLIENTS;
  try {
    rmSync(path, { force: true }); // The buffer's lock is ours: what lies there is of an agent that was killed.
    await listening(server, path);
  } catch (cause) {
    server.close();
    return log.warn({ path, reason: cause instanceof Error ? cause.message : String(cause) }, "the control socket cannot be made: commands that change the buffer work only while the agent is stopped");
  }
  await new Promise<void>((resolve) => {
    const stop = (): void => {
      for (const socket of clients) socket.destroy();
      server.close(() => { resolve(); }); // It also removes the socket's file.
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

const listening = (server: Server, path: string): Promise<void> => new Promise((resolve, reject) => {
  server.once("error", reject);
  server.listen({ path }, () => {
    server.off("error", reject);
    // A client that cannot be accepted (no file handle is left) is that client's trouble.
    server.on("error", () => undefined);
    resolve();
  });
  // It is bound already, and has the rights of our umask: before anybody can connect they are set right.
  if (server.listening) chmodSync(path, 0o660);
});

function serve(socket: Socket, { ports, answer }: ControlParts, signal: AbortSignal): void {
  const deadline = ports.network.deadline(PATIENCE_MS, signal);
  deadline.signal.addEventListener("abort", () => { socket.destroy(); }, { once: true });
  socket.once("close", () => { deadline.clear(); });
  socket.on("error", () => { socket.destroy(); });
  readLine(socket, LARGEST_REQUEST).then(async (line) => {
    const reply = await replyTo(line, answer);
    if (socket.writable) socket.end(`${JSON.stringify(reply)}\n`);
  }).catch(() => { socket.destroy(); });
}

async function replyTo(line: string | null, answer: ControlParts["answer"]): Promise<Reply> {
  if (line === null) return { ok: false, reason: `a request is at most ${LARGEST_REQUEST} bytes` };
  try {
    const request: unknown = JSON.parse(line);
    if (!isRecord(request) || typeof request["verb"] !== "string") return { ok: false, reason: 'a request is one line of JSON with a verb: {"verb":"status"}' };
    return await answer({ ...request, verb: request["verb"] });
  } catch (cause) {
    return { ok: false, reason: cause instanceof Error ? cause.message : String(cause) };
  }
}

class NoLine extends Error {}

/** The first line; null when it is longer than `largest`. Rejects when the other side goes without one. */
const readLine = (socket: Socket, largest: number): Promise<string | null> => new Promise((resolve, reject) => {
  const chunks: Buffer[] = [];
  let held = 0;
  const done = (line: string | null): void => {
    socket.off("data", onData);
    socket.resume(); // What follows is let go.
    resolve(line);
  };
  const onData = (chunk: Buffer): void => {
    const end = chunk.indexOf(0x0a);
    const part = end < 0 ? chunk : chunk.subarray(0, end);
    chunks.push(part);
    held += part.length;
    if (held > largest) done(null);
    else if (end >= 0) done(Buffer.concat(chunks).toString("utf8"));
  };
  socket.on("data", onData);
  socket.once("end", () => { reject(new NoLine("ended without a whole line")); });
  socket.once("error", reject);
  socket.once("close", () => { reject(new NoLine("closed without a whole line")); });
});

/**
 * Asks the agent that runs on `dataDir`. Null: none does (then the caller may open the buffer itself; its lock tells).
 * Rejects when one runs and does not answer in time, or the socket may not be used.
 */
export async function askAgent(dataDir: string, request: Request, network: Clock, signal: AbortSignal): Promise<Reply | null> {
  const path = controlSocketOf(dataDir);
  if (Buffer.byteLength(path) > LONGEST_PATH) return null;
  const deadline = network.deadline(PATIENCE_MS, signal);
  const socket = connect({ path });
  deadline.signal.addEventListener("abort", () => { socket.destroy(deadline.signal.reason instanceof Error ? deadline.signal.reason : new Error("stopped")); }, { once: true });
  try {
    const answered = readLine(socket, LARGEST_REPLY);
    socket.write(`${JSON.stringify(request)}\n`);
    const line = await answered;
    if (line === null) throw new Error(`the agent's answer is larger than ${LARGEST_REPLY} bytes`);
    return JSON.parse(line) as Reply;
  } catch (cause) {
    const code = isRecord(cause) ? cause["code"] : undefined;
    if (code === "ENOENT" || code === "ECONNREFUSED") return null;
    throw new Error(`the agent at ${path} did not answer: ${withoutAnswer(cause, code)}`, { cause });
  } finally {
    deadline.clear();
    socket.destroy();
  }
}

/** What happened, and what to do. */
function withoutAnswer(cause: unknown, code: unknown): string {
  const words = cause instanceof Error ? cause.message : String(cause);
  if (code === "EACCES" || code === "EPERM") return `${words}; run the command as the user that runs cellgate or as root`;
  if (code === "EPIPE" || code === "ECONNRESET" || cause instanceof NoLine) return `it closed the connection: it serves ${CLIENTS} commands at once; try again in ${PATIENCE_MS / 1_000} s, and look at the agent's log if it stays so`;
  return `${words}; look at the agent's log`;
}
