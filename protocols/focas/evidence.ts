/**
 * The control's run status → execution (focas.md §7, §8; design.md §4). Its STOP covers single block, M00, M01 and the end
 * of the program alike; what it was is told by evidence that is of this run: an M code that was commanded since it
 * started, the part counter, a reset, a rewind, the text of the block, an alarm that came with it. Without any it is a
 * hold (INTERRUPTED). Pure: one poll in, words out; where one poll hides two, both are told, in order.
 *
 *   reset ──start──► ACTIVE ──┬─ HOLD ► FEED_HOLD ─────────────┐
 *     ▲                ▲      ├─ STOP, M00/M01 ► PROGRAM_STOPPED, OPTIONAL_STOP
 *     │                │      ├─ STOP, alarm ► STOPPED         │
 *     │                │      ├─ STOP, M02/M30, count ► PROGRAM_COMPLETED
 *     └──── reset ─────┼──────┴─ STOP, nothing ► INTERRUPTED ──┤
 *                      └───────────── start ◄──────────────────┘ with a new run: READY first
 */
import type { Execution } from "../../agent/contract/observation.ts";
import type { Status } from "./decode.ts";

/** What one poll saw. Null: not known. */
export interface Seen {
  readonly status: Status;
  /** Since the poll before; 0 at the first. */
  readonly sinceMs: number;
  readonly main: number | null;
  readonly running: number | null;
  readonly sequence: number | null;
  /** The M code last commanded: it stays until the next one. */
  readonly lastM: number | null;
  readonly parts: number | null;
  /** Of the present automatic run; begins at 0 with a start from reset. */
  readonly cycleMs: number | null;
  readonly alarmBits: number | null;
  readonly feed: number | null;
  readonly feedOverride: number | null;
  /** Text of the present block; read only when nothing else tells. */
  readonly block?: string | null;
}

export interface EvidenceState {
  readonly word: Execution | null;
  readonly last: Seen | null;
  /** At the last poll that saw it run. */
  readonly ran: Seen | null;
  /** The M code last known: a poll that could not read it is no change of it. */
  readonly m: number | null;
  /** An M code was commanded since the run, or its last part, started. */
  readonly freshM: boolean;
  /** The override was seen above zero: the signal means something on this machine. */
  readonly overrideLive: boolean;
  /** Polls since it stopped running. */
  readonly polls: number;
}
export const noEvidence: EvidenceState = { word: null, last: null, ran: null, m: null, freshM: false, overrideLive: false, polls: 0 };

const RUN = { reset: 0, stop: 1, hold: 2, start: 3, manualRetract: 4 } as const;
const MDI = 0;
const EMERGENCY = 1;
const ALARM = 1;
const isEnd = (m: number | null): boolean => m === 2 || m === 30;
/** What comes this many polls after the stop still explains it: the words of one poll are not of one instant. */
const LATE_POLLS = 2;
/** Of the control's clock against ours, and of an answer on its way. */
const SLACK = 1.1;
const SLACK_MS = 1_000;

/** Words of this poll in their order, the last one now true; empty: unknown status. */
export function executionOf(state: EvidenceState, now: Seen): { readonly state: EvidenceState; readonly words: readonly Execution[] } {
  const isRunning = now.status.run === RUN.start || now.status.run === RUN.manualRetract;
  const started = isRunning && state.last !== null && !ranAt(state.last);
  // Not known just before a start: it may be of the run before.
  const m = started && state.last?.lastM === null ? null : state.m;
  const mSince = m !== null && now.lastM !== null && now.lastM !== m;
  const base: EvidenceState = {
    ...state,
    m: now.lastM ?? m,
    freshM: (state.freshM && !started) || mSince,
    overrideLive: state.overrideLive || (now.feedOverride ?? 0) > 0,
    polls: isRunning ? 0 : state.polls + 1,
  };
  const words = wordsOf(base, now);
  // A new run that no poll saw begin: what was commanded before it, read now or later, proves nothing of it.
  const known = isRunning && words.length > 1 ? { freshM: false, m: now.lastM } : {};
  const word = words.at(-1) ?? null;
  // What proved the end of a run proves nothing of the next, of which a poll may see the hold alone.
  const proof = isOver(word) ? { freshM: false, ran: null } : { ran: isRunning ? now : base.ran };
  return { words, state: { ...base, ...known, ...proof, word, last: now } };
}

/** No run is under way, so that nothing can be held. */
const isOver = (word: Execution | null): boolean => word === "READY" || word === "PROGRAM_COMPLETED" || word === "STOPPED";

const ranAt = ({ status: { run } }: Seen): boolean => run === RUN.start || run === RUN.manualRetract;

function wordsOf(state: EvidenceState, now: Seen): readonly Execution[] {
  if (now.status.emergency === EMERGENCY) return ["STOPPED"];
  switch (now.status.run) {
    case RUN.start: return running(state, now);
    case RUN.manualRetract: return ["ACTIVE"];
    case RUN.hold: return ["FEED_HOLD"];
    case RUN.stop: return [stopped(state, now)];
    case RUN.reset: return wasReset(state, now);
    default: return [];
  }
}

