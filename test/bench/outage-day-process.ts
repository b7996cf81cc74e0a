/**
 * Child of outage-day.ts: commits the records of an outage through the outbox, on a clock that gives each second's records
 * a second, and then delivers all of them with the real loop and destination. Prints an `Outage` as JSON.
 * A minute of the outage is under way at a time: the groups are larger than those of a slow cell, which changes what is
 * written on the way (`wear` measures that) and nothing of what is kept.
 */
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { monoMs, unixMs, type Clock } from "../../agent/contract/time.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { openOutbox } from "../../buffer/outbox.ts";
import { describeLoss, silentLog, uuid } from "../buffer/records.ts";
import { delivering, destinationAt, testBoard } from "../support/delivering.ts";
import { testPorts } from "../support/ports.ts";
import { SAMPLE_CONTEXT, SAMPLES } from "../support/sample-records.ts";
import { useOf } from "./support/agent-process.ts";
import { sleep } from "./support/waiting.ts";

export interface Outage {
  /** Bodies, and what a row takes beside them. */
  readonly storedBytes: number;
  /** All files of the buffer. */
  readonly diskBytes: number;
  readonly ballastBytes: number;
  readonly fillSeconds: number;
  readonly drainSeconds: number;
  readonly beforeMB: number;
  /** Most seen. */
  readonly filledMB: number;
  readonly drainedMB: number;
}

const PER_SECOND = 10;
const MINUTE = 60;
/** Everything has been compiled by then. */
const WARM_MINUTES = 10;
/** Numbers of a row as SQLite stores them, and the id: what a record takes beside its body. */
const FIXED_BYTES = 40;
const CHECKPOINT_BYTES = 1_500;
const MACHINES = 10;
const LIVE_EVERY_MS = 25;
const LOOK_MS = 250;
const LONGEST_DRAIN_MS = 1_200_000;

const [dataDir = "", port = "", wanted = ""] = process.argv.slice(2);
const seconds = Number(wanted) / PER_SECOND;
const context = JSON.stringify(SAMPLE_CONTEXT);
const bodyBytes = Buffer.byteLength(JSON.stringify(SAMPLES.state.body));
const anonymousMB = (): number => useOf("self").anonymousMB;

const real = systemClock();
let shiftMs = 0;
const clock: Clock = {
  ...real,
  now() {
    const at = real.now();
    return { ...at, unixMs: unixMs(at.unixMs + shiftMs), monoMs: monoMs(at.monoMs + shiftMs) };
  },
};
mkdirSync(dataDir, { recursive: true });
const outbox = openOutbox({ dataDir, destinations: [{ name: "bridge" }], clock, log: silentLog, describeLoss });

const began = performance.now();
let [made, beforeMB, filledMB] = [0, 0, 0];
for (let second = 0; second < seconds; second += MINUTE) {
  const stored: Promise<number>[] = [];
  for (let at = second; at < Math.min(second + MINUTE, seconds); at++) {
    shiftMs += 1_000;
    const key = `VMC-${at % MACHINES}`;
    const start = clock.now().unixMs;
    const records = Array.from({ length: PER_SECOND }, () => ({ ...SAMPLES.state, id: uuid(made++), start }));
    stored.push(outbox.commit({ machine: key, context, records, checkpoint: { key, json: JSON.stringify({ at, state: "s".repeat(CHECKPOINT_BYTES) }) }, observedAt: start }));
  }
  await Promise.all(stored);
  if (second === WARM_MINUTES * MINUTE) beforeMB = anonymousMB();
  filledMB = Math.max(filledMB, anonymousMB());
}
const fillSeconds = (performance.now() - began) / 1_000;
const sizes = readdirSync(dataDir).map((name) => [name, statSync(join(dataDir, name)).size] as const);
const files = { diskBytes: sizes.reduce((sum, [, size]) => sum + size, 0), ballastBytes: sizes.find(([name]) => name.endsWith(".ballast"))?.[1] ?? 0 };

console.log(JSON.stringify({ storedBytes: made * (bodyBytes + FIXED_BYTES), ...files, fillSeconds, beforeMB, filledMB, ...await drained() } satisfies Outage));
await outbox.close();

async function drained(): Promise<Pick<Outage, "drainSeconds" | "drainedMB">> {
  const ports = testPorts({ clock, network: clock, log: silentLog });
  const board = testBoard();
  const putting = setInterval(() => { board.put({ scope: "live", machine: "VMC-3", name: "spindle_speed", payload: { putMs: Number(process.hrtime.bigint()) / 1e6 } }); }, LIVE_EVERY_MS);
  const since = performance.now();
  let drainedMB = 0;
  try {
    await using _delivering = delivering(destinationAt(Number(port), {}, ports), outbox, { board, ports });
    for (let waiting = made; waiting > 0; waiting = outbox.status().destinations[0]?.waiting ?? 0) {
      if (performance.now() - since > LONGEST_DRAIN_MS) throw new Error(`${waiting} records still wait after ${LONGEST_DRAIN_MS} ms`);
      await sleep(LOOK_MS);
      drainedMB = Math.max(drainedMB, anonymousMB());
    }
  } finally {
    clearInterval(putting);
  }
  return { drainSeconds: (performance.now() - since) / 1_000, drainedMB };
}
