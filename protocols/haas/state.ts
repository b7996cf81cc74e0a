/** What a control's answers mean: the three-in-one, the mode, running by evidence. Keeps what one session must remember. */
import type { Reading, Value } from "../../agent/contract/observation.ts";
import { UNAVAILABLE, type Valued } from "../shared/points.ts";
import type { HaasConfig } from "./config.ts";
import type { Answer } from "./link.ts";
import { numberOf, secondsOf } from "./reply.ts";
import { MODE_ROWS, STATUS_ROWS, UNNAMED_ALARM } from "./signals.ts";

const TEXT_LIMIT = 256;
/** More than any control has. */
const WORDS_LIMIT = 100;
/** The motion timer counts seconds: two looks must lie this far apart before an equal one says that nothing moves. */
const MOTION_MS = 1_500;

export const good = (value: Value): Valued => ({ quality: "GOOD", value });
const uncertain = (value: Value): Valued => ({ quality: "UNCERTAIN", value });
export const countOf = (text: string | undefined): Valued => {
  const value = numberOf(text);
  return value === null || !Number.isSafeInteger(value) ? UNAVAILABLE : good(value);
};
export const reading = (signal: string, valued: Valued): Reading => ({ kind: "reading", signal, path: 1, ...valued });

/** Without a prototype: the words come from a control. */
const inCapitals = <T>(table: Readonly<Record<string, T>> | undefined): Readonly<Record<string, T>> =>
  Object.assign(Object.create(null) as Record<string, T>, Object.fromEntries(Object.entries(table ?? {}).map(([word, meant]) => [word.toUpperCase(), meant])));

export class ControlState {
  readonly #words: NonNullable<HaasConfig["words"]>;
  readonly #modes: NonNullable<HaasConfig["modes"]>;
  #isProgramKnown = false;
  #motion: { readonly seconds: number; readonly monoMs: number } | null = null;
  #moves: boolean | null = null;
  #isWordKnown = true;
  #word = "";
  /** Words that were said while it moved. */
  readonly #moving = new Set<string>();

  constructor({ words, modes }: Pick<HaasConfig, "words" | "modes">) {
    this.#words = inCapitals(words);
    this.#modes = inCapitals(modes);
  }

  /** True while the control's word for what it does is none that we know: then the motion timer must tell. */
  get needsMotion(): boolean { return !this.#isWordKnown; }

  /** Q301. */
  motion({ fields }: Answer, monoMs: number): void {
    const seconds = secondsOf(fields[0]);
    if (seconds === null) return;
    const before = this.#motion;
    if (before !== null && seconds !== before.seconds) {
      this.#moves = true;
      if (this.#moving.size < WORDS_LIMIT) this.#moving.add(this.#word);
    }
    else if (before !== null && monoMs - before.monoMs >= MOTION_MS) this.#moves = false;
    if (before === null || seconds !== before.seconds || monoMs - before.monoMs >= MOTION_MS) this.#motion = { seconds, monoMs };
  }

  /** Q104. */
  mode({ fields }: Answer): Reading {
    const word = (fields[0] ?? "").replaceAll(/[()]/gu, "").trim();
    const upper = word.toUpperCase();
    const mode = this.#modes[upper] ?? MODE_ROWS.find(({ words }) => words.includes(upper))?.mode;
    return reading("controller_mode", mode === undefined ? uncertain(word.slice(0, TEXT_LIMIT)) : good(mode));
  }

  /** Q500: `PROGRAM, NAME, WORD, PARTS, N`, or `STATUS, BUSY`. Null: not the whole of it came. */
  three({ label, fields }: Answer): readonly Reading[] | null {
    if (label === "STATUS" && (fields[0] ?? "") === "") return null;
    if (label === "STATUS") return [...this.#doing(fields[0] ?? ""), ...(this.#isProgramKnown ? [] : [reading("program", UNAVAILABLE)])];
    const parts = fields.lastIndexOf("PARTS");
    const before = parts === -1 ? fields : fields.slice(0, parts);
    if (before.length < 2) return null;
    // A name may have a comma in it; the word has none.
    const name = before.slice(0, -1).join(", ");
    this.#isProgramKnown = true;
    return [...this.#doing(before.at(-1) ?? ""), reading("program", good(name.slice(0, TEXT_LIMIT)))];
  }

  #doing(word: string): readonly Reading[] {
    const upper = word.toUpperCase();
    const row = STATUS_ROWS.find((one) => one.word === upper);
    const known = this.#words[upper] ?? row?.execution;
    this.#isWordKnown = known !== undefined;
    // What moved while it said another word says nothing of this one; what this one meant before does, until it is measured anew.
    if (upper !== this.#word) [this.#motion, this.#moves, this.#word] = [null, this.#moving.has(upper) ? true : null, upper];
    const execution = known !== undefined ? good(known) : this.#moves === true ? good("ACTIVE") : uncertain(word.slice(0, TEXT_LIMIT));
    // A word that nobody knows may be that of an alarm.
    const alarm = execution.quality === "GOOD" ? good(row?.isAlarm === true ? [UNNAMED_ALARM] : []) : UNAVAILABLE;
    return [reading("execution", execution), { ...reading("alarm", alarm), item: "status" }];
  }
}
