/** Child of commit-path.ts, on a disk whose syncs are slow: prints {delayMs, stallMs, commits, blockingSyncs} of some seconds under load. */
import { statSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { openOutbox } from "../../buffer/outbox.ts";
import { describeLoss, silentLog } from "../buffer/records.ts";
import { prepareCommits, MACHINES } from "./commit-load.ts";

const [dataDir = "", seconds = "8", syncLog = ""] = process.argv.slice(2);
const CHANGES_A_SECOND = 10;
const clock = systemClock();
const outbox = openOutbox({ dataDir, destinations: [{ name: "bridge" }], clock, log: silentLog, describeLoss });
const blocking = (): number => statSync(syncLog, { throwIfNoEntry: false })?.size ?? 0;
const commits = prepareCommits(Number(seconds) * MACHINES * CHANGES_A_SECOND * 10);
const blockedBefore = blocking();
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
const machine = async (number: number): Promise<void> => {
  const stored: Promise<number>[] = [];
  for (let index = number; index < commits.length; index += MACHINES) {
    const commit = commits[index];
    if (commit) stored.push(outbox.commit(commit));
    await clock.sleep(1_000 / CHANGES_A_SECOND, new AbortController().signal);
  }
  await Promise.all(stored);
};
await Promise.all(Array.from({ length: MACHINES }, (_, number) => clock.sleep(number * 7, new AbortController().signal).then(() => machine(number))));
delay.disable();
const blockingSyncs = blocking() - blockedBefore;
console.log(JSON.stringify({ delayMs: delay.percentile(99) / 1e6, stallMs: delay.max / 1e6, commits: commits.length, blockingSyncs }));
await outbox.close();
