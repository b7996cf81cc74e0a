/**
 * Do records obey the rules? Reads records as JSON lines in any order, with repeats and all revisions, and judges what
 * they say together. Independent of what made them: of the agent only the vocabulary's types are used, so that an error
 * in a detector is not repeated here. One destination's records at a time, from the first row on.
 */
import { Chain } from "./chain.ts";
import { checkAlarm, checkInterval, checkReferences } from "./check-intervals.ts";
import { checkCycles } from "./check-cycles.ts";
import { checkDowntimes } from "./check-downtimes.ts";
import { checkParts } from "./check-parts.ts";
import { checkReceipts } from "./check-receipts.ts";
import { checkGaps, checkStates } from "./check-states.ts";
import { checkSummary } from "./check-summaries.ts";
import { decodeLine } from "./decode.ts";
import type { RecordType } from "../contract/record.ts";
import type { Fact, FactOf } from "./fact.ts";
import { Malformed } from "./fields.ts";
import { iso, type Finding, type Findings, type Rule } from "./finding.ts";
import { Ledger } from "./ledger.ts";
import { Timeline } from "./spans.ts";

export interface AuditReport {
  /** Lines that are not blank. */
  readonly lines: number;
  /** Records by id; each may have come many times and in many revisions. */
  readonly records: number;
  readonly machines: readonly string[];
  /** The first ones, in the order in which they were found. */
  readonly findings: readonly Finding[];
  /** All of them, by rule. */
  readonly counts: Readonly<Partial<Record<Rule, number>>>;
  readonly good: boolean;
}

const FINDINGS_KEPT = 1_000;
/** Memory grows with the number of records, some 500 bytes each. */
const RECORDS_LIMIT = 4_000_000;

/** Never rejects for what the records say, only where the lines cannot be read on (or are more than 4 million records). */
export async function auditRecords(lines: AsyncIterable<string>): Promise<AuditReport> {
  const collected = collector();
  const ledger = new Ledger(collected);
  const chain = new Chain(collected);
  let count = 0;
  for await (const line of lines) {
    if (line.trim() === "") continue;
    count += 1;
    take(line, count, { ledger, chain, findings: collected });
    if (ledger.size > RECORDS_LIMIT) throw new RangeError(`more than ${RECORDS_LIMIT} records; audit one machine or one month at a time`);
  }
  const facts = ledger.conclude();
  for (const fact of facts) {
    checkInterval(fact, collected);
    checkAlarm(fact, collected);
    checkReferences(fact, (id) => ledger.has(id), collected);
  }
  chain.conclude(only(facts, "loss"));
  checkReceipts(only(facts, "receipt"), chain, collected);
  const machines = Map.groupBy(facts.filter(({ machine }) => machine !== null), ({ machine }) => machine ?? "");
  for (const of of machines.values()) checkMachine(of, collected);
  const { findings, counts } = collected;
  return { lines: count, records: ledger.size, machines: [...machines.keys()].sort(), findings, counts, good: Object.keys(counts).length === 0 };
}

function take(line: string, number: number, { ledger, chain, findings }: { readonly ledger: Ledger; readonly chain: Chain; readonly findings: Findings }): void {
  try {
    const decoded = decodeLine(line);
    ledger.add(decoded);
    if (decoded.place) chain.add(decoded.place, decoded.fact);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    findings.add("unreadable", { machine: null, at: null, ids: [] }, `line ${number}: ${error.message}`);
  }
}

function checkMachine(facts: readonly Fact[], findings: Findings): void {
  const states = new Timeline(only(facts, "state"));
  const [cycles, counts] = [only(facts, "cycle"), only(facts, "count")];
  checkStates(states, findings);
  checkGaps(states, only(facts, "connection"), findings);
  checkCycles(cycles, states, findings);
  checkParts(cycles, counts, findings);
  checkDowntimes(only(facts, "downtime"), states, findings);
  for (const summary of only(facts, "summary")) checkSummary(summary, { states, cycles, counts }, findings);
}

const only = <T extends RecordType>(facts: readonly Fact[], type: T): readonly FactOf<T>[] => facts.filter((fact): fact is FactOf<T> => fact.type === type);

function collector(): Findings & { readonly findings: Finding[]; readonly counts: Partial<Record<Rule, number>> } {
  const findings: Finding[] = [];
  const counts: Partial<Record<Rule, number>> = {};
  return {
    findings,
    counts,
    add(rule, { machine, at, ids }, words) {
      counts[rule] = (counts[rule] ?? 0) + 1;
      if (findings.length < FINDINGS_KEPT) findings.push({ rule, machine, at: at === null ? null : iso(at), recordIds: ids, words });
    },
  };
}
