/**
 * What the writer of the file did, from what the YAML parser complains of. The parser says where it could not go on; the
 * slip is often elsewhere: an unclosed quote is noticed at the end of the file, a line that is indented too far at the
 * end of the line before. Each complaint is put where the slip is, and what only follows from another is left out.
 */
import { Lexer, type YAMLError } from "yaml";
import { yamlWords } from "./yaml-words.ts";

export interface Slip {
  readonly found: string;
  readonly expected: string;
  /** Offset of the first sign, and of the one after the last. */
  readonly span: readonly [from: number, to: number];
  /** Complaints about indentation further down only follow from this one. */
  readonly shifts?: true;
}

/** In the order of the complaints; at least one when there is a complaint. */
export function slips(errors: readonly YAMLError[], text: string): readonly Slip[] {
  const told: Slip[] = [];
  // After one of these the lines around it seem to be indented wrongly, which they are not.
  let shifted = false;
  const source = { text, signs: errors.some((error) => isOpenQuote(error) || isOpenFlow(error)) ? signsOf(text) : [] };
  const quote = openQuote(source.signs) ?? text.length;
  for (const [index, error] of errors.entries()) {
    if (shifted && INDENTATION.has(error.code)) continue;
    // An open quote swallows the brace that would have closed the group around it.
    if (isOpenFlow(error) && error.pos[0] > quote) continue;
    if (error.code === "MULTILINE_IMPLICIT_KEY" && errors[index - 1]?.code === "BLOCK_AS_IMPLICIT_KEY") continue;
    const found = slip(error, source);
    if (found === null) continue;
    told.push(found);
    shifted ||= error.code === "TAB_AS_INDENT" || found.shifts === true;
  }
  return told.length === 0 ? errors.slice(0, 1).map(asParsed) : told;
}

const INDENTATION = new Set<YAMLError["code"]>(["BAD_INDENT", "BLOCK_AS_IMPLICIT_KEY", "MULTILINE_IMPLICIT_KEY"]);
const isOpenQuote = ({ code, message }: YAMLError): boolean => code === "MISSING_CHAR" && message.startsWith("Missing closing");
const isOpenFlow = ({ code, message }: YAMLError): boolean => code === "BAD_INDENT" && message.startsWith("Flow");
const asParsed = ({ code, message, pos: [from, to] }: YAMLError): Slip => ({ ...yamlWords(code, message), span: [from, Math.max(from + 1, to)] });

/** As web pages and word processors write them: they look like spaces, and to YAML they are letters. */
const ODD_SPACE = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff]/;

/** Null when the complaint only follows from an earlier one. */
function slip(error: YAMLError, source: Source): Slip | null {
  const { text } = source;
  // At the end of the text there is nothing to underline: the last sign stands for it.
  const from = Math.min(error.pos[0], Math.max(0, text.trimEnd().length - 1));
  const here = lineAt(text, from);
  const next = nextLine(text, here);
  const odd = [here, next].flatMap((line) => {
    const at = ODD_SPACE.exec(line?.text ?? "");
    return line !== null && at !== null ? [{ offset: line.start + at.index, sign: at[0] }] : [];
  })[0];
  if (odd !== undefined) return { found: `a space that is no plain one (U+${odd.sign.charCodeAt(0).toString(16).padStart(4, "0").toUpperCase()}), as copying from a web page or a document brings it`, expected: "a plain space: type it anew", span: [odd.offset, odd.offset + 1], shifts: true };
  const moved = elsewhere(error, from, source, [here, next]);
  if (moved !== undefined) return moved;
  const blank = /^[ \t]*/.exec(here.text)?.[0].length ?? 0;
  const first = error.code === "BAD_INDENT" && from < here.start + blank ? here.start + blank : from;
  return { ...yamlWords(error.code, error.message), span: [first, Math.max(first + 1, error.pos[1])] };
}

