/**
 * One connection to one control (focas.md §1): opens the command channel, asks, and closes so that the control frees its
 * slot, of which it has few. The farewell is sent on every way out, also after a timeout, and waited for briefly.
 */
import type * as net from "node:net";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import { malformed } from "../shared/bytes.ts";
import { dial, explainSocketError } from "../shared/dial.ts";
import { Exchange, type Framer } from "../shared/exchange.ts";
import { decodeBlocks, decodeRefusal, encodeBlocks, type Answer } from "./blocks.ts";
import { encodeAsk, encodeClose, encodeOpen, FRAME_TYPES, FrameReader, isRefusal, type Frame } from "./frame.ts";
import type { Block } from "./functions.ts";

export interface Reach {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

/** Said by the control itself: another client must end first. */
export class NoSlotError extends LinkError {}

/** A slot that is taken is not free again at once, and whoever tries keeps the control busy (§9). */
const SLOT_WAIT = { afterMs: 5_000 } as const;
/** The farewell is answered within this time, or not waited for. */
const FAREWELL_MS = 500;

export class Connection {
  /** For messages: "the control at 10.0.7.31:8193". */
  readonly where: string;
  readonly #socket: net.Socket;
  readonly #exchange: Exchange<Frame>;
  readonly #ports: Ports;
  readonly #closed = Promise.withResolvers<void>();
  readonly #lost = new AbortController();
  #version = 1;
  #closing: Promise<void> | null = null;

  private constructor(socket: net.Socket, where: string, timeoutMs: number, ports: Ports) {
    this.where = where;
    this.#socket = socket;
    this.#ports = ports;
    const framer = watched(new FrameReader(`an answer of ${where}`), () => { this.#closed.resolve(); });
    this.#exchange = new Exchange({ stream: socket, framer, where, network: ports.network, timeoutMs });
    let why: Error = new LinkError("lost", "backoff", `${where} ended the connection`);
    socket.on("error", (cause) => { why = cause; });
    socket.once("close", () => {
      this.#closed.resolve();
      if (this.#closing === null) this.#lost.abort(explainSocketError(why, where));
    });
  }

  /** Aborts, with a LinkError, when the connection goes without us: between two polls too nothing is known from then on. */
  get lost(): AbortSignal { return this.#lost.signal; }

  /** Rejects with LinkError, or with the signal's reason; nothing is left open then. */
  static async open({ host, port, timeoutMs }: Reach, ports: Ports, signal: AbortSignal): Promise<Connection> {
    const socket = await dial({ what: "the control's FOCAS server", host, port, timeoutMs }, ports, signal);
    const connection = new Connection(socket, `the control at ${host}:${port}`, timeoutMs, ports);
    try {
      await connection.#open(signal);
      return connection;
    } catch (cause) {
      await connection.close();
      throw cause;
    }
  }

  /** The control's protocol level. */
  get version(): number { return this.#version; }

  /** Answers in the order of `blocks`. Where the control refuses the frame whole, each block is asked alone. */
  async ask(blocks: readonly Block[], signal: AbortSignal): Promise<readonly Answer[]> {
    const frame = await this.#send(encodeAsk(encodeBlocks(blocks)), FRAME_TYPES.ask, signal);
    const what = `an answer of ${this.where}`;
    if (!isRefusal(frame)) return decodeBlocks(frame.payload, blocks, what);
    const [only, ...others] = blocks;
    if (only !== undefined && others.length > 0) {
      const answers: Answer[] = [];
      for (const block of blocks) answers.push(...await this.ask([block], signal));
      return answers;
    }
    const { code, detail } = decodeRefusal(frame.payload, what);
    return [{ status: code, detail, data: new Uint8Array(0) }];
  }

  /** Idempotent, bounded, never throws. */
  close(): Promise<void> {
    this.#closing ??= this.#farewell();
    return this.#closing;
  }

  async #open(signal: AbortSignal): Promise<void> {
    const frame = await this.#send(encodeOpen(), FRAME_TYPES.open, signal);
    this.#version = frame.version;
    if (!isRefusal(frame)) return;
    const { code } = decodeRefusal(frame.payload, `an answer of ${this.where}`);
    throw new NoSlotError("refused", SLOT_WAIT, `${this.where} refuses another connection (${code}): it has few slots (often two). Close other FOCAS clients, or wait until it forgets those that were not closed`);
  }

  async #send(bytes: Uint8Array, type: number, signal: AbortSignal): Promise<Frame> {
    const frame = await this.#exchange.ask(bytes, signal);
    if (this.#exchange.strays > 0) throw new LinkError("protocol", "backoff", `${this.where} sent a frame that nobody had asked for: its answers can no longer be told apart`);
    // Answers are of the kind asked for, in direction 2 or 3.
    if (frame.type !== type + 1 && !(isRefusal(frame) && frame.type >> 8 === type >> 8))
      throw malformed(`an answer of ${this.where}`, `is of type 0x${frame.type.toString(16)}, asked was 0x${type.toString(16)}`, frame.payload, 0);
    return frame;
  }

  async #farewell(): Promise<void> {
    const socket = this.#socket;
    if (!socket.destroyed && socket.writable) {
      const cancel = this.#ports.network.after(FAREWELL_MS, () => { this.#closed.resolve(); });
      socket.write(encodeClose());
      await this.#closed.promise;
      cancel();
    }
    socket.destroy();
  }
}

/** Tells when the control has said goodbye, whoever waits for an answer then. */
function watched(reader: FrameReader, onClosed: () => void): Framer<Frame> {
  return {
    push(bytes) {
      const frames = reader.push(bytes);
      if (frames.some(({ type }) => type === FRAME_TYPES.closed)) onClosed();
      return frames;
    },
    reset: () => { reader.reset(); },
  };
}
