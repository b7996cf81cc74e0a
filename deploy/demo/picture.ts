/** The shift as a picture: a bar of coloured blocks at a terminal, letters elsewhere; a table of times beside it. Pure. */
import type { MachineState } from "../../agent/contract/record.ts";
import type { DemoSummary, Stretch } from "./summary.ts";
import { clockTime, LOOKS, painted, plural, span, type Paint } from "./words.ts";

/**
 * `width` blocks from `from` to `until`; each shows the state that took most of it, but an alarm, an emergency stop or
 * unknown time always shows: those are what one looks for. Blank where nothing is known yet.
 */
export function bar(stretches: readonly Stretch[], range: { readonly from: number; readonly until: number; readonly width: number }, paint: Paint): string {
  const { from, until, width } = range;
  const step = (until - from) / width;
  let line = "";
  for (let index = 0; index < width; index++) {
    const state = stateOf(stretches, from + index * step, from + (index + 1) * step);
    if (state === null) line += " ";
    else line += paint.colours ? painted(" ", String(LOOKS[state].colour), paint) : LOOKS[state].letter;
  }
  return line;
}

const LOUD: readonly MachineState[] = ["ALARM", "ESTOP", "UNKNOWN"];

function stateOf(stretches: readonly Stretch[], from: number, to: number): MachineState | null {
  const times = new Map<MachineState, number>();
  for (const one of stretches) {
    const overlap = Math.min(to, one.to) - Math.max(from, one.from);
    if (overlap > 0) times.set(one.state, (times.get(one.state) ?? 0) + overlap);
  }
  const loud = LOUD.find((state) => (times.get(state) ?? 0) > (to - from) / 10);
  return loud ?? [...times].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

/** Hours under the bar, where they fit. */
export function scale(range: { readonly from: number; readonly until: number; readonly width: number }): string {
  const { from, until, width } = range;
  const hours = Math.max(1, Math.ceil((until - from) / 3_600_000 / (width / 8)));
  let line = "";
  for (let at = from; at < until; at += hours * 3_600_000) {
    const column = Math.round(((at - from) / (until - from)) * width);
    if (column + 5 <= width) line = `${line.padEnd(column)}${clockTime(at).slice(0, 5)}`;
  }
  return line;
}

export function summaryText(summary: DemoSummary, stretches: readonly Stretch[], options: Paint & { readonly width: number; readonly shiftEnd: number }): string {
  const from = Date.parse(summary.from);
  const until = Date.parse(summary.until);
  const range = { from, until: Math.max(until, options.shiftEnd), width: options.width };
  const { completed, aborted, interrupted, unknown } = summary.cycles;
  const others = [[aborted, "broken off"], [interrupted, "ended early"], [unknown, "lost sight of"]].flatMap(([n, words]) => (n === 0 ? [] : [`${String(n)} ${String(words)}`]));
  const { received, duplicates, lost } = summary.records;
  return [
    painted(`${summary.machine}, ${clockTime(from).slice(0, 5)} to ${clockTime(until)}`, "1", options), "",
    `  ${bar(stretches, range, options)}`, `  ${painted(scale(range), "2", options)}`, "",
    ...stateTable(summary, options), "",
    `  ${plural(completed, "cycle")} completed${others.length === 0 ? "" : `, ${others.join(", ")}`}; ${plural(summary.parts, "part")}`, "",
    ...stops(summary),
    ...summary.gaps.map((gap) => `  connection lost at ${clockTime(Date.parse(gap.start))} for ${span(gap.ms)} (${gap.reason}): recorded as unknown`), "",
    `  ${plural(received, "record")} received, ${plural(duplicates, "duplicate")}, ${lost} lost (each record names the one before it)`,
  ].join("\n");
}

function stateTable(summary: DemoSummary, paint: Paint): string[] {
  const total = Object.values(summary.stateMs).reduce((sum, ms) => sum + ms, 0);
  return Object.entries(summary.stateMs).sort((a, b) => b[1] - a[1]).map(([state, ms]) => {
    const look = LOOKS[state as MachineState];
    const mark = paint.colours ? painted("  ", String(look.colour), paint) : ` ${look.letter}`;
    return `  ${mark} ${look.name.padEnd(20)} ${span(ms).padStart(12)} ${`${((100 * ms) / Math.max(1, total)).toFixed(1)} %`.padStart(8)}`;
  });
}

/** Reasons with their stops, the longest first; many short ones are one line. */
function stops(summary: DemoSummary): string[] {
  const groups = new Map<string, { n: number; ms: number }>();
  const add = (name: string, ms: number): void => {
    const group = groups.get(name) ?? { n: 0, ms: 0 };
    if (ms > 0) groups.set(name, { n: group.n + 1, ms: group.ms + ms });
  };
  for (const { reason, category, ms, plannedMs } of summary.downtimes) {
    add("planned breaks", plannedMs);
    add(reason ?? (category === "micro" ? "short stops, not asked about" : "no reason given"), ms - plannedMs);
  }
  if (groups.size === 0) return ["  no stop longer than the allowance"];
  return ["  stops longer than the allowance:", ...[...groups].sort((a, b) => b[1].ms - a[1].ms).map(([name, { n, ms }]) => `    ${span(ms).padStart(12)}  ${name}${n > 1 ? ` (${n} times)` : ""}`)];
}
