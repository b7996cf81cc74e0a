/**
 * The questions that may be asked of a Haas control, as a table, and the only encoder there is: it takes a question of
 * this list and nothing else, so that a variable can never be written (`E…` and `?E…` would). Source: haas.md §2.
 */

interface Row {
  readonly number: number;
  /** First field of the answer, as the kinds of controls have it. */
  readonly labels: readonly string[];
  readonly asks: string;
  readonly source: string;
}

export const QUESTION_ROWS = [
  { number: 100, labels: ["SERIAL NUMBER", "S/N"], asks: "serial number", source: "§2" },
  { number: 101, labels: ["SOFTWARE VERSION", "SOFTWARE"], asks: "control software", source: "§2" },
  { number: 102, labels: ["MODEL"], asks: "model", source: "§2" },
  { number: 104, labels: ["MODE"], asks: "mode", source: "§2" },
  { number: 200, labels: ["TOOL CHANGES"], asks: "tool changes, total", source: "§2" },
  { number: 201, labels: ["USING TOOL"], asks: "tool in use", source: "§2" },
  { number: 300, labels: ["P.O. TIME"], asks: "power-on time, total", source: "§2" },
  { number: 301, labels: ["C.S. TIME"], asks: "motion time, total", source: "§2" },
  { number: 303, labels: ["LAST CYCLE"], asks: "last cycle time", source: "§2" },
  { number: 304, labels: ["PREV CYCLE"], asks: "previous cycle time", source: "§2" },
  { number: 402, labels: ["M30 #1"], asks: "M30 counter 1", source: "§2" },
  { number: 403, labels: ["M30 #2"], asks: "M30 counter 2", source: "§2" },
  { number: 500, labels: ["PROGRAM", "STATUS"], asks: "program, status and parts in one", source: "§2" },
] as const satisfies readonly Row[];

export type QNumber = (typeof QUESTION_ROWS)[number]["number"];
export type Question = { readonly q: QNumber } | { readonly q: 600; readonly variable: number };
/** `ngc`: `?Q100`; `classic`: `Q100` (haas.md §1). */
export type Dialect = "ngc" | "classic";

export const MACRO_LABEL = "MACRO";
export const HIGHEST_VARIABLE = 99_999;

export const labelsOf = (question: Question): readonly string[] => (question.q === 600 ? [MACRO_LABEL] : QUESTION_ROWS.find(({ number }) => number === question.q)?.labels ?? []);
/** For people. */
export const nameOf = (question: Question): string => (question.q === 600 ? `Q600 ${question.variable}` : `Q${question.q}`);

/** Throws RangeError for what is not in the table: the types already do not let it through. */
export function encode(question: Question, dialect: Dialect): Buffer {
  const isKnown = question.q === 600 ? Number.isInteger(question.variable) && question.variable >= 1 && question.variable <= HIGHEST_VARIABLE : QUESTION_ROWS.some(({ number }) => number === question.q);
  if (!isKnown) throw new RangeError(`no question that a Haas control may be asked: ${JSON.stringify(question)}`);
  return Buffer.from(dialect === "ngc" ? `?${nameOf(question)}\r\n` : `${nameOf(question)}\r\n`, "latin1");
}
