/** Starts machines.ts and waits until its machines can be asked. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Polls, Ready, Wanted } from "./machines.ts";

export interface Machines extends Ready, AsyncDisposable {
  /** Since the question before. */
  polls(): Promise<Polls>;
}

const START_MS = 60_000;

export async function startMachines(wanted: Wanted): Promise<Machines> {
  const child = fork(join(import.meta.dirname, "machines.ts"), [JSON.stringify(wanted)], { execArgv: ["--max-old-space-size=3000"] });
  const exited = once(child, "exit");
  const first = await Promise.race([
    once(child, "message", { signal: AbortSignal.timeout(START_MS) }),
    exited.then(([code]) => { throw new Error(`the simulated machines ended at once with ${String(code)}`); }),
  ]);
  return {
    ...(first[0] as Ready),
    async polls() {
      const answer = once(child, "message", { signal: AbortSignal.timeout(START_MS) });
      child.send("polls");
      return (await answer)[0] as Polls;
    },
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await exited;
    },
  };
}
