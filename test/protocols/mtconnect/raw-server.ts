/** A TCP server that answers each HTTP request with given bytes, in pieces of given sizes. Knows nothing of MTConnect. */
import { once } from "node:events";
import * as net from "node:net";

export interface RawRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: string;
}
export interface RawAnswer {
  readonly bytes: Uint8Array;
  /** Sizes of the pieces, in turn; default: all at once. */
  readonly pieces?: readonly number[];
  /** What happens after the last byte; default: the connection is closed. hang: it stays open, silent. */
  readonly ending?: "close" | "hang" | "reset";
}
export interface RawServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly RawRequest[];
  /** Bytes handed to the operating system so far. */
  readonly sent: number;
}

export async function rawServer(answer: (request: RawRequest) => RawAnswer | null): Promise<RawServer> {
  const requests: RawRequest[] = [];
  const sockets = new Set<net.Socket>();
  let closed = 0;
  const server = net.createServer((socket) => {
    sockets.add(socket);
    let head = "";
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      closed += socket.bytesWritten;
    });
    socket.on("data", (data: Buffer) => {
      head += data.toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end === -1) return;
      const [line = "", ...rest] = head.slice(0, end).split("\r\n");
      head = head.slice(end + 4);
      const [method = "", target = ""] = line.split(" ");
      const request = { method, target, headers: rest.join("\n") };
      requests.push(request);
      const given = answer(request);
      if (given !== null) void write(socket, given);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    get sent() { return closed + [...sockets].reduce((sum, socket) => sum + socket.bytesWritten - socket.writableLength, 0); },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

async function write(socket: net.Socket, { bytes, pieces = [bytes.length], ending = "close" }: RawAnswer): Promise<void> {
  socket.setNoDelay(true);
  let at = 0;
  for (let turn = 0; at < bytes.length && !socket.destroyed; turn++) {
    const size = Math.max(1, pieces[turn % pieces.length] ?? 1);
    if (!socket.write(bytes.subarray(at, at + size))) await Promise.race([once(socket, "drain"), once(socket, "close")]);
    else if (turn % 16 === 15) await new Promise((resolve) => setImmediate(resolve));
    at += size;
  }
  if (ending === "close") socket.end();
  if (ending === "reset") socket.resetAndDestroy();
}

export function httpAnswer(body: string | Uint8Array, { status = 200, headers = {} }: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {}): Uint8Array {
  const bytes = Buffer.from(body);
  const lines = Object.entries({ "Content-Type": "text/xml", "Content-Length": String(bytes.length), ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} Told\r\n${lines.join("")}\r\n`), bytes]);
}
