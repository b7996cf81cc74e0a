/** Times, durations, states: as people on the floor say them. */
import type { MachineState } from "../../agent/contract/record.ts";

/** Local time of the site: 14:02:10. */
export const clockTime = (unixMs: number, offsetMin = 0): string => new Date(unixMs + offsetMin * 60_000).toISOString().slice(11, 19);

/** 42 s, 4 min 12 s, 2 h 05 min. */
export function span(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

export const plural = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

export interface StateLook {
  /** For the table. */
  readonly name: string;
  /** Where there are no colours. */
  readonly letter: string;
  /** SGR background colour. */
  readonly colour: number;
}
export const LOOKS: Readonly<Record<MachineState, StateLook>> = {
  RUNNING: { name: "running", letter: "R", colour: 42 },
  HELD: { name: "feed hold", letter: "h", colour: 43 },
  PROGRAM_STOP: { name: "program stop", letter: "p", colour: 43 },
  WAITING: { name: "waiting", letter: "w", colour: 46 },
  READY: { name: "ready, not running", letter: ".", colour: 47 },
  ALARM: { name: "alarm", letter: "A", colour: 41 },
  ESTOP: { name: "emergency stop", letter: "E", colour: 41 },
  MANUAL: { name: "manual, MDI, setup", letter: "m", colour: 44 },
  OFF: { name: "off", letter: "o", colour: 100 },
  UNKNOWN: { name: "unknown: not seen", letter: "?", colour: 45 },
};
export const isState = (text: string | null): text is MachineState => text !== null && Object.hasOwn(LOOKS, text);

/** Colours only where a person reads at a terminal. */
export interface Paint {
  readonly colours: boolean;
}
export const painted = (text: string, sgr: string, { colours }: Paint): string => (colours ? `\u001B[${sgr}m${text}\u001B[0m` : text);
