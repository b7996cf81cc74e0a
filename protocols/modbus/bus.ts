/**
 * One connection, and all units behind it: one request at a time, each with its own deadline, with the pause that the
 * line and the devices need between two. Nothing is asked after a serial timeout until the line has been silent, so that
 * a late answer is never taken for the next one (modbus.md §5.2, §5.3); over TCP the numbers of the requests tell them apart.
 */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { during } from "./during.ts";
import { MISSHAPEN } from "./exceptions.ts";
import { Refused, type Question, type Wire } from "./guard.ts";
import type { RtuPort } from "./rtu-port.ts";
import { isBits } from "./tables.ts";
import { Units } from "./units.ts";

export type Answer =
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "refused"; readonly exception: number }
  /** No answer, or none that is whole, although it was asked twice. */
  | { readonly kind: "silent"; readonly why: string; readonly costMs: number };

/** Of a serial line; a socket needs none of it. */
export interface Line {
  readonly port: RtuPort;
  /** Silence between two frames: 3.5 characters. */
  readonly gapMs: number;
  /** What a byte takes. */
  readonly byteMs: number;
}
export interface BusOptions {
  readonly where: string;
  readonly wire: Wire;
  /** What carries it: told when nobody waits for an answer any more. */
  readonly port: { forget(): void };
  readonly line: Line | null;
  readonly network: Clock;
  /** Silence that the line needs first: somebody before left while an answer was on its way. */
  readonly owedMs?: number;
  /** Closes socket or port. */
  readonly shut: () => Promise<void>;
}
/** How one source wants it. */
export interface Manners {
  readonly timeoutMs: number;
  readonly pauseMs: number;
}

const REQUEST_BYTES = 8;
const LEAST_QUIET_MS = 100;
/** A line that does not fall silent for so many times the wait has a second master, or noise. */
const LOUD = 20;

export class Bus {
  readonly where: string;
  readonly units = new Units();
  readonly #options: BusOptions;
  #turn: Promise<unknown> = Promise.resolve();
  #lost: LinkError | null = null;
  readonly #losing = new Set<(error: LinkError) => void>();
  #freeAtMs = 0;
  #unsettledMs = 0;

  constructor(options: BusOptions) {
    this.#options = options;
    this.where = options.where;
    this.#unsettledMs = options.owedMs ?? 0;
  }

