/**
 * A machine's day as a table: rows of (second, what the source said) in, records out. Times are seconds after START.
 *
 *   play([[0, { execution: "READY" }], [10, { execution: "ACTIVE" }], [70, gap("link-down")], [90, tick]])
 *
 * Values: null is UNAVAILABLE; a key `execution/2` is the signal on path 2; a key `alarm:item` is that condition item.
 */
import type { MachineEvent } from "../../agent/contract/detector.ts";
import type { Finding } from "../../agent/contract/finding.ts";
import { DECIDING_SIGNALS, type ActiveAlarm, type GapReason, type Observation, type Value } from "../../agent/contract/observation.ts";
import type { Body, NewRecord, RecordType } from "../../agent/contract/record.ts";
import type { MachineRules } from "../../agent/contract/rules.ts";
import { unixMs, type UnixMs } from "../../agent/contract/time.ts";
import { machineDetector } from "../../agent/detect/machine.ts";

export const START = Date.parse("2025-03-03T06:00:00.000Z");
export const second = (seconds: number): UnixMs => unixMs(START + Math.round(seconds * 1000));
export const secondsOf = (instant: string | null): number | null => (instant === null ? null : (Date.parse(instant) - START) / 1000);

export const RULES: MachineRules = {
  agent: "cell-7", machine: "VMC-3", timezone: "Europe/Paris", mainPath: 1,
  state: { minimumMs: 0 },
  cycle: { minimumMs: 0, counterJoinMs: 5_000, partsPerCycle: 1, quantity: "auto", programs: [], spindleMinimumRpm: 10, restartWithinMs: 600_000 },
  count: { maximumStep: 100, confirmReports: 3, confirmAfterMs: 600_000 },
  downtime: { thresholdMs: 120_000, microStopMs: 300_000, waitingCounts: false, reasons: [] },
  alarm: { rejoinMs: 10_000 },
  calendar: null,
};
export const rulesWith = (part: { readonly [K in keyof MachineRules]?: MachineRules[K] extends object ? Partial<MachineRules[K]> : MachineRules[K] }): MachineRules => {
  const merged: Record<string, unknown> = { ...RULES };
  for (const [key, value] of Object.entries(part))
    merged[key] = typeof value === "object" && value !== null && !Array.isArray(value) && merged[key] ? { ...merged[key], ...value } : value;
  return merged as unknown as MachineRules;
};

type Said = Readonly<Record<string, Value | null>>;
type Happening = Said | Gapping | typeof tick | Snapshot;
interface Gapping { readonly gapping: GapReason; readonly missing?: number }
interface Snapshot { readonly snapshot: Said }
export type Row = readonly [seconds: number, happening: Happening];

export const tick = Symbol("tick");
export const gap = (reason: GapReason, missing?: number): Gapping => ({ gapping: reason, ...(missing !== undefined && { missing }) });
/** Values that were already so when we began to look. */
export const snapshot = (said: Said): Snapshot => ({ snapshot: said });
export const fault = (code: string, text = `fault ${code}`): ActiveAlarm => ({ key: code, code, severity: "FAULT", text, nativeType: "SYSTEM" });
export const warning = (code: string, text = `warning ${code}`): ActiveAlarm => ({ key: code, code, severity: "WARNING", text, nativeType: "SYSTEM" });

/** The rows as events. Observations are numbered through, as an MTConnect agent does; `numbered: false` leaves the numbers out. */
export function events(rows: readonly Row[], { numbered = true } = {}): MachineEvent[] {
  let position = 0;
  return rows.map(([seconds, what]): MachineEvent => {
    const at = second(seconds);
    if (what === tick) return { kind: "tick", at };
    if (isGap(what)) return { kind: "gap", at, source: "mtconnect", gap: { kind: "gap", reason: what.gapping, from: at, ...(what.missing !== undefined && { missing: what.missing }) } };
    const initial = isSnapshot(what);
    const items = Object.entries(initial ? what.snapshot : what).map(([key, value]) => observation(key, value, at, { initial, ...(numbered && { position: (position += 1) }) }));
    return { kind: "observations", at, source: "mtconnect", items };
  });
}
const isGap = (what: Happening): what is Gapping => typeof what === "object" && "gapping" in what;
const isSnapshot = (what: Happening): what is Snapshot => typeof what === "object" && "snapshot" in what;

