/** What the tests of holes tell a machine, and how they read what it published. Times are seconds after START. */
import type { Reading, Value } from "../../../../agent/contract/observation.ts";
import { RULES, second, secondsOf } from "../../../support/timeline.ts";
import type { Row } from "./by-hand.ts";
import { Run, type RunOptions } from "./machine-run.ts";

export const BEGIN = { availability: "AVAILABLE", controller_mode: "AUTOMATIC", program: "O1", part_count: 20, execution: "READY" };
export type Said = readonly (readonly [number, Readonly<Record<string, Value>>])[];
/** The rows' readings, numbered; after them a heartbeat's worth of time. */
export function said(rows: Said): Reading[] {
  let position = 0;
  return rows.flatMap(([seconds, values]) => Object.entries(values).map(([signal, value]): Reading => ({ kind: "reading", signal, quality: "GOOD", value, instance: "1", position: (position += 1), sourceTime: second(seconds) })));
}
/** A first look and one live observation, stored; the rows then follow. */
export async function begun(rows: Said, options: Partial<RunOptions> = {}): Promise<Run> {
  const run = new Run({ rules: RULES, readings: said([[0, BEGIN], [1, { spindle_speed: 0 }], ...rows]), ...options });
  for (let look = 0; look < 2; look += 1) {
    run.says(1);
    await run.reads(100);
  }
  await run.stop();
  return run;
}
/** As `begun`, and the link is up at once: no silence lies before what follows. */
export async function followed(rows: Said, options: Partial<RunOptions>): Promise<Run> {
  const run = await begun(rows, options);
  await run.reads(1);
  return run;
}
export async function followsTo(run: Run, seconds: number, count: number): Promise<void> {
  run.says(count);
  run.passTo(second(seconds));
  await run.reads(100);
}
export async function away(run: Run, seconds: number, count: number): Promise<void> {
  run.cut();
  run.says(count);
  run.passTo(second(seconds));
  await Promise.resolve();
}
/** `type rev status state from to late`. */
export const told = (rows: readonly Row[]): string[] => rows.map(({ record: { type, rev, body }, late }) =>
  [type, rev, body.status, ...("state" in body ? [body.state] : []), secondsOf(body.start), secondsOf(body.end) ?? "…", ...(late ? ["late"] : [])].join(" "));
export const news = (run: Run, from: number): string[] => told(run.ledger.rows.slice(from));
export const sentences = (run: Run): string[] => run.ports.lines.map(({ sentence }) => sentence);

export const CYCLE_IN_THE_HOLE: Said = [[100, { execution: "ACTIVE" }], [2_000, { execution: "PROGRAM_COMPLETED" }], [2_001, { execution: "READY", part_count: 21 }], [3_000, { execution: "ACTIVE" }]];
