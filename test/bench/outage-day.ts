/**
 * A day without a broker at 10 records a second of about 300 bytes, and the drain after it, in a process of its own
 * (outage-day-process.ts) with the service's flags: what lies on the disk, how memory grows, how late a live value is at
 * a subscriber while everything drains to a real Mosquitto, and whether each record came, once, in order.
 * The outage is accelerated; the drain is not. The buffer has its defaults: 1 GiB, of which a day is a third, so nothing
 * is given up; what was delivered stays for its 7 days.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { atLeast, atMost, percentile, type Figure } from "./figure.ts";
import type { Outage } from "./outage-day-process.ts";
import { NODE_FLAGS, SERVICE_ENVIRONMENT } from "./support/agent-process.ts";
import { listen, startBroker } from "./support/broker.ts";
import { sleep } from "./support/waiting.ts";

const LONGEST_MS = 1_500_000;
/** What the broker still has for the subscriber when the last record is acknowledged. */
const TRAIL_MS = 20_000;
const DAY_BYTES = 350e6;
const run = promisify(execFile);

export async function outageDay({ records }: { readonly records: number }): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-outage-"));
  try {
    await using broker = await startBroker();
    const waits: number[] = [];
    const seen = new Uint8Array(records + 1);
    let [last, came, again, disordered] = [0, 0, 0, 0];
    await using _records = await listen(broker.port, "cellgate/v1/+/+/+/+/rec/+", (_topic, text) => {
      const seq = Number(/"seq":"?(\d+)/u.exec(text)?.[1]);
      if (seen[seq] === 1) again++;
      else came++;
      seen[seq] = 1;
      if (seq < last) disordered++;
      last = seq;
    });
    await using _live = await listen(broker.port, "cellgate/v1/+/+/+/+/live/+", (_topic, text) => void waits.push(Number(process.hrtime.bigint()) / 1e6 - (JSON.parse(text) as { readonly putMs: number }).putMs));
    const { stdout } = await run(process.execPath, [...NODE_FLAGS, join(import.meta.dirname, "outage-day-process.ts"), join(folder, "data"), String(broker.port), String(records)],
      { env: { ...process.env, ...SERVICE_ENVIRONMENT }, timeout: LONGEST_MS });
    const found = JSON.parse(stdout) as Outage;
    for (const end = performance.now() + TRAIL_MS; came < records && performance.now() < end;) await sleep(100);
    console.error(`  ${records} records (${Math.round(found.storedBytes / records)} bytes each) in ${found.fillSeconds.toFixed(0)} s, drained in ${found.drainSeconds.toFixed(0)} s (${Math.round(records / found.drainSeconds)}/s); ${again} came twice, ${disordered} out of order; `
      + `anonymous memory ${found.beforeMB.toFixed(1)} MiB, at most ${found.filledMB.toFixed(1)} filling and ${found.drainedMB.toFixed(1)} draining; of the bytes on the disk ${found.ballastBytes} are ballast; ${waits.length} live values, longest wait ${Math.max(...waits).toFixed(0)} ms`);
    const most = Math.max(found.filledMB, found.drainedMB) - found.beforeMB;
    return [
      atMost("outage of a day: on the disk, of the bytes stored", "bytes", found.diskBytes / found.storedBytes, 1.2),
      atMost("outage of a day: on the disk", "bytes", found.diskBytes, DAY_BYTES),
      atMost("outage of a day: growth of anonymous memory, filling and draining", "MiB", most, 20),
      atLeast("outage of a day: drained, each once and in order", "records", came - again - disordered, { limit: records, least: 1 }),
      atMost("outage of a day: a live value at a subscriber during the drain, p95", "ms", percentile(waits, 0.95), 2_000),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
