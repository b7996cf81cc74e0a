/**
 * Questions over one byte stream, one at a time, on a line that others may use too: a control with its network port sends
 * every reply to every client (haas.md §1). A reply answers ours only when its label is that of our question; the label of
 * a variable does not say which one it is, so `surplus` counts what came beyond what was asked. An answer that is late is
 * drained by a question with another label, because a control answers each client in order.
 */
import type { Duplex } from "node:stream";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { explainSocketError } from "../shared/dial.ts";
import { encode, labelsOf, MACRO_LABEL, nameOf, type Dialect, type Question } from "./questions.ts";
import { ReplyDecoder, type Reply } from "./reply.ts";

export interface LinkOptions {
  readonly stream: Duplex;
  readonly where: string;
  readonly network: Clock;
  readonly timeoutMs: number;
  /** Least pause between an answer and the next question. */
  readonly pauseMs: number;
  readonly sevenBits: boolean;
}
/** The fields after the label; with `label` where a question has several. */
export interface Answer {
  readonly label: string;
  readonly fields: readonly string[];
}
export type Asked = { readonly kind: "answer"; readonly answer: Answer } | { readonly kind: "rejected"; readonly text: string } | { readonly kind: "silence" }
  /** An older control that runs may say so whatever it is asked: nothing of what was asked. */
  | { readonly kind: "busy" };

/** Until a control has noticed that a place is free: haas.md §3. */
const AGAIN = { afterMs: 5_000 } as const;

/**
 * More in a second, without an answer to us, than any number of others makes a control say (a serial line: 11 KB). Reading
 * on would take the time of every other machine.
 */
const BABBLE_BYTES = 64 * 1024;
const BABBLE_MS = 1_000;

interface Waiting {
  readonly question: Question;
  readonly resolve: (asked: Asked) => void;
}

export class HaasLink {
  dialect: Dialect = "ngc";
  readonly #options: LinkOptions;
  readonly #decoder: ReplyDecoder;
  #waiting: Waiting | null = null;
  #ended: LinkError | null = null;
  #tell: (error: LinkError) => void = () => undefined;
  #answeredMono = Number.NEGATIVE_INFINITY;
  #surplus = 0;
  /** Since the last answer to us, within BABBLE_MS: polls may be minutes apart, and others ask meanwhile. */
  #heardBytes = 0;
  #heardMono = 0;
  #silences = 0;
  /** Its answer may still come. */
  #owed: Question | null = null;
  #macrosHeard = 0;
  readonly #variables = new Set<string>();
  #refusedElsewhere = 0;

