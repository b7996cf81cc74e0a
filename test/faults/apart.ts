/**
 * Performs a run in a process of its own (run-one.ts): runs share no event loop, and the memory of one is gone with it.
 * What the process starts is of its group and ends with it: when it is done, at its time limit, and when the harness is
 * told to stop. Its temporary files lie in the run's folder; so does the end of what it said, when it failed.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FaultCase, Order, Tally } from "./case.ts";
import { program } from "./support/built.ts";
import { failed } from "./support/tallies.ts";

const WORDS = 100_000;
const SHOWN = 2_000;

/** Null when the signal has ended it. */
export async function apart({ longestMs }: FaultCase, order: Order, signal: AbortSignal): Promise<Tally | null> {
  // Advanced: a number may be infinite.
  const child = fork(program("run-one"), [JSON.stringify(order)], { detached: true, serialization: "advanced", stdio: ["ignore", "pipe", "pipe", "ipc"], env: { ...process.env, TMPDIR: order.folder } });
  let words = "";
  let answer: Tally | null = null;
  let isLate = false;
  const keep = (chunk: Buffer): void => void (words = (words + chunk.toString()).slice(-WORDS));
  const end = (): void => endGroup(child.pid);
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  child.on("message", (message) => (answer = message as Tally));
  child.once("exit", end);
  signal.addEventListener("abort", end);
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, longestMs);
  const [code, killedBy] = await once(child, "close") as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  signal.removeEventListener("abort", end);
  if (signal.aborted) return null;
  const tally: Tally = isLate ? failed(`not done within ${longestMs} ms`) : answer ?? failed(`the run's process ended with ${killedBy ?? String(code)}: ${words.slice(-SHOWN)}`);
  if (tally.violations.length > 0 && words !== "") writeFileSync(join(order.folder, "run.log"), words);
  return tally;
}

function endGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGKILL");
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "ESRCH")) throw cause; // All of it has ended.
  }
}
