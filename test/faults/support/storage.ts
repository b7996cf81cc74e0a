/** Starts lives of the storage process (support/storage-process.ts) and says what became of them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { program } from "./built.ts";
import { receivedLog, storedLog } from "./evidence.ts";
import type { Work } from "./storage-process.ts";
import { REPLACED } from "./work.ts";

export interface Life {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly opened: boolean;
  /** From its start until the first commit of this life was stored; null when none was. */
  readonly workingMs: number | null;
  /** From its start until its end. */
  readonly endedMs: number;
  /** How far each machine came, when it ended well. */
  readonly told: Readonly<Record<string, number>> | null;
  readonly closed: boolean;
  /** The end of what it said about trouble. */
  readonly words: string;
}
export interface LifeOptions extends Partial<Omit<Work, "dataDir">> {
  /** Killed (-9) after so long; ms. */
  readonly killAfterMs?: number;
  /** The same, counted from its first stored commit. */
  readonly killAfterWorkMs?: number;
  /** It should have ended by itself by then; it is killed, and `code` is null. */
  readonly longestMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Put before the program: `prlimit …`, `faketime …`. */
  readonly under?: readonly string[];
  readonly dataDir?: string;
}

const LONGEST_MS = 30_000;
const WORDS = 4_000;

export async function life(folder: string, { killAfterMs, killAfterWorkMs, longestMs = LONGEST_MS, env = {}, under = [], ...changes }: LifeOptions): Promise<Life> {
  const work: Work = {
    dataDir: join(folder, "data"), stored: storedLog(folder), received: receivedLog(folder), connection: "1", seed: 1, facts: 10, ...changes,
  };
  mkdirSync(work.dataDir, { recursive: true });
  for (const log of [work.stored, work.received]) dropTornLine(log);
  const [command, ...args] = [...under, process.execPath, program("storage-process"), JSON.stringify(work)];
  const sinceMs = performance.now();
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NODE_OPTIONS: "", ...env } });
  let [out, words, workingMs] = ["", "", null as number | null];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    out += chunk;
    if (workingMs !== null || !out.includes('"working"')) return;
    workingMs = performance.now() - sinceMs;
    if (killAfterWorkMs !== undefined) setTimeout(() => child.kill("SIGKILL"), killAfterWorkMs);
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (words = (words + chunk).slice(-WORDS)));
  const timer = setTimeout(() => child.kill("SIGKILL"), killAfterMs ?? longestMs);
  const [code, signal] = await once(child, "close") as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  const [, told] = /^(\{"told":.*)$/m.exec(out) ?? [];
  return {
    code, signal, workingMs, words, endedMs: performance.now() - sinceMs, opened: out.includes('"opened"'), closed: out.includes('"closed"'),
    told: told === undefined ? null : (JSON.parse(told) as { told: Record<string, number> }).told,
  };
}

/** A kill may have cut the log's last line short: that message was not taken whole. */
function dropTornLine(log: string): void {
  if (!existsSync(log)) return;
  const bytes = readFileSync(log);
  truncateSync(log, bytes.lastIndexOf("\n") + 1);
}

/** The last life of a run: no fault any more, some facts more, everything delivered. Says what was wrong with it. */
export async function recovered(folder: string, options: LifeOptions): Promise<{ readonly wrong: readonly string[]; readonly told: Readonly<Record<string, number>>; readonly backMs: number; readonly words: string }> {
  let last = await life(folder, options);
  let beforeMs = 0;
  if (last.code === REPLACED) { // Damage met at work: a new file stands, and the agent would be put together again.
    beforeMs = last.endedMs;
    last = await life(folder, { ...options, connection: `${options.connection ?? ""} again` });
  }
  const wrong = last.told !== null && last.closed && last.code === 0 ? [] : [`the life after the faults ended with ${last.signal ?? String(last.code)}: ${last.words}`];
  return { wrong, told: last.told ?? {}, backMs: beforeMs + (last.workingMs ?? Infinity), words: last.words };
}
