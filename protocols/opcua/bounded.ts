/** A wait of the library with a deadline of ours: while it mends a connection it answers nothing, and takes no signal. */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Clock } from "../../agent/contract/time.ts";

export interface Bound {
  readonly network: Clock;
  readonly timeoutMs: number;
  /** For the message: "reading the namespaces of 10.0.7.30:4840". */
  readonly what: string;
}

/** Rejects with LinkError("timeout"), or with the signal's reason. What the wait was for may still happen: nobody hears of it. */
export async function bounded<T>(work: Promise<T>, { network, timeoutMs, what }: Bound, signal: AbortSignal): Promise<T> {
  // However the wait ends, nobody may be left to hear of what the work ends with.
  work.catch(() => undefined);
  signal.throwIfAborted();
  const deadline = network.deadline(timeoutMs, signal);
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const end = (): void => {
    reject(signal.aborted ? reasonOf(signal) : new LinkError("timeout", "backoff", `${what}: no answer within ${timeoutMs / 1_000} s`));
  };
  deadline.signal.addEventListener("abort", end, { once: true });
  try {
    return await Promise.race([work, ended]);
  } finally {
    deadline.signal.removeEventListener("abort", end);
    deadline.clear();
  }
}

const reasonOf = ({ reason }: AbortSignal): Error => (reason instanceof Error ? reason : new Error("stopped"));
