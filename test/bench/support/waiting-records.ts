/** Very many records waiting in a buffer, and the configuration of an agent that drains them at a fixed rate. A record takes about 390 bytes of disk. */
import { mkdirSync, statfsSync } from "node:fs";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { openOutbox } from "../../../buffer/outbox.ts";
import { describeLoss, silentLog, uuid } from "../../buffer/records.ts";
import { SAMPLE_CONTEXT, SAMPLES } from "../../support/sample-records.ts";
import { configurationFor } from "./agent-process.ts";

const PORTION = 500;
/** Generously. */
const ROW_BYTES = 600;
const MIB = 1024 ** 2;

/** Throws when the disk has no room for so many. */
export function assertRoomFor(rows: number, folder: string): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < rows * ROW_BYTES) throw new Error(`${rows} rows need up to ${rows * ROW_BYTES} bytes in ${folder}: ${bavail * bsize} are free`);
}

/** `rows`: what the buffer must hold. */
export function drainingConfiguration(folder: string, port: number, { url, rows, perSecond }: { readonly url: string; readonly rows: number; readonly perSecond: number }): string {
  const configuration = configurationFor(folder, port, [url]).replace(/(?=\}\]\nmachines)/u, `, drain_rate: ${perSecond}/s`);
  return `${configuration}buffer: {budget: ${Math.max(1_024, Math.ceil((rows * ROW_BYTES) / MIB))} MiB, keep_free: 0%}\n`;
}

/** Through the outbox, in commits as large as a group. */
export async function fillWaiting(dataDir: string, records: number): Promise<void> {
  mkdirSync(dataDir, { recursive: true });
  const outbox = openOutbox({ dataDir, destinations: [{ name: "bridge" }], clock: systemClock(), log: silentLog, describeLoss, budgetBytes: Math.max(1_024 * MIB, records * ROW_BYTES) });
  const context = JSON.stringify(SAMPLE_CONTEXT);
  let stored: Promise<number> = Promise.resolve(0);
  for (let made = 0; made < records; made += PORTION) {
    const portion = Array.from({ length: Math.min(PORTION, records - made) }, (_, index) => ({ ...SAMPLES.state, id: uuid(made + index) }));
    const before = stored;
    stored = outbox.commit({ machine: "VMC-1", context, records: portion, checkpoint: null, observedAt: systemClock().now().unixMs });
    await before; // One is made while the other is synced.
  }
  await stored;
  await outbox.close();
}
