/** Receipts: one for each machine and day, they add up, and no more is here than they say was made. */
import { total } from "./check-summaries.ts";
import type { Chain } from "./chain.ts";
import type { ReceiptFact } from "./fact.ts";
import type { Findings } from "./finding.ts";
import { subject } from "./ledger.ts";

export function checkReceipts(receipts: readonly ReceiptFact[], chain: Pick<Chain, "held">, findings: Findings): void {
  const ids = new Map<string, string>();
  for (const receipt of receipts) {
    const key = `${receipt.machine ?? ""} ${receipt.date}`;
    const other = ids.get(key);
    if (other !== undefined) findings.add("receipt-key", subject(receipt), `${receipt.date}: there is another receipt of this day, ${other}`);
    ids.set(key, receipt.id);
    checkDay(receipt, findings);
    checkSums(receipt, findings);
    const made = total(receipt.made);
    const held = receipt.ranges.reduce((sum, range) => sum + chain.held(receipt.machine, range), 0);
    if (held > made) findings.add("receipt-rows", subject(receipt), `${receipt.date}: ${held} records lie in its ranges, but it says that ${made} were made`);
  }
}

function checkDay(receipt: ReceiptFact, findings: Findings): void {
  const wrong = (words: string): void => findings.add("receipt-key", subject(receipt), `${receipt.date}: ${words}`);
  if (receipt.end === null) return wrong("it has no end");
  // Swedish dates are YYYY-MM-DD.
  const local = new Intl.DateTimeFormat("sv-SE", { timeZone: receipt.tz, year: "numeric", month: "2-digit", day: "2-digit" });
  if (local.format(receipt.start) !== receipt.date || local.format(receipt.start - 1) === receipt.date || local.format(receipt.end - 1) !== receipt.date || local.format(receipt.end) === receipt.date)
    wrong(`it goes from ${local.format(receipt.start)} to ${local.format(receipt.end)} in ${receipt.tz}, not over that day`);
}

function checkSums(receipt: ReceiptFact, findings: Findings): void {
  const wrong = (words: string): void => findings.add("receipt-sum", subject(receipt), `${receipt.date}: ${words}`);
  const made = total(receipt.made);
  for (const { name, due, delivered, confirmed, waiting, dropped } of receipt.destinations) {
    if (due !== delivered + waiting + total(dropped)) wrong(`${name}: ${due} due are not ${delivered} delivered + ${waiting} waiting + ${total(dropped)} dropped`);
    if (due > made) wrong(`${name}: ${due} due, but ${made} made`);
    if (confirmed !== null && confirmed > delivered) wrong(`${name}: ${confirmed} confirmed of ${delivered} delivered`);
  }
  if (receipt.gapCount === 0 && receipt.gapMs > 0) wrong(`${receipt.gapMs} ms of gaps, but none counted`);
}
