/** What holds for every record by itself: its bounds, and that the records it names exist. */
import type { Fact } from "./fact.ts";
import type { Findings } from "./finding.ts";
import { subject } from "./ledger.ts";

export function checkInterval(fact: Fact, findings: Findings): void {
  const { status, start, end, durationMs } = fact;
  const wrong = (words: string): void => findings.add("interval", subject(fact), `this ${fact.type} ${words}`);
  if ((status === "open") !== (end === null)) return wrong(`is ${status}, but its end is ${end === null ? "null" : "given"}`);
  if (end === null) return durationMs === null ? undefined : wrong("is open, but has a duration");
  if (end < start) wrong("ends before it starts");
  else if (end === start && fact.type === "state") wrong("lasts no time, so the machine was never in it");
  if (durationMs !== end - start) wrong(`says ${durationMs} ms, but lasts ${end - start} ms`);
}

export function checkReferences(fact: Fact, exists: (id: string) => boolean, findings: Findings): void {
  if (!("names" in fact)) return;
  for (const id of fact.names) if (!exists(id)) findings.add("reference", { ...subject(fact), ids: [fact.id, id] }, `this ${fact.type} names the record ${id}, which is not here`);
}

export function checkAlarm(fact: Fact, findings: Findings): void {
  if (fact.type !== "alarm") return;
  const wrong = (words: string): void => findings.add("alarm", subject(fact), words);
  if (fact.blocking !== (fact.severity === "fault")) wrong(`this ${fact.severity} ${fact.blocking ? "blocks" : "does not block"}`);
  if (fact.raiseCount < 1) wrong("this alarm was never raised");
  if ((fact.clearedBy === null) !== (fact.status === "open")) wrong(`this alarm is ${fact.status}, but ${fact.clearedBy === null ? "nothing cleared it" : `${fact.clearedBy} cleared it`}`);
}
