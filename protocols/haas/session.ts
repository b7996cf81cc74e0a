/**
 * One link to a control, polled: the three-in-one, the mode and the part counter each time, variables and totals in turn.
 * A question without an answer makes its value unavailable after three polls, not before, and never ends the link; three
 * questions in a row without one do.
 */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Batch, Cursor, Reading } from "../../agent/contract/observation.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import type { Session } from "../../agent/contract/source.ts";
import type { Described } from "../../agent/contract/survey.ts";
import { Changes } from "../shared/changes.ts";
import { pointReading, UNAVAILABLE, type Valued } from "../shared/points.ts";
import { polls } from "../shared/poll.ts";
import { whereOf, type HaasConfig } from "./config.ts";
import type { Answer, HaasLink } from "./link.ts";
import { nameOf, type Question } from "./questions.ts";
import { numberOf, secondsOf } from "./reply.ts";
import { ROUND_ROWS } from "./signals.ts";
import { ControlState, countOf, good, reading } from "./state.ts";

export interface Parts {
  readonly link: HaasLink;
  readonly config: HaasConfig;
  readonly ports: Ports;
  readonly peer: string;
  readonly facts: Described["facts"];
  close(): Promise<void>;
}

/** Silent or refused so often: its value is not known. */
const MISSES = 3;
/** What the control does not answer is asked again after so many polls. */
const ASK_AGAIN = 60;
const VARIABLES_PER_POLL = 2;

/** A timer says another text each time. */
const RUNS_ON: ReadonlySet<number> = new Set([300, 301]);

type Variable = NonNullable<HaasConfig["variables"]>[number];

