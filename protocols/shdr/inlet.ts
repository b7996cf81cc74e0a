/**
 * The reading end of a socket: bytes when they come, or "quiet" after a while. The socket is paused while nobody asks, so
 * that a slow consumer slows the adapter down and nothing is kept here without bound.
 */
import type { Socket } from "node:net";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { explainSocketError } from "../shared/dial.ts";

/** Taken at once, so that one adapter that never stops holds nobody up for longer than it takes to read so much. */
const SLICE_BYTES = 2 * 1024;

export class Inlet {
  readonly #socket: Socket;
  readonly #network: Clock;
  #failure: LinkError | null = null;
  #wake: () => void = () => undefined;

  /** `where`: "the adapter at 10.0.7.31:7878". */
  constructor(socket: Socket, where: string, network: Clock) {
    this.#socket = socket;
    this.#network = network;
    socket.on("readable", () => { this.#wake(); });
    socket.on("error", (cause) => { this.#end(explainSocketError(cause, where)); });
    socket.on("end", () => { this.#end(new LinkError("lost", "backoff", `${where} ended the connection`)); });
    socket.on("close", () => { this.#end(new LinkError("lost", "backoff", `the connection to ${where} is closed`)); });
  }

  /** True when more is there already. */
  get holds(): boolean { return this.#socket.readableLength > 0; }

  /** A slice of what is there already; null: nothing. */
  ready(): Uint8Array | null {
    const size = Math.min(SLICE_BYTES, this.#socket.readableLength);
    const chunk: unknown = size === 0 ? this.#socket.read() : this.#socket.read(size);
    return chunk instanceof Uint8Array ? chunk : null;
  }

  /** Rejects with LinkError when the link is lost, or with the signal's reason. */
  async next(waitMs: number, signal: AbortSignal): Promise<Uint8Array | "quiet"> {
    const deadline = this.#network.deadline(Math.max(0, waitMs), signal);
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => { resolve(); };
    this.#wake = wake;
    deadline.signal.addEventListener("abort", wake, { once: true });
    try {
      for (let attempt = 0; ; attempt++) {
        const chunk = this.ready();
        if (chunk !== null) return chunk;
        if (this.#failure !== null) throw this.#failure;
        signal.throwIfAborted();
        if (attempt > 0) return "quiet";
        await promise;
      }
    } finally {
      deadline.signal.removeEventListener("abort", wake);
      deadline.clear();
      this.#wake = () => undefined;
    }
  }

  #end(failure: LinkError): void {
    this.#failure ??= failure;
    this.#wake();
  }
}
