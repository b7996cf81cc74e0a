/** A problem of the file, found in the text: what `agent/config/explain.ts` shows and `check --json` prints. */
import type { Path } from "../contract/shape.ts";

export interface LocatedProblem {
  readonly severity: "error" | "warning";
  readonly file: string;
  /** From 1; 0 when the file as a whole is meant (it cannot be read). */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  /** The line's text, secrets hidden and long lines cut: safe to show, to print and to send to support. */
  readonly text: string;
  /** What of `text` is meant: index from 0, and how much; at least 1. */
  readonly start: number;
  readonly length: number;
  /** `machines[0].sources[0].url`; empty for the whole file. */
  readonly path: string;
  readonly found: string;
  readonly expected: string;
  readonly nearest?: string;
}

/** `machines[0].sources[0].url`. */
export function pathText(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else text += `${text === "" ? "" : "."}${/^[\p{L}\p{N}_-]+$/u.test(step) ? step : JSON.stringify(step.length > 60 ? `${step.slice(0, 60)}…` : step)}`;
  }
  return text;
}
