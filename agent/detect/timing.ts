/** How sure a record's times are, and the fields that every record has in common (records.md §2.1). */
import type { Observation } from "../contract/observation.ts";
import type { Body } from "../contract/record.ts";
import type { MachineRules } from "../contract/rules.ts";
import { rfc3339, type UnixMs } from "../contract/time.ts";
import { utcOffsetMin } from "./zone.ts";

export type Timing = Body<"state">["timing"];
export const EVENT_TIMING: Timing = { kind: "event", uncertaintyMs: 0 };
export const INFERRED_TIMING: Timing = { kind: "inferred", uncertaintyMs: 0 };
const POLLED_TIMING: Timing = { kind: "polled", uncertaintyMs: 0 };

/** How the opening of a record is known. Undefined: a gap or time opened it. A value found at the first look began before. */
export function timingOf(observation: Observation | undefined): Timing {
  if (observation === undefined || observation.initial === true) return INFERRED_TIMING;
  if (observation.basis === "gateway") return observation.uncertaintyMs === undefined ? POLLED_TIMING : { kind: "polled", uncertaintyMs: observation.uncertaintyMs };
  if (observation.clamped === true && observation.basis === "source" && observation.sourceTime !== undefined)
    return { kind: "event", uncertaintyMs: Math.max(0, observation.at - observation.sourceTime) };
  return EVENT_TIMING;
}

/** How much earlier something may have been so than it was seen: in a polled source at any time since the look before. */
export const slackOf = ({ kind, uncertaintyMs }: Timing): number => (kind === "polled" ? uncertaintyMs : 0);

interface Span {
  readonly status: Body<"state">["status"];
  readonly start: string;
  readonly end: string | null;
  readonly durationMs: number | null;
  readonly utcOffsetMin: number;
  readonly timing: Timing;
}

/** The end of one record is the start of the next, and is written again with each revision: the last two texts are kept. */
const kept = [{ at: Number.NaN, text: "" }, { at: Number.NaN, text: "" }];
let oldest = 0;
function textOf(at: UnixMs): string {
  for (const one of kept) if (one.at === at) return one.text;
  const text = rfc3339(at);
  kept[oldest] = { at, text };
  oldest = 1 - oldest;
  return text;
}

/** The common fields; `end` null while open. */
export function spanOf(rules: MachineRules, start: UnixMs, end: UnixMs | null, timing: Timing): Span {
  return {
    status: end === null ? "open" : "closed",
    start: textOf(start),
    end: end === null ? null : textOf(end),
    durationMs: end === null ? null : end - start,
    utcOffsetMin: utcOffsetMin(rules.timezone, start),
    timing,
  };
}
