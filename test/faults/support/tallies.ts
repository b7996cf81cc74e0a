/** Several tallies as one. */
import type { Tally } from "../case.ts";

export function added(tallies: readonly Tally[]): Tally {
  const sum = (of: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + of(tally), 0);
  const back = tallies.flatMap(({ backMs }) => (backMs === undefined ? [] : [backMs]));
  const notes = tallies.flatMap(({ note }) => (note === undefined ? [] : [note]));
  const counted = [...new Set(notes)].map((note) => `${notes.filter((one) => one === note).length}× ${note}`);
  return {
    faults: sum(({ faults }) => faults), stored: sum(({ stored }) => stored), messages: sum(({ messages }) => messages),
    covered: sum(({ covered }) => covered), repeats: sum(({ repeats }) => repeats),
    violations: tallies.flatMap(({ violations }) => violations),
    ...(back.length > 0 && { backMs: Math.max(...back) }), ...(counted.length > 0 && { note: counted.join(", ") }),
  };
}
