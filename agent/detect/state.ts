/**
 * State intervals that tile time: the end of one is the start of the next. Where a source stamps its events a state is
 * recorded as it is; else one shorter than `minimumMs` is a flip, merged into the state it interrupted (UNKNOWN never is).
 *
 *   open ──other picture──► waiting for minimumMs ──lasted──► closed at its start, the next opened
 *     ▲                         │ picture returns: flapCount + 1
 *     └─────────────────────────┘
 *
 * A state that would be zero long is revised into what followed at the same instant, so no interval is empty.
 */
import type { MachineState, Mode } from "../contract/record.ts";
import type { MachineRules } from "../contract/rules.ts";
import { unixMs, type UnixMs } from "../contract/time.ts";
import type { Moment } from "./moment.ts";
import { opener, type Picture } from "./picture.ts";
import { originOf, recordId } from "./record-id.ts";
import { mainPath, type SignalsState, type UnknownReason } from "./signals.ts";
import { spanOf, timingOf, type Timing } from "./timing.ts";

interface Entry {
  readonly state: MachineState;
  readonly mode: Mode;
  readonly because: UnknownReason | null;
  readonly start: UnixMs;
  readonly origin: string;
  readonly timing: Timing;
  readonly raw: Readonly<Record<string, string>>;
  readonly triggers: readonly string[];
}
interface OpenState extends Entry {
  readonly id: string;
  readonly rev: number;
  readonly prevState: MachineState | null;
  readonly flapCount: number;
}
export interface StateState {
  readonly open: OpenState | null;
  readonly pending: Entry | null;
}
export const initialState: StateState = { open: null, pending: null };

export const stateWakeAt = (rules: MachineRules, { pending }: StateState): UnixMs | null => pending && unixMs(pending.start + rules.state.minimumMs);
export const stateHeldBack = ({ pending }: StateState): UnixMs | null => pending && pending.start;

export function stepState(rules: MachineRules, state: StateState, moment: Moment): StateState {
  const { open, pending } = state;
  const { picture } = moment.after;
  if (pending && moment.at >= pending.start + rules.state.minimumMs) return stepState(rules, { open: enter(rules, open, pending, moment), pending: null }, moment);
  if (picture.state === (pending ?? open)?.state) return state;
  if (pending && picture.state === open?.state) return { open: { ...open, flapCount: open.flapCount + 1 }, pending: null };
  const entry = entryOf(rules, moment);
  if (open && rules.state.minimumMs > 0 && picture.state !== "UNKNOWN" && open.state !== "UNKNOWN") return { open, pending: pending ? { ...entry, start: pending.start, origin: pending.origin } : entry };
  return { open: enter(rules, open, entry, moment), pending: null };
}

/** Signals that can change the state. */
const deciding = (signal: string): boolean =>
  signal === "availability" || signal === "execution" || signal === "controller_mode" || signal === "emergency_stop" || signal === "alarm" || signal === "power_state";

function entryOf(rules: MachineRules, moment: Moment): Entry {
  const { state, mode, because } = moment.after.picture;
  const by = opener(rules, moment.before, moment.event, (picture: Picture) => picture.state !== moment.before.picture.state);
  const triggers = moment.event.kind === "observations" ? [...new Set(moment.event.items.map(({ signal }) => signal).filter(deciding))] : moment.event.kind === "gap" ? ["gap"] : [];
  return { state, mode, because, start: moment.at, origin: originOf(by, moment.at), timing: timingOf(by), raw: rawOf(rules, moment.after.signals), triggers };
}

/** Source values at entry; of further paths with their number. */
function rawOf(rules: MachineRules, signals: SignalsState): Readonly<Record<string, string>> {
  const raw: Record<string, string> = {};
  if (signals.availability !== null) raw["availability"] = signals.availability;
  if (signals.power !== null) raw["power_state"] = signals.power;
  const main = mainPath(rules, signals);
  for (const path of signals.paths.slice(0, 8)) {
    const suffix = path === main ? "" : `/${path.path}`;
    if (path.executionLive) raw[`execution${suffix}`] = path.execution ?? "UNAVAILABLE";
    if (path.modeLive) raw[`controller_mode${suffix}`] = path.mode ?? "UNAVAILABLE";
    if (path.emergencyStop !== null) raw[`emergency_stop${suffix}`] = path.emergencyStop;
  }
  const faults = Object.values(signals.faults).reduce((sum, count) => sum + count, 0);
  if (faults > 0) raw["alarm"] = `${faults} active`;
  return raw;
}

function enter(rules: MachineRules, open: OpenState | null, entry: Entry, { out }: Moment): OpenState {
  const { state, mode, start, because } = entry;
  let next: OpenState;
  if (open && open.start === start) next = { ...open, ...entry, origin: open.origin, triggers: [...new Set([...open.triggers, ...entry.triggers])], rev: open.rev + 1 };
  else {
    if (open) out.push({ kind: "record", record: { type: "state", id: open.id, rev: open.rev + 1, start: open.start, body: bodyOf(rules, open, start) } });
    next = { ...entry, id: recordId(rules, "state", [entry.origin]), rev: 1, prevState: open?.state ?? null, flapCount: 0 };
  }
  out.push(
    { kind: "record", record: { type: "state", id: next.id, rev: next.rev, start, body: bodyOf(rules, next, null) } },
    { kind: "state-change", at: start, from: open?.state ?? null, to: state, mode, ...(because !== null && { unknownBecause: because }) },
    { kind: "live", name: "state", value: state, at: start },
  );
  return next;
}

function bodyOf(rules: MachineRules, open: OpenState, end: UnixMs | null) {
  return {
    ...spanOf(rules, open.start, end, open.timing),
    state: open.state, mode: open.mode,
    unknownMs: end === null ? null : open.state === "UNKNOWN" ? end - open.start : 0,
    prevState: open.prevState, raw: open.raw, triggers: open.triggers, flapCount: open.flapCount,
  };
}
