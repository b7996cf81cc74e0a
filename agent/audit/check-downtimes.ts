/** Downtimes of one machine lie where it was seen not to run, one at a time. */
import type { DowntimeFact, Interval, StateFact } from "./fact.ts";
import { iso, type Findings } from "./finding.ts";
import { subject } from "./ledger.ts";
import { bare, byStart, endOf, overlapMs, overlaps, type Timeline } from "./spans.ts";

export function checkDowntimes(downtimes: readonly DowntimeFact[], states: Timeline<StateFact>, findings: Findings): void {
  for (const [one, other] of overlaps(downtimes)) findings.add("downtime-overlap", { ...subject(other), ids: [one.id, other.id] }, `begins inside the downtime of ${iso(one.start)}`);
  for (const downtime of downtimes) {
    checkSegments(downtime, findings);
    for (const state of states.under(downtime)) {
      const where = { machine: downtime.machine, at: Math.max(state.start, downtime.start), ids: [downtime.id, state.id] };
      const ms = overlapMs(state, downtime);
      const length = Number.isFinite(ms) ? `${ms} ms of this downtime` : "this downtime";
      if (state.state === "UNKNOWN") findings.add("downtime-unknown", where, `nobody saw ${length}`);
      if (state.state === "RUNNING") findings.add("downtime-running", where, `the machine ran during ${length}`);
    }
  }
}

function checkSegments(downtime: DowntimeFact, findings: Findings): void {
  const { segments, end } = downtime;
  if (end === null) return segments.length === 0 ? undefined : findings.add("downtime-segments", subject(downtime), "open, but already has segments");
  const tiles = byStart(segments);
  const first = tiles[0]?.start ?? downtime.start;
  const outside = tiles.some((one) => one.start < downtime.start || endOf(one) > end);
  const holes: readonly Interval[] = [...bare(downtime, tiles)];
  const wrong = tiles.find((one) => endOf(one) - one.start !== one.ms);
  if (outside || holes.length > 0 || [...overlaps(tiles)].length > 0) findings.add("downtime-segments", { ...subject(downtime), at: holes[0]?.start ?? first }, "its segments do not tile it");
  if (wrong) findings.add("downtime-segments", { ...subject(downtime), at: wrong.start }, `a segment of ${endOf(wrong) - wrong.start} ms says ${wrong.ms}`);
}
