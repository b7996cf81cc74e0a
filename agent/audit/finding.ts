/** What the audit found wrong, and the list of its rules: one sentence each, from records.md §1, §2, §6, §7 and design.md §1. */

export const RULES = {
  unreadable: "every line is one record, whole and with the fields of its type",
  "id-form": "a record id is a UUIDv5, and the envelope repeats id, revision, type and start of the record",
  "one-body": "one id and revision has one body, whatever was repeated",
  "revision-hole": "revisions of a record count 1, 2, 3 without a hole",
  interval: "a record ends after it starts; its duration is end minus start; both are null exactly while it is open",
  "state-overlap": "a machine is in one state at a time",
  "state-hole": "states of a machine follow each other without a hole",
  "state-order": "the state before is the one the record names; only the last may be open",
  "unknown-uncovered": "UNKNOWN time has a gap record that says why",
  "unknown-ms": "unknownMs is the whole of an UNKNOWN state and nothing of another",
  "cycle-sum": "a cycle's length is in cycle + held + unknown, to the millisecond",
  "cycle-overlap": "cycles of a machine do not overlap",
  "cycle-state": "a cycle's parts are those of the states under it",
  "cycle-parts": "only a production cycle makes parts, and without a counter only a completed one",
  "quantity-of-record": "a part is counted once: by its cycle or by its counter, and they agree",
  "count-sum": "a count's delta is what its counter says, and a rejected one counts nothing",
  "count-chain": "values of one counter epoch follow each other",
  "downtime-unknown": "no downtime inside unknown time",
  "downtime-running": "no downtime while the machine runs",
  "downtime-overlap": "downtimes of a machine do not overlap",
  "downtime-segments": "the segments of a closed downtime tile it",
  alarm: "an alarm blocks exactly when it is a fault, was raised at least once, and says what cleared it once it is over",
  gap: "gaps of one source do not overlap, and follow what was last good",
  "summary-sum": "times per state and per category add up to the window, counts to their total, ratios to their terms",
  "summary-states": "a summary's state times are those of the states in its window",
  "summary-counts": "a summary counts what ended in its window",
  "receipt-sum": "a receipt adds up: what was due was delivered, waits or was dropped; no more was due than was made, none confirmed that was not delivered",
  "receipt-key": "there is one receipt for each machine and day, of the site's midnight to midnight",
  "receipt-rows": "of the numbers a receipt names, a machine has no more records than the receipt says were made",
  reference: "a record that another one names is there",
  chain: "every row is there: seq names one record, prev the row before, and what is missing has a loss record",
} as const;
export type Rule = keyof typeof RULES;

export interface Finding {
  readonly rule: Rule;
  /** Null for records of the agent itself and for lines that cannot be read. */
  readonly machine: string | null;
  /** RFC 3339; null when no time can be named. */
  readonly at: string | null;
  readonly recordIds: readonly string[];
  readonly words: string;
}

/** Takes findings; keeps the first ones and counts all, because a broken file may give one for every line. */
export interface Findings {
  add(rule: Rule, fact: { readonly machine: string | null; readonly at: number | null; readonly ids: readonly string[] }, words: string): void;
}

export const iso = (at: number): string => new Date(at).toISOString();
