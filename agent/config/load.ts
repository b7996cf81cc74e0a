/**
 * The configuration file: read (bounded), parsed with positions, decoded, checked across keys, frozen.
 * Every problem of the file comes at once. Nothing is connected to and no secret is read here.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { hostname } from "node:os";
import { TextDecoder } from "node:util";
import type { SitePlan } from "../contract/destination.ts";
import { decode, isRecord, type Problem } from "../contract/shape.ts";
import { idleBreaks, type CalendarKeys } from "./calendar-keys.ts";
import { crossChecks } from "./cross-checks.ts";
import { configurationOf, type Host } from "./decode.ts";
import { MAXIMUM_BYTES, readYaml } from "./document.ts";
import { fileShape, type FileKeys } from "./file-shape.ts";
import type { Kinds } from "./kinds.ts";
import { locate } from "./locate.ts";
import type { Configuration } from "./model.ts";
import type { LocatedProblem } from "./problem.ts";
import { isZone } from "./refined.ts";
import { sourceText } from "./text.ts";

export type Loaded =
  | { readonly ok: true; readonly configuration: Configuration; readonly warnings: readonly LocatedProblem[] }
  | { readonly ok: false; readonly problems: readonly LocatedProblem[] };

/** Reads and decodes a file. Blocks while it reads: at start and in `check` only. Never throws for what is in the file or about it. */
export function loadConfiguration(file: string, kinds: Kinds, host: Host = thisHost()): Loaded {
  const read = readBounded(file);
  return read.ok ? decodeConfiguration(read.text, file, kinds, host) : { ok: false, problems: [wholeFile(file, read.found, read.expected)] };
}

function thisHost(): Host {
  return { name: hostname(), timezone: Intl.DateTimeFormat().resolvedOptions().timeZone };
}

/** Decodes a text; `fileName` is for messages only. */
export function decodeConfiguration(text: string, fileName: string, kinds: Kinds, host: Host = thisHost()): Loaded {
  if (text.length > MAXIMUM_BYTES) return { ok: false, problems: [tooLarge(fileName)] };
  const source = sourceText(fileName, text.replace(/^\uFEFF/, ""));
  const document = readYaml(source.text);
  if (document.value === undefined) return { ok: false, problems: locate(source, document, { errors: document.problems }) };
  if (document.value === null) return { ok: false, problems: [wholeFile(fileName, "nothing: the file is empty", "at least destinations: and machines: (docs/configuration.md)")] };

  const decoded = decode(fileShape(kinds), document.value);
  const errors: Problem[] = [...document.problems, ...(decoded.ok ? [] : decoded.problems), ...crossChecks(document.value), ...hostProblems(document.value, host)];
  if (!decoded.ok || errors.length > 0) return { ok: false, problems: locate(source, document, { errors }) };

  const configuration = configurationOf(decoded.value, host, (path) => source.place(document.span(path, "value")[0]).line);
  const refused = kindChecks(configuration, kinds);
  const warnings = warningsOf(decoded.value);
  if (refused.length > 0) return { ok: false, problems: locate(source, document, { errors: refused, warnings }) };
  return { ok: true, configuration, warnings: locate(source, document, { errors: [], warnings }) };
}

const wholeFile = (file: string, found: string, expected: string): LocatedProblem => ({ severity: "error", file, line: 0, column: 0, text: "", start: 0, length: 1, path: "", found, expected });
const tooLarge = (file: string): LocatedProblem => wholeFile(file, "a file of more than 1 MiB", "a configuration of at most 1 MiB");

type Read = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly found: string; readonly expected: string };

function readBounded(file: string): Read {
  const bytes = Buffer.allocUnsafe(MAXIMUM_BYTES + 1);
  let length = 0;
  try {
    const handle = openSync(file, "r");
    try {
      for (let read = -1; read !== 0 && length < bytes.length; length += read) read = readSync(handle, bytes, length, bytes.length - length, null);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    return { ok: false, ...unreadable(error) };
  }
  if (length > MAXIMUM_BYTES) return { ok: false, found: "a file of more than 1 MiB", expected: "a configuration of at most 1 MiB" };
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes.subarray(0, length));
    const odd = /(?![\t\n\r\u0085])\p{Cc}/u.exec(text);
    if (odd) return { ok: false, found: `a control character (byte 0x${odd[0].charCodeAt(0).toString(16).padStart(2, "0")}) at offset ${odd.index}: this is no text file`, expected: "YAML in UTF-8" };
    return { ok: true, text };
  } catch (error) {
    if (error instanceof TypeError) return { ok: false, found: "bytes that are not UTF-8", expected: "YAML in UTF-8: save the file again with that encoding" };
    throw error;
  }
}

function unreadable(error: unknown): { readonly found: string; readonly expected: string } {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "ENOENT": return { found: "no such file", expected: "a configuration file here, or another place named with --config FILE" };
    case "EACCES": return { found: "a file that this user may not read", expected: "read access for the user that runs cellgate" };
    case "EISDIR": return { found: "a folder", expected: "the configuration file in it, named with --config FILE" };
    default: return { found: `a file that cannot be read: ${error instanceof Error ? error.message : String(error)}`, expected: "a readable file" };
  }
}

/** What the host's defaults cannot give. */
function hostProblems(file: unknown, host: Host): readonly Problem[] {
  const agent = isRecord(file) && isRecord(file["agent"]) ? file["agent"] : {};
  const problems: Problem[] = [];
  if (agent["id"] === undefined && !/^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._-]{0,63}$/u.test(host.name))
    problems.push({ path: ["agent"], on: "key", found: `the key "id" is missing, and the host's name ${JSON.stringify(host.name)} cannot stand for it`, expected: "id: a name for this agent" });
  if (agent["timezone"] === undefined && !isZone(host.timezone))
    problems.push({ path: ["agent"], on: "key", found: `the key "timezone" is missing, and the system has none (${JSON.stringify(host.timezone)})`, expected: "timezone: an IANA zone, such as Europe/Paris" });
  return problems;
}

/** What each destination's kind says about the file as a whole. */
function kindChecks(configuration: Configuration, kinds: Kinds): readonly Problem[] {
  const plan = sitePlan(configuration);
  return configuration.destinations.flatMap(({ kind, config }, index, all) => {
    const earlier = all.slice(0, index).filter((other) => other.kind === kind);
    const problems = kinds.destinations.find((one) => one.kind === kind)?.check?.(config, plan, earlier) ?? [];
    return problems.map((problem) => ({ ...problem, path: ["destinations", index, ...problem.path] }));
  });
}

export const sitePlan = ({ agent, machines }: Configuration): SitePlan => ({ agent, machines: machines.map(({ id }) => id) });

function warningsOf(keys: FileKeys): readonly Problem[] {
  const warnings: Problem[] = [];
  const idle = (calendar: CalendarKeys, path: Problem["path"]): void => {
    for (const index of idleBreaks(calendar)) warnings.push({ path: [...path, "breaks", index, "start"], on: "value", found: "a break outside every shift: it never counts", expected: "a time inside a shift, or no break" });
  };
  const used = new Set(keys.machines.map(({ shifts }) => shifts));
  for (const [name, calendar] of Object.entries(keys.calendars ?? {})) {
    idle(calendar, ["calendars", name]);
    if (!used.has(name)) warnings.push({ path: ["calendars", name], on: "key", found: `the calendar ${JSON.stringify(name)}, which no machine uses`, expected: `shifts: ${name} at a machine` });
  }
  keys.machines.forEach(({ shifts }, index) => {
    if (typeof shifts === "object") idle(shifts, ["machines", index, "shifts"]);
  });
  return warnings;
}
