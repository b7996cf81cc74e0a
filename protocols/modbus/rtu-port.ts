/**
 * A serial line as modbus-serial wants its ports: a frame is written, and "data" gives the frame that answers it. The
 * library's own serial port would hand a late answer to the next request (modbus.md §5.2); this one gives each request
 * at most one answer, none after `forget`, and knows when the line was last heard.
 */
import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import type { Clock } from "../../agent/contract/time.ts";
import { findAnswer, othersAsk } from "./rtu-frame.ts";

/** The longest frame there is, and as much noise before it. */
const HEARD_LIMIT = 512;
/** A request less one byte: what may be the start of one. */
const REQUEST_START = 7;

export class RtuPort extends EventEmitter {
  /** Read by the library; serial lines have no numbers for their requests. */
  readonly _transactionIdRead = 1;
  readonly _transactionIdWrite = 1;
  readonly #stream: Duplex;
  readonly #network: Clock;
  #request: Uint8Array | null = null;
  #ours: Uint8Array = new Uint8Array();
  #tail: Uint8Array = new Uint8Array();
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
  /** Units that a second master was heard to ask: the next answer of such a one may be its. The bus forgets them when the line was silent. */
  readonly othersAsk = new Set<number>();

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
    this.#request = this.#ours = Uint8Array.from(request);
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
    if (this.#request === null) {
      const idle = Buffer.concat([this.#tail, bytes]);
      this.#tail = idle.subarray(-REQUEST_START);
      this.#hearOthers(idle);
      return;
    }
    this.#heard = Buffer.concat([this.#heard, bytes]).subarray(-HEARD_LIMIT);
    const answer = findAnswer(this.#heard, this.#request);
    this.#hearOthers(Buffer.concat([this.#tail, this.#heard]));
    if (answer === null || this.othersAsk.has(this.#request[0] ?? 0)) return;
    this.forget();
    this.emit("data", Buffer.from(answer));
  }

  #hearOthers(bytes: Uint8Array): void {
    for (const unit of othersAsk(bytes, this.#ours)) this.othersAsk.add(unit);
  }
}
