/**
 * Cycles at known instants, as a control that is only polled shows them: its values looked at once a period, what changed
 * dated by the look, through the real detectors. So the error of what is recorded is known for each cycle.
 */
import type { MachineEvent } from "../../agent/contract/detector.ts";
import type { Observation } from "../../agent/contract/observation.ts";
import type { MachineRules } from "../../agent/contract/rules.ts";
import { unixMs } from "../../agent/contract/time.ts";
import { playEvents, quantity, RULES, rulesWith, START, type Played } from "./timeline.ts";

export interface TrueCycle {
  readonly startMs: number;
  readonly endMs: number;
}
interface Work {
  readonly count: number;
  readonly lengthMs: (random: () => number) => number;
  readonly pauseMs: (random: () => number) => number;
}
interface Looking {
  readonly periodMs: number;
  /** The counter steps so long after a cycle's end. */
  readonly counterAfterMs: number;
  readonly seed: number;
}
/** A look is late by up to this share of the period. */
export const LATE_SHARE = 0.05;
const COUNTED = rulesWith({ cycle: { quantity: "counter" } });

/** Uniform in [0, 1) from a seed (xorshift32). */
function seeded(seed: number): () => number {
  let state = Math.imul(seed, 2_654_435_761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return state / 4_294_967_296;
  };
}

const FIRST_COUNT = 100;

export function workUnder({ count, lengthMs, pauseMs }: Work, seed: number): readonly TrueCycle[] {
  const random = seeded(seed);
  let at = 20_000;
  return Array.from({ length: count }, () => {
    const startMs = at + Math.round(pauseMs(random));
    const endMs = startMs + Math.max(1, Math.round(lengthMs(random)));
    at = endMs;
    return { startMs, endMs };
  });
}

/** What is recorded of `cycles`. Ends an hour after the last. */
export function lookedAt(cycles: readonly TrueCycle[], { periodMs, counterAfterMs, seed }: Looking, rules: MachineRules = COUNTED): Played {
  const random = seeded(seed + 1);
  const lastMs = (cycles.at(-1)?.endMs ?? 0) + counterAfterMs + 2 * periodMs;
  const events: MachineEvent[] = [];
  let [shown, before] = [{} as Readonly<Record<string, string | number>>, Number.NaN];
  let [started, counted] = [0, 0];
  for (let place = random() * periodMs; place <= lastMs; place += periodMs) {
    const now = Math.round(place + random() * LATE_SHARE * periodMs);
    while ((cycles[started]?.startMs ?? Infinity) <= now) started++;
    while ((cycles[counted]?.endMs ?? Infinity) + counterAfterMs <= now) counted++;
    const isActive = started > 0 && now < (cycles[started - 1]?.endMs ?? 0);
    const values = { availability: "AVAILABLE", controller_mode: "AUTOMATIC", program: "O1", execution: isActive ? "ACTIVE" : "READY", part_count: FIRST_COUNT + counted };
    const isFirst = Number.isNaN(before);
    const at = unixMs(START + now);
    const items = Object.entries(values).filter(([signal, value]) => shown[signal] !== value).map(([signal, value]): Observation =>
      ({ kind: "reading", signal, value, quality: "GOOD", machine: RULES.machine, at, basis: "gateway", ...(isFirst ? { initial: true } : { uncertaintyMs: now - before }) }));
    if (items.length > 0) events.push({ kind: "observations", at, source: "polled", items });
    [shown, before] = [values, now];
  }
  return playEvents([...events, { kind: "tick", at: unixMs(START + lastMs + 3_600_000) }], rules);
}

export interface Measured {
  /** Cycles of whose span no record has any part. */
  readonly missed: number;
  /** Recorded less true, ms, of each record that is one cycle. */
  readonly lengths: readonly number[];
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  /** Of the quantity of record. */
  readonly parts: number;
}

export function measured(cycles: readonly TrueCycle[], played: Played): Measured {
  const records = played.of("cycle").map(({ start, end }) => ({ start: Date.parse(start) - START, end: Date.parse(end ?? "") - START }));
  const seen = new Set<TrueCycle>();
  const pairs = records.flatMap(({ start, end }) => {
    const within = cycles.filter(({ startMs, endMs }) => startMs < end && endMs > start);
    for (const cycle of within) seen.add(cycle);
    const [cycle] = within;
    return cycle !== undefined && within.length === 1 ? [{ cycle, start, end }] : [];
  });
  return {
    missed: cycles.length - seen.size,
    lengths: pairs.map(({ cycle, start, end }) => end - start - (cycle.endMs - cycle.startMs)),
    starts: pairs.map(({ cycle, start }) => start - cycle.startMs),
    ends: pairs.map(({ cycle, end }) => end - cycle.endMs),
    parts: quantity(played),
  };
}
