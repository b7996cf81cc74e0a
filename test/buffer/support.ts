/** What the buffer's tests share: a directory of their own, a log that remembers, and small true records. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Commit, Outbox } from "../../agent/contract/outbox.ts";
import type { Log, LogFields } from "../../agent/contract/ports.ts";
import type { NewRecord, RecordType } from "../../agent/contract/record.ts";
import { unixMs } from "../../agent/contract/time.ts";
import { systemClock } from "../../agent/runtime/clock.ts";
import { lossRecord, type DescribeLoss } from "../../buffer/loss.ts";
import { openOutbox, type OutboxOptions } from "../../buffer/outbox.ts";

export const CONTEXT = JSON.stringify({ environment: "test", equipment: { site: "lyon", machine: "VMC-3" }, erp: { workCenter: "MILL-03" }, tz: "Europe/Paris" });

export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "cellgate-buffer-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export interface Line { readonly level: string; readonly fields: LogFields; readonly sentence: string }
export function memoryLog(): Log & { readonly lines: readonly Line[] } {
  const lines: Line[] = [];
  const at = (level: string) => (fields: LogFields, sentence: string): void => void lines.push({ level, fields, sentence });
  const log = { lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), child: () => log };
  return log;
}

/** Not the agent's id: only as stable as it must be here. */
export const uuid = (n: number): string => `00000000-0000-5000-8000-${n.toString(16).padStart(12, "0")}`;
export const describeLoss: DescribeLoss = (loss) => ({ context: "{}", record: lossRecord(loss, uuid(0xf000_0000 + (loss.fromSeq ?? 0)), 0) });

/** A record whose body is `body` (any object: the buffer stores texts). */
export function record(n: number, type: RecordType = "state", body: object = { n }): NewRecord {
  return { type, id: uuid(n), rev: 1, start: unixMs(1_780_000_000_000 + n), body } as unknown as NewRecord;
}
export function commitOf(records: readonly NewRecord[], more: Partial<Commit> = {}): Commit {
  return { machine: "VMC-3", context: CONTEXT, records, checkpoint: null, observedAt: unixMs(1_780_000_000_000), ...more };
}

export type Options = Partial<OutboxOptions> & { readonly dataDir: string };
export const options = (given: Options): OutboxOptions =>
  ({ destinations: [{ name: "bridge" }], clock: systemClock(), log: memoryLog(), describeLoss, groupMs: 0, ...given });
/** Opened for one test; closed after it if the test has not. */
export function open(given: Options): Outbox {
  const outbox = openOutbox(options(given));
  onTestFinished(() => outbox.close().catch(() => undefined));
  return outbox;
}
export const numbers = (outbox: Outbox, destination = "bridge", after = 0, limit = 10_000): readonly number[] =>
  outbox.pending(destination, after, limit).map(({ seq }) => seq);
