/**
 * The scripted shift as a SINUMERIK shows it (opcua.md §1.4). Where MTConnect has a word for each stop, this control has
 * program status 2 for them all, and the block it stands at; a stop that ends the program is status 5 with a reset channel.
 */
import type { ShiftStep } from "../shift.ts";

type Native = readonly [path: string, value: string | number | boolean];

const [PROGRAM, CHANNEL, BLOCK] = ["/Channel/State/progStatus", "/Channel/State/chanStatus", "/Channel/ProgramInfo/actBlock"] as const;
const EXECUTION: Readonly<Record<string, readonly [block: string, program: number, channel: number]>> = {
  READY: ["", 5, 0], STOPPED: ["", 5, 0], ACTIVE: ["N110 G1 X120.5 F800", 3, 1], FEED_HOLD: ["N120 G1 Y40 F800", 2, 2],
  PROGRAM_STOPPED: ["N200 M0", 2, 2], OPTIONAL_STOP: ["N210 M1", 2, 2], PROGRAM_COMPLETED: ["N300 M30", 2, 1],
};
const MODES: Readonly<Record<string, number>> = { MANUAL: 0, MANUAL_DATA_INPUT: 1, AUTOMATIC: 2 };
const NUMBERS: Readonly<Record<string, string>> = {
  part_count: "/Channel/State/actParts", tool: "/Channel/State/actTNumber", feed_override: "/Channel/State/feedRateIpoOvr", rapid_override: "/Channel/State/rapFeedRateOvr",
  spindle_override: "/Channel/Spindle/speedOvr", spindle_speed: "/Channel/Spindle/actSpeed", spindle_load: "/Nck/Spindle/driveLoad",
};
const TEXTS: Readonly<Record<string, string>> = { program: "/Channel/ProgramInfo/workPandProgName", message: "/Channel/ProgramInfo/msg" };

/** What changes at a step, in the order in which the control does it. Signals that it does not have are left out. */
export function nativeOf({ signals }: Pick<ShiftStep, "signals">): readonly Native[] {
  return Object.entries(signals).flatMap(([signal, value]): readonly Native[] => {
    if (signal === "execution") {
      const [block, program, channel] = EXECUTION[value] ?? ["", 0, 0];
      return [[BLOCK, block], [PROGRAM, program], [CHANNEL, channel]];
    }
    if (signal === "controller_mode") return [["/Bag/State/opMode", MODES[value] ?? 0]];
    const [number, text] = [NUMBERS[signal], TEXTS[signal]];
    return number !== undefined ? [[number, Number(value)]] : text !== undefined ? [[text, value]] : [];
  });
}
/** SINUMERIK's severities: warning 500, error 1000. */
export const severityOf = (severity: "WARNING" | "FAULT"): number => (severity === "FAULT" ? 1_000 : 500);
