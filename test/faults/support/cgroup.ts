/**
 * A memory limit for one process by a control group of our own, of version 1 or 2; null where the system gives us none
 * (no root, no controller). Page cache counts too, as on a device.
 */
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Cap {
  /** Put before the program. */
  readonly under: readonly string[];
  /** Most it ever held; bytes. */
  peakBytes(): number;
  /** When its process has ended. */
  remove(): void;
}

const ROOTS = [
  { root: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes", peak: "memory.max_usage_in_bytes", is: () => existsSync("/sys/fs/cgroup/memory/memory.limit_in_bytes") },
  { root: "/sys/fs/cgroup", limit: "memory.max", peak: "memory.peak", is: () => existsSync("/sys/fs/cgroup/cgroup.subtree_control") && readFileSync("/sys/fs/cgroup/cgroup.subtree_control", "utf8").includes("memory") },
] as const;

export function memoryCap(bytes: number): Cap | null {
  const found = ROOTS.find(({ is }) => is());
  if (!found) return null;
  const group = join(found.root, `cellgate-faults-${process.pid}-${process.hrtime.bigint()}`);
  try {
    accessSync(found.root, constants.W_OK);
    mkdirSync(group);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause) return null; // Not ours to make.
    throw cause;
  }
  writeFileSync(join(group, found.limit), String(bytes));
  return {
    under: ["sh", "-c", `echo $$ > ${join(group, "cgroup.procs")} && exec "$@"`, "sh"],
    peakBytes: () => Number(readFileSync(join(group, found.peak), "utf8")),
    remove: () => rmdirSync(group),
  };
}
