/**
 * Writes a fixed run of commits into a buffer and says what was reported stored: run under `strace -e inject`, so that a
 * chosen write or sync of it fails. Ends with 0 when every commit was reported; prints one JSON line.
 */
import { StoreError } from "../../../agent/contract/errors.ts";
import type { Outbox } from "../../../agent/contract/outbox.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { openOutbox } from "../../../buffer/outbox.ts";
import { commitOf, describeLoss, record, silentLog } from "../records.ts";

const [dataDir = "", count = "40"] = process.argv.slice(2);
/** A start that fails is tried again, as the init system does. */
function opened(tries = 10): Outbox {
  try {
    return openOutbox({ dataDir, destinations: [{ name: "bridge" }], clock: systemClock(), log: silentLog, describeLoss, groupMs: 0, carryPages: 8 });
  } catch (cause) {
    if (tries === 0 || !(cause instanceof StoreError)) throw cause;
    return opened(tries - 1);
  }
}
const outbox = opened();
const faults = new Set<string>();
const numbers: number[] = [];
const waiting: Promise<void>[] = [];
for (let n = 1; n <= Number(count); n++) {
  waiting.push(outbox.commit(commitOf([record(2 * n - 1), record(2 * n)], { checkpoint: { key: "A", json: String(n) } })).then((seq) => void numbers.push(seq)));
  await new Promise((resolve) => setTimeout(resolve, 2)); // Several transactions, several of them under one sync.
  const { condition } = outbox.status();
  if (condition.state === "degraded") faults.add(condition.fault);
}
await Promise.all(waiting);
await outbox.close();
process.stdout.write(`${JSON.stringify({ numbers, faults: [...faults] })}\n`);
