/**
 * After an unclean stop the whole database is looked through once by another process (buffer/damage/check-database.ts), while the
 * agent works: row checksums find damage where rows are read, this finds it between them. Ended at its limit, when the
 * signal aborts, and with us. What it cannot say (ended, out of memory, file busy) is no verdict.
 */
import { execFile } from "node:child_process";
import type { Log } from "../../agent/contract/ports.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { CHECK_DATABASE, type Verdict } from "./check-database.ts";

/** Damage in words, or null when none was found or nothing can be said. */
export type QuickCheck = (path: string, signal: AbortSignal) => Promise<string | null>;

const LIMIT_MS = 60_000;
const OUTPUT_BYTES = 64 * 1024;
/** The check walks pages; it needs no heap. */
const FLAGS = ["--max-old-space-size=32", "--max-semi-space-size=1"];

/** `program`: the file of the agent's own program, which knows the word. */
export const quickCheckBy = (program: string, { clock, log }: { readonly clock: Clock; readonly log: Log }): QuickCheck => (path, signal) => new Promise((resolve) => {
  const limit = clock.deadline(LIMIT_MS, signal);
  const began = clock.now().monoMs;
  execFile(process.execPath, [...FLAGS, program, CHECK_DATABASE, path], { signal: limit.signal, killSignal: "SIGKILL", maxBuffer: OUTPUT_BYTES }, (error, stdout) => {
    limit.clear();
    const tookMs = Math.round(clock.now().monoMs - began);
    if (error) {
      if (!signal.aborted) log.warn({ tookMs, limitMs: LIMIT_MS, reason: error.message.slice(0, 500) }, "the look through the buffer after an unclean stop came to no verdict: damage is found where rows are read");
      return resolve(null);
    }
    const { found } = JSON.parse(stdout) as Verdict;
    if (found === null) log.info({ tookMs }, "the buffer was looked through after an unclean stop: no damage");
    resolve(found);
  });
});
