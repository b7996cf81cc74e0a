/** A `connection` record of kind `gap` for each span in which the machine's state is UNKNOWN, opened and closed with it. */
import type { Body } from "../contract/record.ts";
import type { MachineRules } from "../contract/rules.ts";
import { rfc3339, type UnixMs } from "../contract/time.ts";
import type { Moment } from "./moment.ts";
import { opener } from "./picture.ts";
import { originOf, recordId } from "./record-id.ts";
import { spanOf, timingOf, type Timing } from "./timing.ts";

interface Blind {
  readonly id: string;
  readonly rev: number;
  readonly start: UnixMs;
  readonly timing: Timing;
  readonly source: string;
  readonly reason: Body<"connection">["reason"];
  readonly lastGoodAt: UnixMs | null;
  readonly recoverable: boolean;
  readonly missing: number | null;
}
export interface GapsState {
  readonly open: Blind | null;
  /** The one before, whose record is taken up again by a gap that begins where it began. */
  readonly last: { readonly id: string; readonly rev: number } | null;
}
export const initialGaps: GapsState = { open: null, last: null };

/** Causes whose span the source may still hold and serve later. */
const RECOVERABLE: ReadonlySet<string> = new Set(["link-down", "agent-stopped"]);

export function stepGaps(rules: MachineRules, state: GapsState, moment: Moment): GapsState {
  const blind = moment.after.picture.state === "UNKNOWN" && moment.event.kind !== "tick";
  if (state.open !== null) {
    if (moment.after.picture.state === "UNKNOWN") return state;
    const closed = { ...state.open, rev: state.open.rev + 1 };
    push(rules, closed, moment.at, moment);
    return { open: null, last: { id: closed.id, rev: closed.rev } };
  }
  if (!blind) return state;
  const open = begin(rules, state, moment);
  push(rules, open, null, moment);
  return { ...state, open };
}

function begin(rules: MachineRules, { last }: GapsState, { at, event, before, after }: Moment): Blind {
  const by = opener(rules, before, event, (picture) => picture.state === "UNKNOWN");
  const id = recordId(rules, "connection", ["gap", originOf(by, at)]);
  const reason = after.picture.because ?? "not-reported";
  return {
    id, rev: last?.id === id ? last.rev + 1 : 1, start: at, timing: timingOf(by), reason,
    source: event.kind === "tick" ? "" : event.source,
    lastGoodAt: before.signals.lastAt,
    recoverable: RECOVERABLE.has(reason) && before.signals.numbered,
    missing: event.kind === "gap" ? (event.gap.missing ?? null) : null,
  };
}

function push(rules: MachineRules, blind: Blind, end: UnixMs | null, { out }: Moment): void {
  const { source, reason, recoverable, missing, lastGoodAt } = blind;
  out.push({
    kind: "record",
    record: {
      type: "connection", id: blind.id, rev: blind.rev, start: blind.start,
      body: { ...spanOf(rules, blind.start, end, blind.timing), source, kind: "gap", reason, recoverable, missing, lastGoodAt: lastGoodAt === null ? null : rfc3339(lastGoodAt) },
    },
  });
}