export class HaasSession implements Session {
  readonly peer: string;
  readonly #parts: Parts;
  readonly #state: ControlState;
  readonly #changes = new Changes();
  readonly #misses = new Map<string, number>();
  /** When each question was last asked, and when the one was that was last answered: by the clock of the polls. */
  readonly #asked = new Map<string, number>();
  readonly #answered = new Map<string, number>();
  readonly #replaced: ReadonlySet<string>;
  #turn = 0;
  #count: number | null = null;
  /** By question: what was believed last. */
  readonly #texts = new Map<string, string>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.peer = parts.peer;
    this.#state = new ControlState(parts.config);
    this.#replaced = new Set(parts.config.variables?.map(({ signal }) => signal));
  }

  /** A question without an answer so far says nothing of itself here: it may be the first. */
  describe(): Described {
    const refused = [...this.#misses].filter(([name, misses]) => misses >= MISSES && !name.endsWith(" taken")).map(([what]) => ({ what, why: "the control does not answer this question" }));
    return { facts: this.#parts.facts, refused };
  }

  close(): Promise<void> {
    return this.#parts.close();
  }

  /** A lost link is told at once, not with the next poll. */
  async *read(_: Cursor | null, signal: AbortSignal): AsyncGenerator<Batch> {
    const { config, ports, link } = this.#parts;
    const ending = new AbortController();
    const onAbort = (): void => { ending.abort(signal.reason); };
    signal.addEventListener("abort", onAbort, { once: true });
    link.whenEnded((error) => { ending.abort(error); });
    if (signal.aborted) onAbort();
    try {
      for await (const { turn } of polls(config.interval, ports.clock, ending.signal)) {
        this.#turn = turn;
        yield { items: await this.#poll(ending.signal), caughtUp: true };
      }
    } catch (cause) {
      if (!signal.aborted) throw cause;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** The three-in-one comes last: a cycle's part is then never counted after the cycle was seen to end. */
  async #poll(signal: AbortSignal): Promise<readonly Reading[]> {
    const { link, config, ports } = this.#parts;
    const [heard, refused] = [link.macrosHeard, link.refusedElsewhere];
    const variables = await this.#variables(signal);
    const round = ROUND_ROWS[this.#turn % ROUND_ROWS.length] ?? ROUND_ROWS[0];
    const readings = [
      ...await this.#valued({ q: round.q }, signal, ({ fields: [text] }) => [reading(round.signal, totalOf(round.value, text))], [round.signal]),
      ...await this.#valued({ q: config.counter === 1 ? 402 : 403 }, signal, (answer) => this.#counted(answer, signal), ["part_count"]),
      ...await this.#valued({ q: 104 }, signal, (answer) => [this.#state.mode(answer)], ["controller_mode"]),
    ];
    const motion = this.#state.needsMotion ? await this.#ask({ q: 301 }, signal) : null;
    if (motion !== null) this.#state.motion(motion, ports.network.now().monoMs);
    readings.push(...await this.#valued({ q: 500 }, signal, (answer) => this.#state.three(answer), ["execution", "program"]));
    return [...readings, ...this.#trusted(variables, config.serial !== undefined || link.refusedElsewhere === refused ? link.macrosHeard - heard : -1)];
  }

  /** What is new in the answer; what `signals` say after too many misses; else nothing, so that the last values stand. */
  async #valued(question: Question, signal: AbortSignal, read: (answer: Answer) => readonly Reading[] | null | Promise<readonly Reading[] | null>, signals: readonly string[]): Promise<readonly Reading[]> {
    // A variable takes the place of what the driver has by itself.
    if (signals.every((one) => this.#replaced.has(one))) return [];
    const before = this.#missesOf(question);
    const answer = await this.#sure(question, signal);
    const said = answer === null ? null : await read(answer);
    if (answer !== null && said === null) this.#misses.set(nameOf(question), before + 1);
    if (said !== null) return this.#changed(question, said.filter((one) => !this.#replaced.has(one.signal) || one.signal === "alarm"));
    return this.#missesOf(question) >= MISSES ? this.#changed(question, signals.filter((one) => !this.#replaced.has(one)).map((one) => reading(one, UNAVAILABLE))) : [];
  }

  /** A digit that a serial line has garbled is no hundred parts: what is neither the count before nor the next is asked twice. Null: not told. */
  async #counted({ fields }: Answer, signal: AbortSignal): Promise<readonly Reading[] | null> {
    const count = countOf(fields[0]);
    const before = this.#count;
    const isUsual = before === null || count.value === before || count.value === before + 1;
    const again = isUsual ? null : await this.#ask({ q: this.#parts.config.counter === 1 ? 402 : 403 }, signal);
    if (typeof count.value !== "number" || (!isUsual && countOf(again?.fields[0]).value !== count.value)) return null;
    this.#count = count.value;
    return [reading("part_count", count)];
  }

  /** It may have changed at any time since this question was asked the time before. */
  #changed(question: Question, readings: readonly Reading[]): readonly Reading[] {
    const name = nameOf(question);
    const { monoMs } = this.#parts.ports.clock.now();
    const changed = this.#changes.of(readings, Math.ceil(monoMs - (this.#answered.get(name) ?? monoMs)));
    this.#answered.set(name, this.#asked.get(name) ?? monoMs);
    return changed;
  }

  /** A serial line has no checksum: what is another text than before is asked twice, and believed when it says it again. */
  async #sure(question: Question, signal: AbortSignal): Promise<Answer | null> {
    const before = this.#missesOf(question);
    const answer = await this.#ask(question, signal);
    if (answer === null || this.#parts.config.serial === undefined || RUNS_ON.has(question.q)) return answer;
    const [name, text] = [nameOf(question), JSON.stringify(answer)];
    if (this.#texts.get(name) === text) return answer;
    const again = await this.#ask(question, signal);
    const isSame = JSON.stringify(again) === text;
    if (isSame) this.#texts.set(name, text);
    else this.#misses.set(name, before + 1);
    return isSame ? again : null;
  }

  async #ask(question: Question, signal: AbortSignal): Promise<Answer | null> {
    const { link, config, ports } = this.#parts;
    const misses = this.#missesOf(question);
    if (misses >= MISSES && this.#turn % ASK_AGAIN !== 0) return null;
    const { monoMs } = ports.clock.now();
    const asked = await link.ask(question, signal);
    if (asked.kind === "answer") this.#asked.set(nameOf(question), monoMs);
    if (link.silences >= MISSES) throw new LinkError("timeout", "backoff", `the Haas control at ${whereOf(config)} does not answer (${nameOf(question)} and the questions before it, ${config.timeout} ms each): is it switched on, and Setting 143 still set?`);
    if (asked.kind !== "busy") this.#misses.set(nameOf(question), asked.kind === "answer" ? 0 : misses + 1);
    return asked.kind === "answer" ? asked.answer : null;
  }

  #missesOf(question: Question): number {
    return this.#misses.get(nameOf(question)) ?? 0;
  }

  /** The next few variables, in turn, with what they said; null: nothing. */
  async #variables(signal: AbortSignal): Promise<readonly (readonly [Variable, string | null])[]> {
    const all = this.#parts.config.variables ?? [];
    const answers: (readonly [Variable, string | null])[] = [];
    for (let place = 0; place < Math.min(VARIABLES_PER_POLL, all.length); place++) {
      const variable = all[(this.#turn * VARIABLES_PER_POLL + place) % all.length];
      if (variable === undefined) continue;
      const answer = await this.#ask({ q: 600, variable: variable.variable }, signal);
      answers.push([variable, answer?.fields.at(-1) ?? null]);
    }
    return answers;
  }

  /**
   * The answer to a variable does not say which one it is of, and everybody's answers come to everybody. As many as were
   * asked: they are ours. Another number, or
   * a refusal after they seemed answered: somebody else asked, and none of them is believed.
   */
  #trusted(answers: readonly (readonly [Variable, string | null])[], heard: number): readonly Reading[] {
    const isOurs = heard === answers.filter(([, text]) => text !== null).length;
    return answers.flatMap(([variable, text]) => {
      const question: Question = { q: 600, variable: variable.variable };
      const item = nameOf(question);
      if (isOurs) this.#misses.delete(`${item} taken`);
      if (isOurs && text !== null) return this.#changed(question, [{ ...pointReading(variable, item, numberOf(text)), path: 1 }]);
      if (text !== null) this.#misses.set(`${item} taken`, (this.#misses.get(`${item} taken`) ?? 0) + 1);
      const misses = Math.max(this.#missesOf(question), this.#misses.get(`${item} taken`) ?? 0);
      return misses >= MISSES ? this.#changed(question, [{ ...pointReading(variable, item, null), path: 1 }]) : [];
    });
  }
}

function totalOf(kind: "text" | "time" | "number", text: string | undefined): Valued {
  if (kind === "text") return text === undefined || text === "" ? UNAVAILABLE : good(text.slice(0, 64));
  const value = kind === "time" ? secondsOf(text) : numberOf(text);
  return value === null ? UNAVAILABLE : good(value);
}
