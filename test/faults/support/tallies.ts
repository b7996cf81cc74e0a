/** Several tallies as one; and that of a run that came to nothing. */
import type { Tally } from "../case.ts";

export const failed = (...violations: readonly string[]): Tally => ({ faults: 0, stored: 0, messages: 0, covered: 0, repeats: 0, violations });

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
