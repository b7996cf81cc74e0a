/** Small records, and what an outbox needs around it; without vitest, for child processes too. */
import { crc32 } from "node:zlib";
import type { Commit } from "../../agent/contract/outbox.ts";
import type { Log } from "../../agent/contract/ports.ts";
import type { NewRecord, RecordType } from "../../agent/contract/record.ts";
import { unixMs } from "../../agent/contract/time.ts";
import { lossRecord, type DescribeLoss } from "../../buffer/loss/loss.ts";

export const CONTEXT = JSON.stringify({ environment: "test", equipment: { site: "lyon", machine: "VMC-3" }, erp: { workCenter: "MILL-03" }, tz: "Europe/Paris" });

/** Not the agent's id: only as stable as it must be here. */
export const uuid = (n: number): string => `00000000-0000-5000-8000-${n.toString(16).padStart(12, "0")}`;
export const describeLoss: DescribeLoss = (loss) =>
  ({ context: "{}", record: lossRecord(loss, uuid(2 ** 47 + (crc32(loss.destination ?? "") % 2 ** 14) * 2 ** 32 + (loss.fromSeq ?? 0)), 0) });

/** A record whose body is `body` (any object: the buffer stores texts). */
export function record(n: number, type: RecordType = "state", body: object = { n }): NewRecord {
  return { type, id: uuid(n), rev: 1, start: unixMs(1_780_000_000_000 + n), body } as unknown as NewRecord;
}
export function commitOf(records: readonly NewRecord[], more: Partial<Commit> = {}): Commit {
  return { machine: "VMC-3", context: CONTEXT, records, checkpoint: null, observedAt: unixMs(1_780_000_000_000), ...more };
}

const nothing = (): void => undefined;
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => silentLog };
