/** The truth of a recording as JSON beside the test: small, and readable by a person with the recording in hand. */
import { join } from "node:path";
import type { Truth } from "./truth.ts";

const iso = (at: number): string => new Date(at).toISOString();

export const expectedFile = (name: string): string => join(import.meta.dirname, "expected", `${name}.json`);

const RULE = "States by design.md §2 and mtconnect.md §7, cycles and parts by design.md §4, counted from the recording's own text by test/truth. A cycle: [start, end, in-cycle ms, held ms, program, ended by]. A step of the counter: [at, from, to, parts]. A state: [from, state]. Stamps that step back are placed at the machine's latest deciding stamp (mtconnect.md §8): clamps.sameItem within one item, clamps.machine over all deciding items.";

export function expectedText(truth: Truth): string {
  const { recording, from, until, clamps, stateMs, executions, open } = truth;
  const head = { recording, rule: RULE, from: iso(from), until: iso(until), clamps, executions, stateMs, parts: truth.steps.reduce((sum, { parts }) => sum + parts, 0), open: open === null ? null : iso(open) };
  const list = (name: string, rows: readonly (readonly unknown[])[]): string => `"${name}": [${rows.map((row) => `\n  ${JSON.stringify(row)}`).join(",")}${rows.length > 0 ? "\n" : ""}]`;
  return `${JSON.stringify(head, null, 1).slice(0, -2)},\n ${[
    list("cycles", truth.cycles.map((one) => [iso(one.start), iso(one.end), one.inCycleMs, one.heldMs, one.program, one.endedBy])),
    list("steps", truth.steps.map((one) => [iso(one.at), one.from, one.to, one.parts])),
    list("states", truth.states.map((one) => [iso(one.start), one.doing])),
  ].join(",\n ")}\n}\n`;
}
