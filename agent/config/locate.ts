/** Puts problems into the text: line, column, underline; hides secrets; one problem a place; in the order of the file. */
import type { Problem } from "../contract/shape.ts";
import type { Span, YamlDocument } from "./document.ts";
import { HIDDEN, mask, maskUrls, soundsSecret, type Marked } from "./mask.ts";
import { pathText, type LocatedProblem } from "./problem.ts";
import type { SourceText } from "./text.ts";

interface Finding {
  readonly problem: Problem;
  readonly span: Span;
  readonly severity: LocatedProblem["severity"];
}

/** A longer line is shown only around what is meant. */
const LONGEST_LINE = 400;

/** `spotted` problems know their place; `decoded` and `warnings` are looked up. The first at a place wins: the others follow from it. */
export function locate(source: SourceText, document: YamlDocument, parts: { readonly errors: readonly (Problem & { readonly span?: Span })[]; readonly warnings?: readonly Problem[] }): readonly LocatedProblem[] {
  const findings: Finding[] = [
    ...parts.errors.map((problem): Finding => ({ problem: withSource(problem, document), span: problem.span ?? document.span(problem.path, problem.on), severity: "error" })),
    ...(parts.warnings ?? []).map((problem): Finding => ({ problem, span: document.span(problem.path, problem.on), severity: "warning" })),
  ];
  const seen = new Set<string>();
  return findings
    .filter(({ problem, span }) => {
      // Missing keys share the place of their group; each is a problem of its own.
      const place = `${span[0]} ${problem.on === "key" && problem.found.includes("missing") ? problem.found : ""}`;
      return !seen.has(place) && seen.add(place);
    })
    .sort((a, b) => a.span[0] - b.span[0])
    .map((finding) => located(source, finding));
}

/** A remedy in quotes must repeat the file's own text: 1.10 has become 1.1 by then. */
function withSource(problem: Problem, document: YamlDocument): Problem {
  const written = problem.on === "value" ? document.plainSource(problem.path) : null;
  if (written === null || written.length > 100 || problem.nearest?.startsWith('"') !== true) return problem;
  const isOwn = problem.nearest === JSON.stringify(String(Number(written))) || problem.nearest === JSON.stringify(written);
  return isOwn ? { ...problem, found: problem.found.replace(/^the number .*$/, `the number ${written}`), nearest: JSON.stringify(written) } : problem;
}

function located(source: SourceText, { problem, span, severity }: Finding): LocatedProblem {
  const { line, column } = source.place(span[0]);
  const key = problem.path.findLast((step) => typeof step === "string");
  const secret = problem.secret === true || (problem.on === "value" && key !== undefined && soundsSecret(key));
  const shown = excerpt({ text: source.line(line), start: column - 1, length: span[1] - span[0] }, secret);
  const found = secret && problem.secret !== true ? "a value that is not shown, because its key is called like a secret" : maskUrls(problem.found);
  // The parser's own words may repeat what the line hides.
  const hides = shown.text.includes(HIDDEN) ? found.replace(/ \(the parser says: .*\)$/s, "") : found;
  return {
    severity, file: source.file, line, column, text: shown.text, start: shown.start, length: shown.length, path: pathText(problem.path), found: hides, expected: maskUrls(problem.expected),
    ...(problem.nearest !== undefined && !secret && { nearest: maskUrls(problem.nearest) }),
  };
}

function excerpt(line: Marked, secret: boolean): Marked {
  const room = line.text.length - line.start;
  const marked = { ...line, length: Math.max(1, Math.min(line.length, room)) };
  if (line.text.length <= LONGEST_LINE) return mask(marked, secret);
  const part = line.text.slice(line.start, line.start + Math.min(marked.length, 60));
  const shown = mask({ text: part, start: 0, length: Math.max(1, part.length) }, secret);
  return { text: `… ${shown.text} …`, start: 2, length: shown.length };
}
