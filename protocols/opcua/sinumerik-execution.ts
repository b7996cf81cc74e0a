/**
 * What a SINUMERIK channel executes, told from program status, channel status, block and part counter (opcua.md §1.4). Pure.
 *
 *   progStatus 3 ──► ACTIVE     4 ──► WAIT     1 ──► INTERRUPTED (emergency stop, alarm stop)     5, or channel reset ──► ended
 *   progStatus 2 ──► stopped: covers single block, M0, M1, operator stop and the end of a program alike. Told by evidence:
 *     M0 ──► PROGRAM_STOPPED   M1 ──► OPTIONAL_STOP   M2, M30, or a counter step ──► PROGRAM_COMPLETED   else INTERRUPTED
 *   ended after a run ──► PROGRAM_COMPLETED with such evidence, else READY: the counter may still say it, after the end
 *
 * Without evidence nothing is claimed: such a cycle closes as the detectors judge it (design.md §4).
 */
import type { Execution } from "../../agent/contract/observation.ts";
import type { UnixMs } from "../../agent/contract/time.ts";

export interface ChannelPicture {
  /** Null: not known. */
  readonly program: number | null;
  readonly channel: number | null;
  /** Text of the block when the program stopped; null: not known, or it runs. */
  readonly block: string | null;
  /** When the part counter last rose; null: not since the program began to run. */
  readonly stepped: UnixMs | null;
  /** The program has run, and has not ended since. */
  readonly under: boolean;
  /** Its end was seen. */
  readonly completed: boolean;
}
export const INITIAL_PICTURE: ChannelPicture = { program: null, channel: null, block: null, stepped: null, under: false, completed: false };

const PROGRAM = { interrupted: 1, stopped: 2, running: 3, waiting: 4, aborted: 5 } as const;
const CHANNEL_RESET = 0;
/** A counter step so shortly before a stop is of the end that follows, not of a part of a program that makes several. */
const STEP_BEFORE_STOP_MS = 2_000;

/** An M word of a block, outside comments and strings. Cutting both first leaves `MSG("M30")` and `; M0` without meaning. */
const mWords = (block: string): readonly number[] => {
  const bare = block.replace(/;.*$/su, "").replaceAll(/"[^"]*"/gu, "").replaceAll(/\([^)]*\)/gu, "");
  return [...bare.matchAll(/(?:^|[^A-Z_$=])M=?0*(\d{1,3})(?![0-9.A-Z_])/giu)].map(([, word]) => Number(word));
};

/** What the block says of why the program stopped. */
export function stopOf(block: string | null): "program-stop" | "optional-stop" | "end" | null {
  const words = block === null ? [] : mWords(block);
  if (words.some((word) => word === 2 || word === 30)) return "end";
  return words.includes(0) ? "program-stop" : words.includes(1) ? "optional-stop" : null;
}

/** After anything changed. `at`: of the change that is told. */
export function told(picture: ChannelPicture, at: UnixMs | null): readonly [ChannelPicture, Execution | null] {
  const { program, channel } = picture;
  if (program === null) return [picture, null];
  if (program === PROGRAM.running) return [{ ...picture, block: null, under: true, completed: false }, "ACTIVE"];
  if (program === PROGRAM.waiting) return [{ ...picture, block: null, under: true, completed: false }, "WAIT"];
  const stop = stopOf(picture.block);
  const isEnd = stop === "end" || (stop === null && hasStepped(picture, at));
  if (program === PROGRAM.aborted || channel === CHANNEL_RESET) return ended(picture, isEnd);
  if (program === PROGRAM.interrupted) return [picture, "INTERRUPTED"];
  if (program !== PROGRAM.stopped) return [picture, null];
  if (picture.completed || (picture.under && isEnd)) return [{ ...picture, under: false, completed: true }, "PROGRAM_COMPLETED"];
  return [picture, stop === "program-stop" ? "PROGRAM_STOPPED" : stop === "optional-stop" ? "OPTIONAL_STOP" : "INTERRUPTED"];
}

/** A program that ended is told as completed once; then the channel is ready. */
function ended(picture: ChannelPicture, isEnd: boolean): readonly [ChannelPicture, Execution] {
  const completes = picture.under && isEnd;
  return [{ ...picture, under: false, completed: false, stepped: null, block: null }, completes ? "PROGRAM_COMPLETED" : "READY"];
}

/** In the run that just stopped, or while it stands. */
const hasStepped = ({ stepped }: ChannelPicture, at: UnixMs | null): boolean => stepped !== null && (at === null || at - stepped <= STEP_BEFORE_STOP_MS);
