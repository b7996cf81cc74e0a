/**
 * Problems in words for a terminal: where, the line with what is meant underlined, what is wrong, what would be right.
 * Signs that could steer a terminal or reorder its text are shown as dots.
 */
import type { LocatedProblem } from "./problem.ts";

export interface ExplainOptions {
  /** True only on a terminal. */
  readonly colours: boolean;
  /** More problems are counted, not shown. Default 50. */
  readonly limit?: number;
}

const RESET = "\u001b[0m";
const STYLE = { bold: "\u001b[1m", red: "\u001b[31m", yellow: "\u001b[33m", faint: "\u001b[2m" } as const;

/** One text of several lines, ending in a newline; empty for no problems. */
export function explain(problems: readonly LocatedProblem[], { colours, limit = 50 }: ExplainOptions): string {
  const paint = (style: keyof typeof STYLE, text: string): string => (colours ? `${STYLE[style]}${text}${RESET}` : text);
  const shown = problems.slice(0, limit).map((problem) => block(problem, paint));
  const rest = problems.length - shown.length;
  return shown.join("\n") + (rest > 0 ? `\n… and ${rest} more\n` : "");
}

function block(problem: LocatedProblem, paint: (style: keyof typeof STYLE, text: string) => string): string {
  const colour = problem.severity === "error" ? "red" : "yellow";
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  const head = `${paint("bold", visible(place))}: ${paint(colour, problem.severity)}${problem.path === "" ? "" : ` in ${visible(problem.path)}`}`;
  const gutter = String(problem.line).length;
  const margin = " ".repeat(gutter);
  const excerpt = problem.line === 0 ? [] : [
    `  ${paint("faint", `${problem.line} |`)} ${visible(problem.text)}`,
    `  ${paint("faint", `${margin} |`)} ${" ".repeat(width(problem.text.slice(0, problem.start)))}${paint(colour, "^".repeat(Math.max(1, width(problem.text.slice(problem.start, problem.start + problem.length)))))}`,
  ];
  const near = problem.nearest === undefined ? "" : `; did you mean ${visible(problem.nearest)}?`;
  return [head, ...excerpt, `  found:    ${visible(problem.found)}${near}`, `  expected: ${visible(problem.expected)}`, ""].join("\n");
}

/** Code points: near enough to columns for the letters of our files. */
const width = (text: string): number => Array.from(text).length;

/** Control signs, line ends within a line, and what changes the direction of writing. */
const visible = (text: string): string => text.replace(/\t/g, " ").replace(/[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu, "·");
