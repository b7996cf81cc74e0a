/** The truth of one recording, counted from its own text without any code of the agent, and how records compare with it. */
import { cyclesOf, stepsOf, type TrueCycle, type TrueStep } from "./cycles.ts";
import type { Recording } from "./recordings.ts";
import { saidIn } from "./said.ts";
import { looksOf, type Clamps, type Doing, type Look } from "./states.ts";

export interface Interval {
  readonly start: number;
  readonly doing: Doing;
}
export interface Truth {
  readonly recording: string;
  /** From the first instant at which the state is known to the last stamp of all. */
  readonly from: number;
  readonly until: number;
  readonly clamps: Clamps;
  /** Intervals tile [from, until). Neighbours differ. */
  readonly states: readonly Interval[];
  readonly stateMs: Readonly<Record<string, number>>;
  readonly executions: Readonly<Record<string, number>>;
  readonly cycles: readonly TrueCycle[];
  /** Start of the cycle that has not ended where the recording does. */
  readonly open: number | null;
  readonly steps: readonly TrueStep[];
}

export function truthOf(recording: Recording): Truth {
  const all = saidIn(recording);
  const { looks, clamps, until } = looksOf(recording, all);
  const steps = stepsOf(looks);
  const states = intervals(looks);
  const stateMs: Record<string, number> = {};
  states.forEach(({ start, doing }, place) => (stateMs[doing] = (stateMs[doing] ?? 0) + (states[place + 1]?.start ?? until) - start));
  const executions: Record<string, number> = {};
  for (const said of all) if (said.item === recording.items.execution) executions[said.value] = (executions[said.value] ?? 0) + 1;
  return { recording: recording.name, from: states[0]?.start ?? until, until, clamps, states, stateMs, executions, ...cyclesOf(looks, steps, until), steps };
}

/** Leading UNKNOWN is left out: what was before the first word nobody can say. */
function intervals(looks: readonly Look[]): readonly Interval[] {
  const states: Interval[] = [];
  for (const { at, doing } of looks) if (states.length > 0 ? states.at(-1)?.doing !== doing : doing !== "UNKNOWN") states.push({ start: at, doing });
  return states;
}