  constructor(options: LinkOptions) {
    const { stream, where, sevenBits } = options;
    this.#options = options;
    this.#decoder = new ReplyDecoder(where, { sevenBits });
    stream.on("data", (bytes: Buffer) => { this.#take(bytes); });
    stream.on("error", (cause) => { this.#end(explainSocketError(cause, where)); });
    stream.on("end", () => { this.#end(new LinkError("lost", AGAIN, `${where} ended the connection: it serves two at a time`)); });
    stream.on("close", () => { this.#end(new LinkError("lost", AGAIN, `the connection to ${where} is closed`)); });
  }

  /** Replies to nobody's question of ours, so far: somebody else talks to this control. */
  get surplus(): number { return this.#surplus; }
  /** Replies with the label of variables, so far: of ours and of others. */
  get macrosHeard(): number { return this.#macrosHeard; }

  /** Refusals that may be of a variable of ours, and came when another question was asked: who answered that variable? */
  get refusedElsewhere(): number { return this.#refusedElsewhere; }

  /** Questions in a row that nobody answered. */
  get silences(): number { return this.#silences; }

  /** Rejects with LinkError when the link is lost, or with the signal's reason. Call one at a time. */
  async ask(question: Question, signal: AbortSignal): Promise<Asked> {
    if (this.#owed !== null) {
      const fence: Question = { q: this.#owed.q === 100 ? 102 : 100 };
      if ((await this.#one(fence, signal)).kind === "silence") return { kind: "silence" };
      this.#owed = null;
    }
    const asked = await this.#one(question, signal);
    if (asked.kind === "silence") this.#owed = question;
    return asked;
  }

  async #one(question: Question, signal: AbortSignal): Promise<Asked> {
    const { network, pauseMs, stream, timeoutMs } = this.#options;
    const restMs = this.#answeredMono + pauseMs - network.now().monoMs;
    if (restMs > 0) await network.sleep(restMs, signal);
    signal.throwIfAborted();
    this.#mustLive();
    const deadline = network.deadline(timeoutMs, signal);
    const { promise, resolve } = Promise.withResolvers<Asked>();
    const late = (): void => { resolve({ kind: "silence" }); };
    deadline.signal.addEventListener("abort", late, { once: true });
    this.#waiting = { question, resolve };
    if (question.q === 600) this.#variables.add(nameOf(question));
    try {
      stream.write(encode(question, this.dialect));
      const asked = await promise;
      signal.throwIfAborted();
      this.#mustLive();
      this.#silences = asked.kind === "silence" ? this.#silences + 1 : 0;
      return asked;
    } finally {
      this.#waiting = null;
      this.#answeredMono = network.now().monoMs;
      deadline.signal.removeEventListener("abort", late);
      deadline.clear();
    }
  }

  #take(bytes: Uint8Array): void {
    if (this.#ended !== null) return;
    const { monoMs } = this.#options.network.now();
    if (monoMs - this.#heardMono >= BABBLE_MS) [this.#heardMono, this.#heardBytes] = [monoMs, 0];
    this.#heardBytes += bytes.length;
    try {
      for (const reply of this.#decoder.push(bytes)) this.#hear(reply);
      if (this.#heardBytes > BABBLE_BYTES) throw new LinkError("protocol", "backoff", `${this.#options.where} talks without being asked and does not stop: is this the port of Setting 143, and who else asks it?`);
    } catch (cause) {
      this.#end(explainSocketError(cause, this.#options.where));
    }
  }

  #hear(reply: Reply): void {
    if (reply.kind === "values" && reply.label === MACRO_LABEL) this.#macrosHeard++;
    const asked = this.#waiting === null ? null : answerTo(this.#waiting.question, reply) ?? (this.dialect === "classic" && isBusy(reply) ? BUSY : null);
    const isVariables = asked !== null && this.#waiting?.question.q === 600;
    if (reply.kind === "rejected" && !isVariables && (reply.echo === null || this.#variables.has(reply.echo))) this.#refusedElsewhere++;
    if (asked === null) {
      this.#surplus++;
      return;
    }
    this.#heardBytes = 0;
    this.#waiting?.resolve(asked);
    this.#waiting = null;
  }

  /** Calls back once, at once where it is so already: with why the link is lost. */
  whenEnded(tell: (error: LinkError) => void): void {
    this.#tell = tell;
    if (this.#ended !== null) tell(this.#ended);
  }

  #mustLive(): void {
    if (this.#ended !== null) throw this.#ended;
  }

  #end(error: LinkError): void {
    if (this.#ended === null) this.#tell(error);
    this.#ended ??= error;
    this.#options.stream.pause();
    this.#waiting?.resolve({ kind: "silence" });
  }
}

const BUSY: Asked = { kind: "busy" };
const isBusy = (reply: Reply): boolean => reply.kind === "values" && reply.label === "STATUS" && reply.fields[0] === "BUSY";

/** Null: it answers another question. */
function answerTo(question: Question, reply: Reply): Asked | null {
  if (reply.kind === "rejected") return reply.echo === null || reply.echo === nameOf(question) ? { kind: "rejected", text: reply.text } : null;
  if (!labelsOf(question).includes(reply.label)) return null;
  // `MACRO, ?, Q600 -1`: some say so that there is no such variable.
  if (reply.fields[0]?.startsWith("?") === true) return { kind: "rejected", text: [reply.label, ...reply.fields].join(", ") };
  // Older controls say which variable it is.
  if (question.q === 600 && reply.fields.length === 2 && Number(reply.fields[0]) !== question.variable) return null;
  return { kind: "answer", answer: { label: reply.label, fields: reply.fields } };
}
