/**
 * A record as the audit sees it: the fields it checks, times as epoch ms, decoded here and nowhere else. Shares no code
 * with what makes records: only the vocabulary's types come from the contract.
 */
import type { CycleKind, CycleOutcome, DowntimeCategory, MachineState, RecordType } from "../contract/record.ts";

export interface Interval {
  readonly start: number;
  /** Null while open. */
  readonly end: number | null;
}
export interface Counter {
  readonly name: string;
  readonly epoch: number;
  readonly from: number | null;
  readonly to: number;
}
interface Common extends Interval {
  readonly id: string;
  readonly rev: number;
  readonly machine: string | null;
  readonly status: "open" | "closed" | "void";
  readonly durationMs: number | null;
}
export interface StateFact extends Common {
  readonly type: "state";
  readonly state: MachineState;
  readonly unknownMs: number | null;
  readonly prevState: MachineState | null;
}
export interface CycleFact extends Common {
  readonly type: "cycle";
  readonly kind: CycleKind;
  readonly outcome: CycleOutcome;
  readonly elapsedMs: number;
  readonly inCycleMs: number;
  readonly heldMs: number;
  readonly unknownMs: number;
  readonly parts: number;
  readonly ofRecord: boolean;
  readonly counter: Counter | null;
  readonly names: readonly string[];
}
export interface CountFact extends Common {
  readonly type: "count";
  readonly counter: Counter;
  readonly delta: number;
  readonly reset: boolean;
  readonly rollover: boolean;
  readonly plausibility: "ok" | "suspect" | "rejected";
  readonly ofRecord: boolean;
  readonly names: readonly string[];
}
export interface DowntimeFact extends Common {
  readonly type: "downtime";
  readonly category: DowntimeCategory;
  readonly segments: readonly (Interval & { readonly ms: number })[];
  readonly names: readonly string[];
}
export interface AlarmFact extends Common {
  readonly type: "alarm";
  readonly severity: string;
  readonly blocking: boolean;
  readonly raiseCount: number;
  readonly clearedBy: string | null;
}
export interface ConnectionFact extends Common {
  readonly type: "connection";
  readonly source: string;
  readonly kind: string;
  readonly lastGoodAt: number | null;
}
export interface SummaryFact extends Common {
  readonly type: "summary";
  readonly window: string;
  readonly stateMs: Readonly<Record<string, number>>;
  readonly categoryMs: Readonly<Record<string, number>>;
  readonly calendarMs: number;
  readonly scheduledMs: number;
  readonly counts: Readonly<Record<"cycles" | CycleOutcome | "parts", number>>;
  readonly kpis: readonly { readonly name: string; readonly num: number; readonly den: number; readonly value: number | null }[];
  readonly coverage: number | null;
}
export interface LossFact extends Common {
  readonly type: "loss";
  readonly lostEpoch: string;
  readonly fromSeq: number | null;
  readonly toSeq: number | null;
}
export interface ReceiptFact extends Common {
  readonly type: "receipt";
  /** Of the site: YYYY-MM-DD. */
  readonly date: string;
  readonly tz: string;
  readonly made: Readonly<Record<string, number>>;
  readonly ranges: readonly { readonly epoch: string; readonly from: number; readonly to: number }[];
  readonly destinations: readonly {
    readonly name: string; readonly due: number; readonly delivered: number; readonly confirmed: number | null; readonly waiting: number;
    readonly dropped: Readonly<Record<string, number>>;
  }[];
  readonly gapCount: number;
  readonly gapMs: number;
}
export type Fact = StateFact | CycleFact | CountFact | DowntimeFact | AlarmFact | ConnectionFact | SummaryFact | LossFact | ReceiptFact;
export type FactOf<T extends RecordType> = Extract<Fact, { readonly type: T }>;
