/**
 * MQTT in WebSocket frames (MQTT 5 §6: binary, subprotocol mqtt), as a stream of bytes like any other: on a connection
 * that is open and verified already, so that the same rules of TLS hold. Loaded only where a url asks for it. A frame,
 * or what its pieces add up to, is bounded; nothing is compressed, which would undo the bound; nothing is followed to
 * another address. What is written in one turn leaves in one frame.
 */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { LinkError } from "../../agent/contract/errors.ts";

const SUBPROTOCOL = "mqtt";
/** A broker may put many small packets into one frame. */
const LARGEST_FRAME_BYTES = 1_048_576;

/** `where` is the host and port for the header. Rejects with a `LinkError`, also when the signal aborts; the socket is then destroyed. */
export function openWebSocket(socket: Socket, where: string, path: string, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const webSocket = new WebSocket(`ws://${where}${path}`, [SUBPROTOCOL], {
      createConnection: () => socket, perMessageDeflate: false, followRedirects: false, maxPayload: LARGEST_FRAME_BYTES, skipUTF8Validation: true,
    });
    const done = (finish: () => void): void => {
      signal.removeEventListener("abort", onAbort);
      webSocket.removeAllListeners();
      finish();
    };
    const fail = (fault: "refused" | "timeout" | "protocol", text: string, cause?: unknown): void => done(() => {
      webSocket.on("error", () => undefined); // It is being thrown away: what it still says is about nothing.
      webSocket.terminate();
      socket.destroy();
      reject(new LinkError(fault, "backoff", `The broker at ${where} cannot be reached over WebSocket: ${text}`, { cause }));
    });
    const onAbort = (): void => { fail("timeout", `it did not answer for ${path}.`, signal.reason); };
    webSocket.on("error", (cause) => { fail("protocol", `${cause.message}. Is ${path} the path of its MQTT over WebSocket?`, cause); });
    webSocket.on("unexpected-response", (request, { statusCode }) => {
      fail("refused", `it answered HTTP ${statusCode ?? "without a status"} for ${path}. Check the path in the url.`);
      request.destroy();
    });
    webSocket.on("open", () => done(() => resolve(new FrameStream(webSocket))));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

class FrameStream extends Duplex {
  readonly #webSocket: WebSocket;

  constructor(webSocket: WebSocket) {
    super();
    this.#webSocket = webSocket;
    this.on("error", () => undefined); // It may fail before MQTT listens: an error that nobody hears ends the process.
    webSocket.on("message", (data: Buffer, isBinary) => {
      if (!isBinary) this.destroy(new Error("a text frame, where MQTT has only binary ones"));
      else if (!this.push(data)) webSocket.pause();
    });
    webSocket.on("error", (cause) => this.destroy(cause));
    webSocket.on("close", () => this.destroy());
  }

  override _read(): void {
    if (this.#webSocket.isPaused) this.#webSocket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#webSocket.send(chunk, done);
  }

  override _writev(pieces: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#webSocket.send(Buffer.concat(pieces.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#webSocket.close();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#webSocket.terminate();
    done(error);
  }
}
