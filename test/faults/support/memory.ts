/** Memory of a process, from /proc: what it has now and the most it ever had. */
import { readFileSync } from "node:fs";

/** Bytes; null when there is no such process (any more). */
export function peakBytes(pid: number | undefined): number | null {
  if (pid === undefined) return null;
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return kilobytes === undefined ? null : Number(kilobytes) * 1_024;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause) return null; // It has ended.
    throw cause;
  }
}
