/** The scripted shift as a FANUC control lives it: each signal of the script as what the control would show for it. */
import type { Clock } from "../../contract/time.ts";
import { pace } from "../pace.ts";
import { scriptedShift, type Shift, type ShiftStep } from "../shift.ts";
import { AUT, RUN, type SimulatedControl, type SimulatedPath } from "./control.ts";
import type { FocasServer } from "./server.ts";

/** Of §5.7, 30i: a spindle alarm. */
const SPINDLE_ALARM = 9;
const M = { stop: 0, optionalStop: 1, end: 30, toolChange: 6, spindle: 3 } as const;
/** §7.1 and §7's remark: STOP covers single block, M00, M01 and the end of the program. */
const RUNS: Readonly<Record<string, { readonly run: number; readonly m?: number }>> = {
  ACTIVE: { run: RUN.start }, READY: { run: RUN.reset }, STOPPED: { run: RUN.stop }, INTERRUPTED: { run: RUN.stop }, FEED_HOLD: { run: RUN.hold },
  PROGRAM_STOPPED: { run: RUN.stop, m: M.stop }, OPTIONAL_STOP: { run: RUN.stop, m: M.optionalStop }, PROGRAM_COMPLETED: { run: RUN.stop, m: M.end },
};
const MODES: Readonly<Record<string, number>> = { AUTOMATIC: AUT.memory, MANUAL: AUT.jog, MANUAL_DATA_INPUT: AUT.mdi, EDIT: AUT.edit };
/** What a control of this kind does not show: its door and its power are not in its vocabulary, and being there is answering. */
const NOT_SHOWN: ReadonlySet<string> = new Set(["availability", "power_state", "functional_mode", "door"]);

type Shown = (path: SimulatedPath, value: string, control: SimulatedControl) => void;
const SHOWN: Readonly<Record<string, Shown>> = {
  execution: execute,
  controller_mode: (path, value) => { path.aut = MODES[value] ?? AUT.memory; },
  emergency_stop: (path, value) => { path.emergency = value === "TRIGGERED" ? 1 : 0; },
  program: (path, value) => { [path.main, path.running, path.sequence] = [Number(value.slice(1)), Number(value.slice(1)), 0]; },
  program_comment: (path, value) => void path.directory.set(path.main, Buffer.from(`(${value})`, "latin1")),
  part_count: (path, value) => { count(path, Number(value)); },
  tool: (path, value) => {
    if (Number(value) === path.tool) return;
    path.tool = Number(value);
    if (path.run === RUN.start) path.lastM = M.toolChange;
  },
  spindle_speed: (path, value) => { path.spindle = Number(value); },
  spindle_load: (path, value) => { path.spindleLoad = Number(value); },
  // mm/s in the script, mm/min on the control.
  feedrate: (path, value) => {
    path.feed = Number(value) * 60;
    if (path.run === RUN.start) path.sequence += 10;
  },
  feed_override: (_path, value, control) => { control.setPmc(0, 12, 255 - Number(value)); },
  spindle_override: (_path, value, control) => { control.setPmc(0, 30, Number(value)); },
  rapid_override: (_path, _value, control) => { control.setPmc(0, 14, 0); },
  message: (path, value) => { path.messages[0] = value === "" ? null : Buffer.from(value, "latin1"); },
};

function execute(path: SimulatedPath, value: string): void {
  const to = RUNS[value];
  if (to === undefined) throw new Error(`the scripted shift speaks of the execution "${value}", which no FANUC control shows`);
  const fromReset = path.run === RUN.reset;
  path.run = to.run;
  path.motion = to.run === RUN.start ? 1 : 0;
  if (to.m !== undefined) path.lastM = to.m;
  if (to.run === RUN.start && fromReset && path.aut === AUT.memory) [path.lastM, path.sequence] = [M.spindle, 10];
  // The program's end rewinds it.
  if (to.run === RUN.reset) path.sequence = 0;
}

/** The operator's counter; the total is not reset with it. */
function count(path: SimulatedPath, parts: number): void {
  const before = path.parameters.get(6711) ?? 0;
  path.parameters.set(6711, parts);
  path.parameters.set(6712, (path.parameters.get(6712) ?? 0) + Math.max(0, parts - before));
}

function show(control: SimulatedControl, step: ShiftStep): void {
  const path = control.first;
  for (const [signal, value] of Object.entries(step.signals)) {
    if (NOT_SHOWN.has(signal)) continue;
    const shown = SHOWN[signal];
    if (shown === undefined) throw new Error(`the scripted shift speaks of "${signal}", which the simulated FANUC control does not have`);
    shown(path, value, control);
  }
  if (step.alarm !== undefined) path.alarms = step.alarm.active ? [{ number: Number(step.alarm.code), type: SPINDLE_ALARM, text: Buffer.from(step.alarm.text, "latin1") }] : [];
}

export interface FocasPlayback {
  readonly shift: Shift;
  /** Performs what is due. */
  pump(): void;
  readonly done: boolean;
  stop(): void;
}

export interface ShiftOptions {
  readonly clock: Clock;
  /** Default 1. */
  readonly seed?: number;
  /** Whether the script pulls the cable, or the caller does. Default script. */
  readonly cable?: "script" | "by hand";
}

/** Plays the shift in `clock`'s time. */
export function playShift(server: FocasServer, { clock, seed = 1, cable = "script" }: ShiftOptions): FocasPlayback {
  const shift = scriptedShift(seed);
  const pacing = pace(shift.steps, clock, (step) => {
    show(server.control, step);
    if (cable === "by hand") return;
    if (step.cable === "pull") server.pull();
    if (step.cable === "plug") server.plug();
  });
  return {
    shift,
    pump: () => { pacing.pump(); },
    get done() { return pacing.done; },
    stop: () => { pacing.stop(); },
  };
}
