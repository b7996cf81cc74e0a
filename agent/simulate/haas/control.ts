/**
 * A simulated Haas control: what it does, and its answers to Q commands as text without framing. Whatever is no question
 * is counted as a write and refused. Facts: haas.md §1, §2; what an NGC shows at M00 and M01 is not known, so a feed hold.
 */
import type { Clock } from "../../contract/time.ts";

export interface ControlOptions {
  /** `ngc`: `?Q100`, and the status word stays while it runs; `classic`: `Q100`, and BUSY. */
  readonly dialect: "ngc" | "classic";
  readonly clock: Clock;
  /** The status word of a running NGC; it is not fixed. Default RUNNING. */
  readonly runningWord?: string;
}

const MODES: Readonly<Record<string, string>> = { AUTOMATIC: "MEM", SEMI_AUTOMATIC: "MEM", MANUAL: "JOG", MANUAL_DATA_INPUT: "MDI", EDIT: "EDIT" };
const HOLDS: ReadonlySet<string> = new Set(["FEED_HOLD", "INTERRUPTED", "PROGRAM_STOPPED", "OPTIONAL_STOP", "WAIT"]);

export class Control {
  /** Lines that were no question. */
  writes = 0;
  questions = 0;
  readonly dialect: ControlOptions["dialect"];
  readonly #clock: Clock;
  readonly #runningWord: string;
  readonly #signals: Record<string, string> = {};
  readonly #variables = new Map<number, string>();
  readonly #startedMono: number;
  #isAlarmed = false;
  #activeSince: number | null = null;
  #motionMs = 98 * 3_600_000;
  #cycleSince = 0;
  #cycles: readonly [number, number] = [0, 0];
  #toolChanges = 35;

  constructor({ dialect, clock, runningWord = "RUNNING" }: ControlOptions) {
    this.dialect = dialect;
    this.#clock = clock;
    this.#runningWord = runningWord;
    this.#startedMono = clock.now().monoMs;
  }

  /** Signals in the words of the shift. */
  set(signals: Readonly<Record<string, string>>): void {
    const wasActive = this.#signals["execution"] === "ACTIVE";
    const tool = this.#signals["tool"];
    Object.assign(this.#signals, signals);
    const now = this.#clock.now().monoMs;
    const isActive = this.#signals["execution"] === "ACTIVE";
    if (isActive && !wasActive) [this.#activeSince, this.#cycleSince] = [now, this.#cycleSince === 0 ? now : this.#cycleSince];
    if (!isActive && this.#activeSince !== null) [this.#motionMs, this.#activeSince] = [this.#motionMs + now - this.#activeSince, null];
    if (signals["execution"] === "PROGRAM_COMPLETED" || signals["execution"] === "READY") {
      if (this.#cycleSince !== 0) this.#cycles = [now - this.#cycleSince, this.#cycles[0]];
      this.#cycleSince = 0;
    }
    if (tool !== undefined && signals["tool"] !== undefined && signals["tool"] !== tool) this.#toolChanges++;
  }

  alarm(isOn: boolean): void {
    this.#isAlarmed = isOn;
  }

  setVariable(number: number, value: string): void {
    this.#variables.set(number, value);
  }

  /** One line as it came, without its end. Null: nothing is answered to a blank line. */
  answer(line: string): string | null {
    const asked = line.trim();
    if (asked === "") return null;
    const [, mark = "", q, variable] = /^(\??)Q(\d{1,3})(?: +(\d+))?$/u.exec(asked) ?? [];
    if (q === undefined) this.writes++;
    else this.questions++;
    const isRight = q !== undefined && (mark === "?") === (this.dialect === "ngc");
    const answer = isRight ? this.#answerTo(Number(q), variable === undefined ? null : Number(variable)) : null;
    return answer ?? (this.dialect === "ngc" ? `?, ${asked}` : "UNKNOWN");
  }

  #answerTo(q: number, variable: number | null): string | null {
    const of = (name: string): string => this.#signals[name] ?? "";
    const isOld = this.dialect === "classic";
    switch (q) {
      case 100: return isOld ? "S/N, 12345678" : "SERIAL NUMBER, 1234567";
      case 101: return isOld ? "SOFTWARE, VER M18.01" : "SOFTWARE VERSION, 100.17.000.2037";
      case 102: return isOld ? "MODEL, VF2D" : "MODEL, VF-2SS";
      case 104: return `MODE, ${isOld ? `(${this.#mode})` : this.#mode}`;
      case 200: return `TOOL CHANGES, ${this.#toolChanges}`;
      case 201: return `USING TOOL, ${of("tool") || "0"}`;
      case 300: return `P.O. TIME, ${timeText(6_282 * 3_600_000 + this.#clock.now().monoMs - this.#startedMono)}`;
      case 301: return `C.S. TIME, ${timeText(this.#motionMs + (this.#activeSince === null ? 0 : this.#clock.now().monoMs - this.#activeSince))}`;
      case 303: return `LAST CYCLE, ${timeText(this.#cycles[0])}`;
      case 304: return `PREV CYCLE, ${timeText(this.#cycles[1])}`;
      case 402: case 403: return `M30 #${q - 401}, ${of("part_count") || "0"}`;
      case 500: return this.#three();
      case 600: return variable === null ? null : this.#macro(variable);
      default: return null;
    }
  }

  get #mode(): string { return MODES[this.#signals["controller_mode"] ?? ""] ?? "ZERO RET"; }

  #three(): string {
    const { execution = "READY", program = "", part_count: parts = "0" } = this.#signals;
    if (execution === "ACTIVE" && this.dialect === "classic") return "STATUS, BUSY";
    const word = execution === "ACTIVE" ? this.#runningWord : HOLDS.has(execution) ? "FEED HOLD" : this.#isAlarmed ? "ALARM ON" : "IDLE";
    return `PROGRAM, ${this.#mode === "MDI" ? "MDI" : program}, ${word}, PARTS, ${parts}`;
  }

  #macro(variable: number): string {
    const spindle: Readonly<Record<number, string | undefined>> = { 3026: this.#signals["tool"], 3027: this.#signals["spindle_speed"], 1098: this.#signals["spindle_load"] };
    const value = this.#variables.get(variable) ?? spindle[variable];
    if (this.dialect === "classic") return `MACRO, ${variable}, ${Number(value ?? 0).toFixed(6)}`;
    return `MACRO, ${value === undefined ? "NaN" : Number(value).toFixed(1)}`;
  }
}

/** hhhhh:mm:ss. */
function timeText(ms: number): string {
  const seconds = Math.trunc(ms / 1_000);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${String(Math.trunc(seconds / 3_600)).padStart(5, "0")}:${two(Math.trunc(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
