/**
 * Checks across groups of the file: names that must differ, names that must exist, keys that exclude each other.
 * They read the plain values, not the decoded ones, so that a mistake in one machine hides nothing about another.
 */
import { isRecord, nearest, type Path, type Problem } from "../contract/shape.ts";

export function crossChecks(file: unknown): readonly Problem[] {
  if (!isRecord(file)) return [];
  const problems: Problem[] = [];
  const machines = listOf(file["machines"]);
  distinct({ noun: "machine", entries: machines, path: ["machines"], key: "id" }, problems);
  distinct({ noun: "destination", entries: listOf(file["destinations"]), path: ["destinations"], key: "name" }, problems);
  const calendars = isRecord(file["calendars"]) ? Object.keys(file["calendars"]) : [];
  machines.forEach((machine, index) => {
    if (!isRecord(machine)) return;
    const path = ["machines", index];
    calendarExists(machine["shifts"], calendars, [...path, "shifts"], problems);
    oneSource(listOf(machine["sources"]), [...path, "sources"], problems);
    countable(machine, path, problems);
  });
  return problems;
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as readonly unknown[]) : []);

/** What topics keep of a name: two names that agree in it would share a topic. */
function topicForm(name: string): string {
  const kept = name.normalize("NFKD").replace(/\p{Mark}/gu, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  return kept === "" ? name : kept;
}

interface Named {
  readonly noun: string;
  readonly entries: readonly unknown[];
  readonly path: Path;
  readonly key: string;
}

function distinct({ noun, entries, path, key }: Named, problems: Problem[]): void {
  const seen = new Map<string, string>();
  entries.forEach((entry, index) => {
    const name = isRecord(entry) ? entry[key] : undefined;
    if (typeof name !== "string") return;
    const other = seen.get(topicForm(name));
    seen.set(topicForm(name), other ?? name);
    if (other === undefined) return;
    const found = other === name ? `the ${key} ${JSON.stringify(name)} of an earlier ${noun}` : `the ${key} ${JSON.stringify(name)}, which topics cannot tell from ${JSON.stringify(other)}: they keep letters and digits only, without case and accents`;
    problems.push({ path: [...path, index, key], on: "value", found, expected: `a different ${key} for each ${noun}` });
  });
}

function calendarExists(shifts: unknown, calendars: readonly string[], path: Path, problems: Problem[]): void {
  if (typeof shifts !== "string" || calendars.includes(shifts)) return;
  const near = nearest(shifts.slice(0, 64), calendars);
  const expected = calendars.length === 0 ? "a calendar of this name under calendars:, which this file does not have" : `the name of a calendar: ${calendars.slice(0, 20).join(", ")}`;
  problems.push({ path, on: "value", found: `the calendar ${JSON.stringify(shifts.slice(0, 60))}, which is not defined`, expected, ...(near !== undefined && { nearest: near }) });
}

function oneSource(sources: readonly unknown[], path: Path, problems: Problem[]): void {
  sources.forEach((source, index) => {
    if (index > 0) problems.push({ path: [...path, index], on: "value", found: "a second source of one machine", expected: "one source a machine: merging several is not part of this release; take the one that sees the program, or give the other a machine of its own" });
    // `history` is the word of every kind whose source keeps history (design.md §3).
    if (isRecord(source) && source["time"] === "gateway" && source["history"] === "buffer")
      problems.push({ path: [...path, index, "time"], on: "value", found: "time: gateway together with history: buffer", expected: "time: source, shifted or auto: readings out of a buffer are old, and our clock cannot date them" });
  });
}

/** A step that each cycle makes must not be held as a glitch. */
function countable(machine: Readonly<Record<string, unknown>>, path: Path, problems: Problem[]): void {
  const count = isRecord(machine["count"]) ? machine["count"]["maximum_step"] : undefined;
  const parts = isRecord(machine["cycle"]) ? machine["cycle"]["parts_per_cycle"] : undefined;
  if (typeof parts !== "number") return;
  const limit = typeof count === "number" ? count : 100;
  if (parts > limit) problems.push({ path: [...path, ...(typeof count === "number" ? ["count", "maximum_step"] : ["cycle", "parts_per_cycle"])], on: "value", found: `${parts} parts a cycle, more than the largest step that counts at once (${limit})`, expected: `count: {maximum_step: ${parts}} or more` });
}
