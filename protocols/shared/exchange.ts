/**
 * Question and answer over one byte stream (a socket or a serial port): one request is in flight at a time, each with a
 * deadline. What arrives while nobody asks is dropped and counted. After a timeout the answer may still be on its way, and
 * would be taken for the next one: no further request leaves until `settle` found the line silent, or the link is closed.
 *
 *   ready ──ask──► waiting ──answer──► ready          waiting ──deadline──► unsettled ──settle──► ready
 *                     └──stream ends, rubbish──► ended
 */
import type { Duplex } from "node:stream";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { explainSocketError } from "./dial.ts";

/** Bytes → answers, whatever pieces they come in. Bounded: what can never become an answer throws LinkError("protocol"). */
export interface Framer<Answer> {
  push(bytes: Uint8Array): readonly Answer[];
  /** Forgets what is half there. */
  reset(): void;
}
export interface ExchangeOptions<Answer> {
  readonly stream: Duplex;
  readonly framer: Framer<Answer>;
  /** For messages: "the control at 10.0.7.30:8193". */
  readonly where: string;
  readonly network: Clock;
  readonly timeoutMs: number;
}
interface Waiting<Answer> {
  answered(answer: Answer): void;
  failed(error: LinkError): void;
}

export class Exchange<Answer> {
  readonly #options: ExchangeOptions<Answer>;
  #waiting: Waiting<Answer> | null = null;
  #turn: Promise<void> = Promise.resolve();
  #unsettled = false;
  #ended: LinkError | null = null;
  #heard = 0;
  #strays = 0;

  constructor(options: ExchangeOptions<Answer>) {
    this.#options = options;
    const { stream, where } = options;
    stream.on("data", (bytes: Buffer) => { this.#take(bytes); });
    stream.on("error", (cause) => { this.#end(explainSocketError(cause, where)); });
    stream.on("end", () => { this.#end(new LinkError("lost", "backoff", `${where} ended the connection`)); });
    stream.on("close", () => { this.#end(new LinkError("lost", "backoff", `the connection to ${where} is closed`)); });
  }

  /** Answers that nobody had asked for, so far. */
  get strays(): number { return this.#strays; }

  /** Waits for its turn, then sends and waits for the next answer. Rejects with LinkError, or with the signal's reason. */
  async ask(request: Uint8Array, signal: AbortSignal, timeoutMs = this.#options.timeoutMs): Promise<Answer> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    try {
      await before;
      signal.throwIfAborted();
      if (this.#ended !== null) throw this.#ended;
      if (this.#unsettled) throw new LinkError("lost", "backoff", `an answer of ${this.#options.where} is still owed: nothing more is asked on this connection`);
      return await this.#one(request, signal, timeoutMs);
    } finally {
      resolve();
    }
  }

  /** After a timeout: resolves when nothing was heard for `quietMs`; late bytes are dropped. At most `limitMs`, then LinkError. */
  async settle(quietMs: number, limitMs: number, signal: AbortSignal): Promise<void> {
    const { network, framer, where } = this.#options;
    const until = network.now().monoMs + limitMs;
    for (let heard = -1; heard !== this.#heard;) {
      if (network.now().monoMs > until) throw new LinkError("protocol", "backoff", `${where} does not fall silent: does somebody else talk on this line?`);
      heard = this.#heard;
      await network.sleep(quietMs, signal);
      if (this.#ended !== null) throw this.#ended;
    }
    framer.reset();
    this.#unsettled = false;
  }

  async #one(request: Uint8Array, signal: AbortSignal, timeoutMs: number): Promise<Answer> {
    const { network, stream, where } = this.#options;
    const deadline = network.deadline(timeoutMs, signal);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const late = (): void => { reject(deadline.signal.reason); };
    deadline.signal.addEventListener("abort", late, { once: true });
    this.#waiting = { answered: resolve, failed: reject };
    try {
      stream.write(request);
      return await promise;
    } catch (cause) {
      if (this.#ended !== null && !signal.aborted) throw cause;
      this.#unsettled = true;
      if (signal.aborted) throw signal.reason;
      throw new LinkError("timeout", "backoff", `no answer from ${where} within ${timeoutMs} ms`, { cause });
    } finally {
      this.#waiting = null;
      deadline.signal.removeEventListener("abort", late);
      deadline.clear();
    }
  }

  #take(bytes: Uint8Array): void {
    this.#heard += bytes.length;
    if (this.#ended !== null) return;
    try {
      for (const answer of this.#options.framer.push(bytes)) {
        if (this.#waiting === null) this.#strays++;
        else this.#waiting.answered(answer);
        this.#waiting = null;
      }
    } catch (cause) {
      this.#end(explainSocketError(cause, this.#options.where));
    }
  }

  #end(error: LinkError): void {
    this.#ended ??= error;
    this.#waiting?.failed(this.#ended);
  }
}
