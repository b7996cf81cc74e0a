/**
 * The rows of a buffer as one destination got them (design.md §5.3): `seq` names a row for ever, `prev` the row before
 * it that was due. A row that `prev` names and nobody brought is missing, unless a loss record covers it.
 */
import type { Place } from "./decode.ts";
import type { RecordType } from "../contract/record.ts";
import type { Fact, LossFact } from "./fact.ts";
import type { Findings } from "./finding.ts";
import { subject } from "./ledger.ts";

interface Row {
  readonly prev: number;
  readonly machine: string | null;
  readonly type: RecordType;
  readonly key: string;
}

export class Chain {
  readonly #epochs = new Map<string, Map<number, Row>>();
  readonly #findings: Findings;
  constructor(findings: Findings) {
    this.#findings = findings;
  }

  add({ epoch, seq, prev }: Place, fact: Fact): void {
    const rows = this.#epochs.get(epoch) ?? new Map<number, Row>();
    this.#epochs.set(epoch, rows);
    const key = `${fact.id}:${fact.rev}`;
    const before = rows.get(seq);
    if (!before) rows.set(seq, { prev, key, machine: fact.machine, type: fact.type });
    else if (before.key !== key) this.#findings.add("chain", subject(fact), `row ${seq} of ${epoch} is ${before.key} and ${key}`);
    else if (before.prev !== prev) this.#findings.add("chain", subject(fact), `row ${seq} of ${epoch} names both ${before.prev} and ${prev} as the row before`);
    if (prev >= seq) this.#findings.add("chain", subject(fact), `row ${seq} of ${epoch} names ${prev} as the row before`);
  }

  /** How many rows of a machine are here with numbers from `from` to `to`, receipts left out. */
  held(machine: string | null, { epoch, from, to }: { readonly epoch: string; readonly from: number; readonly to: number }): number {
    let count = 0;
    for (const [seq, row] of this.#epochs.get(epoch) ?? []) if (seq >= from && seq <= to && row.machine === machine && row.type !== "receipt") count += 1;
    return count;
  }

  conclude(losses: readonly LossFact[]): void {
    for (const [epoch, rows] of this.#epochs) {
      const lost = losses.filter(({ lostEpoch }) => lostEpoch === epoch);
      const seqs = [...rows.keys()].sort((one, other) => one - other);
      let last = 0;
      for (const seq of seqs) {
        const prev = rows.get(seq)?.prev ?? last;
        const covered = prev === last || (prev > last && lostThrough(lost, last) >= prev);
        if (!covered) this.#findings.add("chain", { machine: null, at: null, ids: [] }, missing(epoch, last, seq, prev));
        last = seq;
      }
    }
  }
}

/** How far losses, one behind the other, name what comes after `last`. */
function lostThrough(losses: readonly LossFact[], last: number): number {
  let through = last;
  for (const { fromSeq, toSeq } of [...losses].sort((one, other) => (one.fromSeq ?? 0) - (other.fromSeq ?? 0)))
    if ((fromSeq ?? 0) <= through + 1) through = Math.max(through, toSeq ?? Number.POSITIVE_INFINITY);
  return through;
}
const missing = (epoch: string, last: number, seq: number, prev: number): string =>
  prev < last
    ? `in ${epoch}, row ${seq} says that ${prev} came before it, but ${last} did`
    : `in ${epoch}, rows after ${last} through ${prev} are missing, and no loss record says so`;
