/** Parts: counters add up, and each part counts once, in its cycle's record or in its counter's. */
import type { CountFact, CycleFact } from "./fact.ts";
import type { Findings } from "./finding.ts";
import { subject } from "./ledger.ts";
import { byStart } from "./spans.ts";

export function checkParts(cycles: readonly CycleFact[], counts: readonly CountFact[], findings: Findings): void {
  for (const count of counts) checkDelta(count, findings);
  checkEpochs(counts, findings);
  const linked = new Map<string, CountFact[]>();
  for (const count of counts) for (const id of count.names) linked.set(id, [...(linked.get(id) ?? []), count]);
  for (const cycle of cycles) checkQuantity(cycle, linked.get(cycle.id) ?? [], findings);
}

function checkDelta(count: CountFact, findings: Findings): void {
  const { counter: { from, to }, delta, reset, rollover, plausibility, ofRecord } = count;
  const wrong = (words: string): void => findings.add("count-sum", subject(count), words);
  if (plausibility === "rejected") {
    if (delta !== 0 || ofRecord) wrong(`a rejected count counts ${delta}${ofRecord ? " and is the quantity of record" : ""}`);
  } else if (reset) {
    if (delta > to) wrong(`after a reset to ${to} at most ${to} parts were made, not ${delta}`);
  } else if (!rollover && from !== null && delta !== 0 && delta !== to - from) wrong(`from ${from} to ${to} is ${to - from}, not ${delta}`);
}

/** Values of one epoch, in order of time. Rejected ones are no values of the counter, and a reset's `from` is of the epoch before. */
function checkEpochs(counts: readonly CountFact[], findings: Findings): void {
  const last = new Map<string, CountFact>();
  for (const count of byStart(counts.filter(({ plausibility }) => plausibility !== "rejected"))) {
    const { name, epoch, from, to } = count.counter;
    const before = last.get(name);
    last.set(name, count);
    if (!before) continue;
    const pair = { ...subject(count), ids: [before.id, count.id] };
    if (epoch < before.counter.epoch) findings.add("count-chain", pair, `${name} went from epoch ${before.counter.epoch} back to ${epoch}`);
    else if (epoch > before.counter.epoch) continue;
    else if (to === before.counter.to) findings.add("count-chain", pair, `${name} reached ${to} twice in epoch ${epoch}`);
    else if (from !== null && from !== before.counter.to && !count.rollover) findings.add("count-chain", pair, `${name} goes on from ${from}, but stood at ${before.counter.to}`);
  }
}

function checkQuantity(cycle: CycleFact, counts: readonly CountFact[], findings: Findings): void {
  const ofRecord = counts.filter((count) => count.ofRecord);
  const where = { ...subject(cycle), ids: [cycle.id, ...counts.map(({ id }) => id)] };
  if (cycle.ofRecord) {
    if (ofRecord.length > 0) findings.add("quantity-of-record", where, "its parts count in the cycle and in the counter's record");
    return;
  }
  const counted = ofRecord.reduce((sum, { delta }) => sum + delta, 0);
  if (counted !== cycle.parts) findings.add("quantity-of-record", where, `the cycle says ${cycle.parts} parts, its counter's records ${counted}`);
}
