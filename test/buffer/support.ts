/** What the buffer's tests share: a directory of their own, a log that remembers, an outbox that is closed after the test. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Outbox } from "../../agent/contract/outbox.ts";
import type { Log, LogFields } from "../../agent/contract/ports.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { openOutbox, type OutboxOptions } from "../../buffer/outbox.ts";
import { describeLoss } from "./records.ts";

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
