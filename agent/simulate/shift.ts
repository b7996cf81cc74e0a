/**
 * One scripted eight-hour shift for all simulators, in the words of the signals (design.md §2): cycles, feed holds, a
 * tool-change wait, an alarm stop, a cable pull, a lunch break, a program change with setup, a counter reset. Same seed,
 * same shift. Its first 20 minutes hold three cycles and a stop of more than two minutes.
 */

export interface ShiftAlarm {
  readonly code: string;
  readonly severity: "WARNING" | "FAULT";
  readonly text: string;
  readonly active: boolean;
}
export interface ShiftStep {
  /** ms since the shift began; never falls. */
  readonly atMs: number;
  /** Signal → value, as text. */
  readonly signals: Readonly<Record<string, string>>;
  readonly alarm?: ShiftAlarm;
  readonly cable?: "pull" | "plug";
}
/** What the script did, told by the script: the truth a test or a demo compares with. */
export interface ShiftTruth {
  readonly cycles: readonly { readonly program: string; readonly startMs: number; readonly endMs: number; readonly completed: boolean }[];
  readonly parts: number;
  readonly cable: readonly { readonly fromMs: number; readonly toMs: number }[];
}
export interface Shift {
  readonly steps: readonly ShiftStep[];
  readonly truth: ShiftTruth;
  readonly lengthMs: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
export const SHIFT_MS = 480 * MINUTE;
/** Spindle and feed are reported this often while cutting. */
const MEASURE_MS = 10 * SECOND;
const CABLE = { fromMs: 131 * MINUTE, toMs: 143 * MINUTE } as const;

/** Uniform in [0, 1) from a seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A hold inside a cycle: when after its start, how long, and as what. */
interface Hold {
  readonly afterMs: number;
  readonly forMs: number;
  readonly as: "FEED_HOLD" | "PROGRAM_STOPPED" | "OPTIONAL_STOP";
  readonly message?: string;
}

class Script {
  readonly steps: ShiftStep[] = [];
  readonly cycles: { program: string; startMs: number; endMs: number; completed: boolean }[] = [];
  at = 0;
  parts = 0;
  private counter = 412;
  private program = "O1234";
  private readonly random: () => number;
  constructor(seed: number) {
    this.random = seeded(seed);
  }
  between(low: number, high: number): number {
    return Math.round(low + (high - low) * this.random());
  }
  set(signals: Readonly<Record<string, string>>, extra: Pick<ShiftStep, "alarm"> = {}): void {
    this.steps.push({ atMs: this.at, signals, ...extra });
  }
  wait(ms: number): void {
    this.at += ms;
  }
  begin(): void {
    this.set({ availability: "AVAILABLE", power_state: "ON", emergency_stop: "ARMED", controller_mode: "AUTOMATIC", execution: "READY", functional_mode: "PRODUCTION", program: this.program, program_comment: "BRACKET OP10", part_count: String(this.counter), tool: "1", door: "OPEN", feed_override: "100", rapid_override: "100", spindle_override: "100", message: "" });
    this.set({ spindle_speed: "0", spindle_load: "0", feedrate: "0" });
  }
  /** A whole cycle; with `fault` it stops there instead of ending. */
  cycle(lengthMs: number, holds: readonly Hold[] = [], fault?: { readonly afterMs: number; readonly alarm: ShiftAlarm }): void {
    const startMs = this.at;
    const end = startMs + (fault?.afterMs ?? lengthMs);
    this.set({ execution: "ACTIVE", door: "CLOSED" });
    const tools = this.between(3, 5);
    let held = 0;
    for (const hold of holds) {
      this.cut(startMs + held + hold.afterMs, tools);
      this.set({ execution: hold.as, spindle_speed: "0", spindle_load: "0", feedrate: "0", ...(hold.message === undefined ? {} : { message: hold.message }) });
      this.wait(hold.forMs);
      held += hold.forMs;
      this.set({ execution: "ACTIVE", ...(hold.message === undefined ? {} : { message: "" }) });
    }
    this.cut(end + held, tools);
    const still = { spindle_speed: "0", spindle_load: "0", feedrate: "0" };
    if (fault === undefined) {
      this.set({ execution: "PROGRAM_COMPLETED", ...still });
      this.cycles.push({ program: this.program, startMs, endMs: this.at, completed: true });
      this.wait(250);
      this.set({ execution: "READY", door: "OPEN" });
      this.wait(80);
      this.counter++;
      this.parts++;
      this.set({ part_count: String(this.counter) });
    } else {
      this.set({ execution: "STOPPED", ...still }, { alarm: fault.alarm });
      this.cycles.push({ program: this.program, startMs, endMs: this.at, completed: false });
    }
  }
  /** The operator takes the part out and puts the next one in. */
  load(lowMs = 35 * SECOND, highMs = 65 * SECOND): void {
    this.wait(this.between(lowMs, highMs));
  }
  resetCounter(): void {
    this.counter = 0;
    this.set({ part_count: "0" });
  }
  changeProgram(program: string, comment: string): void {
    this.program = program;
    this.set({ program, program_comment: comment });
  }
  private cut(until: number, tools: number): void {
    while (this.at + MEASURE_MS < until) {
      this.wait(MEASURE_MS);
      this.set({ spindle_speed: String(this.between(7980, 8020)), spindle_load: String(this.between(12, 46)), feedrate: String(this.between(18, 42)), tool: String(1 + (Math.trunc(this.at / MEASURE_MS) % tools)) });
    }
    this.at = until;
  }
}

export function scriptedShift(seed = 1): Shift {
  const script = new Script(seed);
  const first = (): number => script.between(243 * SECOND, 258 * SECOND);
  const second = (): number => script.between(380 * SECOND, 405 * SECOND);
  script.begin();
  script.wait(30 * SECOND);
  firstTwentyMinutes(script, first);
  produce(script, 78 * MINUTE, first);
  alarmStop(script, first);
  produce(script, 235 * MINUTE, first);
  lunch(script);
  produce(script, 295 * MINUTE, first);
  programChange(script);
  produce(script, SHIFT_MS - 8 * MINUTE, second);
  const steps = [...script.steps, { atMs: CABLE.fromMs, signals: {}, cable: "pull" as const }, { atMs: CABLE.toMs, signals: {}, cable: "plug" as const }].sort((a, b) => a.atMs - b.atMs);
  return { steps, truth: { cycles: script.cycles, parts: script.parts, cable: [CABLE] }, lengthMs: SHIFT_MS };
}

function firstTwentyMinutes(script: Script, length: () => number): void {
  script.cycle(length());
  script.load();
  script.cycle(length(), [{ afterMs: 70 * SECOND, forMs: 22 * SECOND, as: "FEED_HOLD" }]);
  script.load();
  script.cycle(length(), [{ afterMs: 95 * SECOND, forMs: 205 * SECOND, as: "PROGRAM_STOPPED", message: "TOOL 7 LIFE END - CHANGE INSERT" }]);
  script.load();
}

/** Cycle after cycle until `untilMs`, now and then with a short hold. */
function produce(script: Script, untilMs: number, length: () => number): void {
  while (script.at < untilMs) {
    const chance = script.between(0, 99);
    const holds: Hold[] = chance < 12 ? [{ afterMs: script.between(40 * SECOND, 180 * SECOND), forMs: script.between(6 * SECOND, 40 * SECOND), as: "FEED_HOLD" }] : chance < 18 ? [{ afterMs: 120 * SECOND, forMs: script.between(15 * SECOND, 60 * SECOND), as: "OPTIONAL_STOP", message: "CHECK DIAMETER" }] : [];
    script.cycle(length(), holds);
    if (chance > 93) script.load(140 * SECOND, 200 * SECOND);
    else script.load();
  }
}

function alarmStop(script: Script, length: () => number): void {
  const alarm = { code: "1012", severity: "FAULT", text: "SPINDLE OVERLOAD" } as const;
  script.cycle(length(), [], { afterMs: 130 * SECOND, alarm: { ...alarm, active: true } });
  script.wait(8 * MINUTE + 20 * SECOND);
  script.set({}, { alarm: { ...alarm, active: false } });
  script.wait(5 * SECOND);
  script.set({ execution: "READY", door: "OPEN" });
  script.wait(70 * SECOND);
}

function lunch(script: Script): void {
  const end = Math.max(script.at, 240 * MINUTE) + 30 * MINUTE;
  script.set({ message: "LUNCH" });
  script.wait(end - script.at);
  script.set({ message: "" });
}

/** Setup in manual and MDI, the other program, the operator's counter back to 0. */
function programChange(script: Script): void {
  script.set({ controller_mode: "MANUAL", functional_mode: "SETUP", execution: "STOPPED", message: "SETUP O2040" });
  script.wait(9 * MINUTE);
  script.changeProgram("O2040", "HOUSING OP20");
  script.set({ controller_mode: "MANUAL_DATA_INPUT", execution: "ACTIVE", spindle_speed: "1200" });
  script.wait(90 * SECOND);
  script.set({ execution: "READY", spindle_speed: "0" });
  script.wait(3 * MINUTE);
  script.resetCounter();
  script.wait(20 * SECOND);
  script.set({ controller_mode: "AUTOMATIC", functional_mode: "PRODUCTION", message: "" });
  script.wait(40 * SECOND);
}