  /** Silence that the line needs before anything is asked again. */
  get owedMs(): number { return this.#unsettledMs; }

  get network(): Clock { return this.#options.network; }

  /** The connection went. Whoever waits is told; nothing more leaves. */
  lose(error: LinkError): void {
    if (this.#lost !== null) return;
    this.#lost = error;
    for (const tell of this.#losing) tell(error);
  }

  get lost(): LinkError | null { return this.#lost; }

  /** Calls back once when the connection goes, at once when it has; the returned function takes that back. */
  whenLost(tell: (error: LinkError) => void): () => void {
    if (this.#lost !== null) tell(this.#lost);
    this.#losing.add(tell);
    return () => void this.#losing.delete(tell);
  }

  /** Waits for its turn. Rejects with LinkError when the connection is gone, or with the signal's reason. */
  ask(question: Question, manners: Manners, signal: AbortSignal): Promise<Answer> {
    const turn = this.#turn.then(() => this.#twice(question, manners, signal));
    // The next one waits for this one, however it ends; who is told to stop does not wait for those before.
    this.#turn = turn.catch(() => undefined);
    return during(turn, signal);
  }

  /** Idempotent, never throws. */
  async close(): Promise<void> {
    this.lose(new LinkError("lost", "backoff", `the connection to ${this.where} is closed`));
    await this.#options.shut();
  }

  async #twice(question: Question, manners: Manners, signal: AbortSignal): Promise<Answer> {
    const began = this.network.now().monoMs;
    // A unit that rests is asked once: it costs the others enough.
    const tries = this.units.resting(question.unit) === null ? 2 : 1;
    let why = "";
    for (let attempt = 1; attempt <= tries; attempt++) {
      this.#heedOthers(question.unit, manners);
      await this.#ready(attempt, signal);
      const answer = await this.#once(question, manners, signal);
      if (typeof answer === "string") why = answer;
      else if (attempt === tries || answer.kind !== "refused" || answer.exception !== MISSHAPEN) return answer;
    }
    await this.#ready(1, signal);
    return { kind: "silent", why, costMs: this.network.now().monoMs - began };
  }

  /** A second master asked this unit: its answer has the line first. */
  #heedOthers(unit: number, { timeoutMs }: Manners): void {
    if (this.#options.line?.port.othersAsk.has(unit) === true) this.#unsettledMs = Math.max(this.#unsettledMs, LEAST_QUIET_MS, timeoutMs);
  }

  /** The same unit again: its late answer could be for what was asked before, so the silence must last twice as long. */
  async #ready(attempt: number, signal: AbortSignal): Promise<void> {
    const { line, where } = this.#options;
    signal.throwIfAborted();
    if (this.#lost !== null) throw this.#lost;
    if (line !== null && this.#unsettledMs > 0) {
      const quietMs = this.#unsettledMs * attempt;
      const until = this.network.now().monoMs + quietMs * LOUD;
      for (let leftMs = quietMs; leftMs > 0; leftMs = line.port.lastMs + quietMs - this.network.now().monoMs) {
        if (this.network.now().monoMs > until) throw new LinkError("protocol", "backoff", `${where} does not fall silent: is there a second master on the line, or no bias?`);
        await this.#sleep(leftMs, signal);
      }
      this.#unsettledMs = 0;
      line.port.othersAsk.clear();
    }
    const free = Math.max(this.#freeAtMs, line === null ? 0 : line.port.lastMs + line.gapMs);
    const waitMs = free - this.network.now().monoMs;
    if (waitMs > 0) await this.#sleep(waitMs, signal);
    signal.throwIfAborted();
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    await this.network.sleep(Math.ceil(ms), signal);
    if (this.#lost !== null) throw this.#lost;
  }

  /** A text says what was wrong. */
  async #once(question: Question, { timeoutMs, pauseMs }: Manners, signal: AbortSignal): Promise<Answer | string> {
    const { wire, port, line, network } = this.#options;
    const expected = isBits(question.table) ? Math.ceil(question.count / 8) : question.count * 2;
    const waitMs = timeoutMs + (line === null ? 0 : Math.ceil((REQUEST_BYTES + 5 + expected) * line.byteMs));
    const deadline = network.deadline(waitMs, signal);
    const { promise, reject } = Promise.withResolvers<never>();
    const late = (): void => { reject(deadline.signal.reason); };
    deadline.signal.addEventListener("abort", late, { once: true });
    this.#losing.add(reject);
    let answered = false;
    try {
      const bytes = await Promise.race([wire.ask(question), promise]);
      answered = true;
      return bytes.length === expected ? { kind: "data", bytes } : { kind: "refused", exception: MISSHAPEN };
    } catch (cause) {
      answered = cause instanceof Refused;
      if (cause instanceof Refused) return { kind: "refused", exception: cause.exception };
      if (this.#lost !== null) throw this.#lost;
      if (signal.aborted) throw signal.reason;
      return deadline.signal.aborted ? silence(line, waitMs) : cause instanceof Error ? cause.message : String(cause);
    } finally {
      port.forget();
      this.#losing.delete(reject);
      deadline.signal.removeEventListener("abort", late);
      deadline.clear();
      this.#freeAtMs = network.now().monoMs + pauseMs;
      // Also when the source was told to stop, with the whole wait before it: another one may share the line, and ask the same unit.
      if (!answered && line !== null) this.#unsettledMs = Math.max(LEAST_QUIET_MS, timeoutMs) * (signal.aborted ? 2 : 1);
    }
  }
}

const silence = (line: Line | null, waitMs: number): string =>
  (line === null || line.port.heardBytes === 0 ? `no answer within ${waitMs} ms` : `no whole answer within ${waitMs} ms, but ${line.port.heardBytes} bytes: are baud rate and parity right, and is there one master only?`);