const words: ReadonlySet<string> = new Set([...DECIDING_SIGNALS, "tool", "spindle_speed", "subprogram", "program_comment"]);
function observation(key: string, value: Value | null, at: UnixMs, how: { readonly initial: boolean; readonly position?: number }): Observation {
  const [name = "", item] = key.split(":");
  const [signal = "", path] = name.split("/");
  if (!words.has(signal)) throw new Error(`no such signal: ${signal}`);
  const common = {
    kind: "reading" as const, signal, machine: RULES.machine, at, sourceTime: at, basis: "source" as const,
    ...(item !== undefined && { item }), ...(path !== undefined && { path: Number(path) }),
    ...(how.position !== undefined && { instance: "1", position: how.position }), ...(how.initial && { initial: true }),
  };
  return value === null ? { ...common, quality: "UNAVAILABLE", value } : { ...common, quality: "GOOD", value };
}

export interface Played {
  readonly findings: readonly Finding[];
  /** Every revision, in order. */
  readonly revisions: readonly NewRecord[];
  /** The last revision of each record of a type, in order of their first. */
  of<K extends RecordType>(type: K): (Body<K> & { readonly id: string; readonly rev: number })[];
  /** Length of the state as a checkpoint, in bytes. */
  readonly stateBytes: number;
}

/** Plays the rows, then lets an hour pass so that everything held back comes (`settle: 0`: not). */
export function play(rows: readonly Row[], rules: MachineRules = RULES, { settle = 3_600, numbered = true } = {}): Played {
  const end = (rows.at(-1)?.[0] ?? 0) + settle;
  return playEvents([...events(rows, { numbered }), ...(settle > 0 ? [{ kind: "tick" as const, at: second(end) }] : [])], rules);
}

/** `roundTrip`: the state goes through JSON between any two events, as it does over a restart. */
export function playEvents(all: readonly MachineEvent[], rules: MachineRules = RULES, { roundTrip = false } = {}): Played {
  let state = machineDetector.initial(rules);
  const findings: Finding[] = [];
  for (const event of all) {
    if (roundTrip) state = JSON.parse(JSON.stringify(state)) as typeof state;
    const [next, found] = machineDetector.step(rules, state, event, []);
    state = next;
    findings.push(...found);
  }
  const revisions = findings.flatMap((finding) => (finding.kind === "record" ? [finding.record] : []));
  return {
    findings, revisions, stateBytes: JSON.stringify(state).length,
    of<K extends RecordType>(type: K) {
      const last = new Map<string, Body<K> & { readonly id: string; readonly rev: number }>();
      for (const record of revisions) if (record.type === type) last.set(record.id, { ...(record.body as Body<K>), id: record.id, rev: record.rev });
      return [...last.values()];
    },
  };
}

/** `state from to` for each interval, seconds; `…` while open. */
export const states = (played: Played): string[] => played.of("state").map(({ state, start, end }) => `${state} ${secondsOf(start)} ${secondsOf(end) ?? "…"}`);
/** `start end outcome by parts` for each cycle. */
export const cycles = (played: Played): string[] =>
  played.of("cycle").map((one) => `${secondsOf(one.start)} ${secondsOf(one.end)} ${one.outcome} ${one.endedBy} ${one.partsDelta}`);
/** `at from>to delta plausibility` for each count. */
export const counts = (played: Played): string[] =>
  played.of("count").map((one) => `${secondsOf(one.start)} ${one.counter.from ?? "?"}>${one.counter.to} ${one.delta} ${one.plausibility}`);
/** The machine's quantity of record, over cycles and counts. */
export const quantity = (played: Played): number =>
  [...played.of("cycle").map((one) => (one.quantityOfRecord ? one.partsDelta : 0)), ...played.of("count").map((one) => (one.quantityOfRecord ? one.delta : 0))].reduce((sum, parts) => sum + parts, 0);
/** Parts credited to the detectors after. */
export const credited = ({ findings }: Played): number => findings.reduce((sum, one) => sum + (one.kind === "parts" ? one.delta : 0), 0);
