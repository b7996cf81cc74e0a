/** One batch handed over to a link: what of it is still to be sent, what came back, and how it ends: with an outcome, or with why the link went when nothing came back. */
import type { LinkError } from "../../agent/contract/errors.ts";
import type { Outcome, StoredRecord } from "../../agent/contract/outbox.ts";
import type { Clock } from "../../agent/contract/time.ts";

/** After an abort: how long what is in flight is waited for. */
const GRACE_MS = 2_000;

export interface Job {
  readonly records: readonly StoredRecord[];
  readonly isRepeat: (record: StoredRecord) => boolean;
  next: number;
  outstanding: number;
  readonly accepted: number[];
  readonly rejected: { readonly seq: number; readonly reason: string }[];
  readonly finish: (error: LinkError | null) => void;
}

export interface Batch extends Pick<Job, "records" | "isRepeat"> {
  readonly signal: AbortSignal;
  readonly network: Clock;
}

/** Puts it among the `open` ones until it ends. `isDone`: there is nothing to send. */
export function openJob({ records, isRepeat, signal, network }: Batch, open: Set<Job>): { readonly job: Job; readonly outcome: Promise<Outcome>; readonly isDone: boolean } {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  let cancelGrace: (() => void) | null = null;
  const onAbort = (): void => {
    job.next = records.length; // What has not left stays with the caller.
    if (job.outstanding === 0) job.finish(null);
    else cancelGrace = network.after(GRACE_MS, () => job.finish(null));
  };
  const job: Job = {
    records, isRepeat, next: 0, outstanding: 0, accepted: [], rejected: [],
    finish(error) {
      if (!open.delete(job)) return;
      signal.removeEventListener("abort", onAbort);
      cancelGrace?.();
      if (error && job.accepted.length === 0 && job.rejected.length === 0) reject(error);
      else resolve({ accepted: job.accepted, rejected: job.rejected });
    },
  };
  open.add(job);
  const isDone = signal.aborted || records.length === 0;
  if (isDone) job.finish(null);
  else signal.addEventListener("abort", onAbort, { once: true });
  return { job, outcome: promise, isDone };
}
