/**
 * A serial line as modbus-serial wants its ports: a frame is written, and "data" gives the frame that answers it. The
 * library's own serial port would hand a late answer to the next request (modbus.md §5.2); this one gives each request
 * at most one answer, none after `forget`, and knows when the line was last heard.
 */
import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import type { Clock } from "../../agent/contract/time.ts";
import { findAnswer } from "./rtu-frame.ts";

/** The longest frame there is, and as much noise before it. */
const HEARD_LIMIT = 512;

export class RtuPort extends EventEmitter {
  /** Read by the library; serial lines have no numbers for their requests. */
  readonly _transactionIdRead = 1;
  readonly _transactionIdWrite = 1;
  readonly #stream: Duplex;
  readonly #network: Clock;
  #request: Uint8Array | null = null;
  #heard: Uint8Array = new Uint8Array();
  #heardBytes = 0;
  #lastMs: number;
  isOpen = true;

  constructor(stream: Duplex, network: Clock) {
    super();
    this.#stream = stream;
    this.#network = network;
    this.#lastMs = network.now().monoMs;
    stream.on("data", (bytes: Buffer) => { this.#take(bytes); });
    stream.on("close", () => { this.isOpen = false; });
  }

  /** When something was last heard or said, of this boot. */
  get lastMs(): number { return this.#lastMs; }
  /** Bytes heard since the last request left. */
  get heardBytes(): number { return this.#heardBytes; }

  /** The stream is open already. */
  open(opened: (error: null) => void): void {
    opened(null);
  }

  /** The stream's owner closes it. */
  close(closed: () => void): void {
    this.forget();
    closed();
  }

  write(request: Uint8Array): void {
    this.#request = Uint8Array.from(request);
    this.#heard = new Uint8Array();
    this.#heardBytes = 0;
    this.#lastMs = this.#network.now().monoMs;
    this.#stream.write(this.#request);
  }

  /** Nobody waits any more: what still comes is heard, and dropped. */
  forget(): void {
    this.#request = null;
    this.#heard = new Uint8Array();
  }

  #take(bytes: Uint8Array): void {
    this.#lastMs = this.#network.now().monoMs;
    this.#heardBytes += bytes.length;
    if (this.#request === null) return;
    this.#heard = Buffer.concat([this.#heard, bytes]).subarray(-HEARD_LIMIT);
    const answer = findAnswer(this.#heard, this.#request);
    if (answer === null) return;
    this.forget();
    this.emit("data", Buffer.from(answer));
  }
}