function running(state: EvidenceState, now: Seen): readonly Execution[] {
  const held = state.overrideLive && now.feedOverride === 0 && now.feed === 0;
  const word = held ? "INTERRUPTED" : "ACTIVE";
  if (!isNewRun(state, now)) return [word];
  const completed = (state.freshM && isEnd(now.lastM)) || (state.last !== null && counted(state.last, now));
  return [completed ? "PROGRAM_COMPLETED" : "READY", word];
}

/** Started from reset since it last ran, and no poll saw it: the time of the run began anew, or else the program did. */
function isNewRun({ word, ran, last }: EvidenceState, now: Seen): boolean {
  if (ran === null || last === null || isOver(word)) return false;
  // It cannot have run longer than since the poll before: a time that fell by less is a slip of the control's clock.
  if (ran.cycleMs !== null && now.cycleMs !== null) return now.cycleMs < ran.cycleMs && now.cycleMs <= now.sinceMs * SLACK + SLACK_MS;
  return word === "INTERRUPTED" && !ranAt(last) && inMain(last) && inMain(now) && (now.sequence ?? 0) < (last.sequence ?? 0);
}
const inMain = ({ running, main, sequence }: Seen): boolean => sequence !== null && running !== null && running === main;

function stopped(state: EvidenceState, now: Seen): Execution {
  const { word, ran } = state;
  if (word === null || state.last === null) return stoppedBefore(now);
  // From reset to stop without a run that was seen: nothing is held.
  if (isOver(word)) return word;
  if (ended(state, now)) return "PROGRAM_COMPLETED";
  if (word === "PROGRAM_STOPPED" || word === "OPTIONAL_STOP") return word;
  if (alarmed(state, now)) return "STOPPED";
  if (state.freshM && now.lastM === 0) return "PROGRAM_STOPPED";
  if (state.freshM && now.lastM === 1) return "OPTIONAL_STOP";
  if (ran !== null && (ran.status.mode === MDI || rewound(ran, now))) return "READY";
  return byBlock(now) ?? "INTERRUPTED";
}

/** Stopped when we came: an end or a stop by the program is believed of the last M code, though it may be older. */
function stoppedBefore({ status, lastM, sequence }: Seen): Execution {
  if (status.alarm === ALARM) return "STOPPED";
  if (lastM === 0) return "PROGRAM_STOPPED";
  if (lastM === 1) return "OPTIONAL_STOP";
  return isEnd(lastM) || sequence === 0 ? "READY" : "INTERRUPTED";
}

const counted = (before: Seen, now: Seen): boolean => before.parts !== null && now.parts !== null && now.parts > before.parts;
/** The counter explains a stop only with it: later it may be somebody's hand. */
const ended = ({ ran, freshM, polls }: EvidenceState, now: Seen): boolean =>
  (freshM && isEnd(now.lastM)) || (ran !== null && polls <= LATE_POLLS && counted(ran, now));

/** An alarm that was not there while it ran, seen with the stop or just after. */
function alarmed({ ran, polls }: EvidenceState, { status, alarmBits }: Seen): boolean {
  if (status.alarm !== ALARM || polls > LATE_POLLS) return false;
  if (ran === null || ran.status.alarm !== ALARM) return true;
  return alarmBits !== null && ran.alarmBits !== null && (alarmBits & ~ran.alarmBits) !== 0;
}

/** Back at the top of the main program. */
const rewound = (ran: Seen, now: Seen): boolean => inMain(now) && ran.main === now.main && now.sequence === 0 && (ran.sequence ?? 0) > 0;

/**
 * The block shown may be the one that comes next: an M code in it counts only where the control does not say that it last
 * commanded another. The end of the program, which makes a part, is not believed of it at all.
 */
function byBlock({ block, lastM }: Seen): Execution | null {
  const code = (block ?? "").replaceAll(/\([^)]*\)?/gu, "").trim();
  if (/^(?:%|[O:]\d{1,8}\b|<[^>]*>)/u.test(code)) return "READY";
  const m = [...code.matchAll(/M0*(\d{1,3})(?!\d)/gu)].map(([, digits]) => Number(digits)).filter((one) => lastM === null || one === lastM);
  return m.includes(0) ? "PROGRAM_STOPPED" : m.includes(1) ? "OPTIONAL_STOP" : null;
}

/** True when the text of the block could tell what nothing else did. */
export const needsBlock = (before: EvidenceState, words: readonly Execution[]): boolean => words.at(-1) === "INTERRUPTED" && before.word === "ACTIVE";

function wasReset(state: EvidenceState, now: Seen): readonly Execution[] {
  const { word, last } = state;
  const isKnownToRun = word !== null && last !== null && !isOver(word);
  return isKnownToRun && ended(state, now) ? ["PROGRAM_COMPLETED", "READY"] : ["READY"];
}
