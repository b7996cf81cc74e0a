/** What the buffer lost, as facts; whoever opens it gives them an id, a context and a zone, which are not the buffer's to know. */
import type { Body, NewRecord, RecordType } from "../../agent/contract/record.ts";
import { rfc3339, type UnixMs } from "../../agent/contract/time.ts";
import type { PreparedRow } from "../ledger/ledger.ts";

/** Natural key of the record: destination, lostEpoch, fromSeq (design.md P3). */
export interface Loss {
  /** Whose records; null: every destination's. */
  readonly destination: string | null;
  readonly reason: Body<"loss">["reason"];
  readonly lostEpoch: string;
  /** First and last lost number; null when unknown. */
  readonly fromSeq: number | null;
  readonly toSeq: number | null;
  readonly count: number | null;
  readonly byType: Readonly<Partial<Record<RecordType, number>>>;
  /** Of the record that tells it: 1 unless it was told before. */
  readonly rev?: number;
  /** What was told before is no longer so. */
  readonly isVoid?: boolean;
  /** Event times the lost rows tell of, as far as known: start of the first, end of the last; gateway time where unknown. */
  readonly start: UnixMs;
  readonly end: UnixMs;
}

/** Makes the record; called inside the transaction that notes the loss, so it must be quick and must not throw. */
export type DescribeLoss = (loss: Loss) => { readonly context: string; readonly record: NewRecord<"loss"> };

/** The record of a loss, given the id derived from its natural key. */
export function lossRecord(loss: Loss, id: string, utcOffsetMin: number): NewRecord<"loss"> {
  const { start, end, rev = 1, isVoid = false, ...facts } = loss;
  const byType: Record<string, number> = {};
  for (const [type, count] of Object.entries(facts.byType)) byType[type] = count;
  return {
    type: "loss", id, rev, start,
    body: {
      status: isVoid ? "void" : "closed", start: rfc3339(start), end: rfc3339(end), durationMs: end - start, utcOffsetMin,
      timing: { kind: "inferred", uncertaintyMs: 0 },
      destination: facts.destination, reason: facts.reason, lostEpoch: facts.lostEpoch,
      fromSeq: facts.fromSeq, toSeq: facts.toSeq, count: facts.count, byType,
    },
  };
}

/** The row that tells of a loss. */
export function lossRow(describe: DescribeLoss, loss: Loss, learnedAt = loss.end): PreparedRow {
  const { context, record } = describe(loss);
  return {
    machine: null, context, type: "loss", id: record.id, rev: record.rev, start: record.start, observedAt: learnedAt, late: false, clock: null,
    body: JSON.stringify(record.body),
  };
}