/** The slips that do not lie where the parser stopped, or that its complaint does not name. Undefined: it says it well. */
function elsewhere(error: YAMLError, from: number, { text, signs }: Source, [here, next]: readonly [Line, Line | null]): Slip | null | undefined {
  const { code, message } = error;
  if (isOpenQuote(error)) return unclosed(text, openQuote(signs), "the same quote at the end of what it encloses");
  if (isOpenFlow(error)) return unclosed(text, openBracket(signs, error.pos[0]), message.startsWith("Flow map") ? "a } at its end" : "a ] at its end");
  if (message.startsWith("A block sequence")) return { found: "a dash that does not stand under the dashes of its list", expected: "the dashes of one list under each other", span: [from, from + 1] };
  if (message.startsWith("Sequence item without")) return { found: "a line that is neither indented like the keys of the entry above nor begins with a dash", expected: "as many spaces as the keys above it have, or a dash and a space for a new entry", span: firstWord(here) };
  if (code !== "BLOCK_AS_IMPLICIT_KEY") return undefined;
  const dash = /^\s*-(?=[^\s-])/.exec(here.text);
  if (dash !== null) return { found: "a dash without a space after it", expected: "a dash, a space, then the entry", span: [here.start + dash[0].length - 1, here.start + dash[0].length], shifts: true };
  if (next === null || /:(?:\s|$)/.test(text.slice(from, here.start + here.text.length))) return undefined;
  if (firstWord(next)[0] - next.start <= (/^[\s-]*/.exec(here.text)?.[0].length ?? 0)) return null;
  return { found: "a line that is indented further than the one above, which already has its value", expected: "as many spaces as the line above has, where both belong to the same group", span: firstWord(next) };
}

interface Source {
  readonly text: string;
  /** Empty where no complaint is about them. */
  readonly signs: readonly Sign[];
}

interface Sign {
  readonly sign: string;
  readonly offset: number;
}

interface Line {
  readonly start: number;
  readonly text: string;
}

function lineAt(text: string, offset: number): Line {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const end = text.indexOf("\n", offset);
  return { start, text: text.slice(start, end === -1 ? text.length : end) };
}

/** The next line that is neither blank nor a comment. */
function nextLine(text: string, { start, text: own }: Line): Line | null {
  for (let at = start + own.length + 1; at < text.length;) {
    const line = lineAt(text, at);
    if (/^\s*[^\s#]/.test(line.text)) return line;
    at = line.start + line.text.length + 1;
  }
  return null;
}

function firstWord({ start, text }: Line): readonly [number, number] {
  const blank = /^\s*/.exec(text)?.[0].length ?? 0;
  return [start + blank, start + Math.max(blank + 1, text.trimEnd().length)];
}

function unclosed(text: string, opened: number | null, expected: string): Slip | undefined {
  if (opened === null) return undefined;
  const line = lineAt(text, opened);
  return { found: `a ${text[opened] ?? ""} that is opened here and not closed where it should be`, expected, span: [opened, Math.max(opened + 1, line.start + line.text.trimEnd().length)] };
}

/** The lexer marks what has no text of its own with these. */
const MARKS: ReadonlySet<string> = new Set(["\u0002", "\u0018", "\u001f"]);

/** Brackets, braces, and quotes that nothing closes, in the order of the text. */
function signsOf(text: string): readonly Sign[] {
  const signs: Sign[] = [];
  let offset = 0;
  for (const source of new Lexer().lex(text)) {
    if (MARKS.has(source)) continue;
    const first = source[0] ?? "";
    const openQuote = (first === '"' || first === "'") && (source.length === 1 || !source.endsWith(first));
    if (openQuote || (source.length === 1 && "{}[]".includes(first))) signs.push({ sign: first, offset });
    offset += source.length;
  }
  return signs;
}

const openQuote = (signs: readonly Sign[]): number | null => signs.findLast(({ sign }) => sign === '"' || sign === "'")?.offset ?? null;

/** The bracket or brace that is still open at an offset; the innermost. */
function openBracket(signs: readonly Sign[], until: number): number | null {
  const open: number[] = [];
  for (const { sign, offset } of signs) {
    if (offset >= until) break;
    if (sign === "{" || sign === "[") open.push(offset);
    if (sign === "}" || sign === "]") open.pop();
  }
  return open.at(-1) ?? null;
}
