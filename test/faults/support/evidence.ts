/** Where a run keeps its two logs, and how a verdict becomes a tally. */
import { join } from "node:path";
import type { Tally } from "../case.ts";
import { check, type Due, type Evidence } from "../checker/check.ts";
import { readReceived, readStored } from "../checker/logs.ts";

export const storedLog = (folder: string): string => join(folder, "stored.log");
export const receivedLog = (folder: string): string => join(folder, "received.log");

interface Judged {
  readonly destinations: readonly Due[];
  readonly exact: boolean;
  readonly expected?: Evidence["expected"];
  readonly faults: number;
  /** Found by the case itself, beside what the checker finds. */
  readonly also?: readonly string[];
  readonly backMs?: number;
  readonly note?: string;
}

/** Reads both logs of the folder and judges them. */
export function judged(folder: string, { destinations, exact, expected, faults, also = [], ...more }: Judged): Tally {
  const verdict = check({ destinations, exact, stored: readStored(storedLog(folder)), received: readReceived(receivedLog(folder)), ...(expected && { expected }) });
  return {
    faults, stored: verdict.stored, messages: verdict.messages, covered: verdict.covered, repeats: verdict.repeats,
    violations: [...also, ...verdict.violations, ...(verdict.more > 0 ? [`and ${verdict.more} more`] : [])], ...more,
  };
}
