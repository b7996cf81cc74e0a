/**
 * What a record costs the card: bytes that this process causes to be written (the system's count), per record, with the
 * log carried into the database at the end. A slow cell (one record in 10 s, its position in between, each record
 * acknowledged) in accelerated time, and 100 records a second of ten machines, one by one: all of high value, then all of
 * low value with a card that they are too much for.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monoMs, unixMs, type Clock } from "../../agent/contract/time.ts";
import type { Outbox } from "../../agent/contract/outbox.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { openOutbox } from "../../buffer/outbox.ts";
import { processWritten, type Card } from "../../buffer/writing/wear.ts";
import { describeLoss, silentLog, uuid } from "../buffer/records.ts";
import { SAMPLE_CONTEXT, SAMPLES } from "../support/sample-records.ts";
import { atMost, type Figure } from "./figure.ts";

const CHECKPOINT_BYTES = 1_500;
const SLOW_RECORDS = 180;
const MACHINES = 10;
const WARM_COMMITS = 200;
const BUDGET_BYTES = 32 * 1024 ** 2;
const SKIP_MS = 11_000;
const WARM_SECONDS = 10;
const FAST_SECONDS = 20;
const never = new AbortController().signal;

export async function wear(): Promise<readonly Figure[]> {
  if (processWritten() === null) throw new Error("this system does not count what a process writes (/proc/self/io)");
  const slow = await slowCell(true);
  const slowAtOnce = await slowCell(false);
  const money = await fast("cycle", null);
  // Most it may write is a tenth of what it does: the wait goes to its limit.
  const low = await fast("state", { enduranceBytes: 1e9, lifeMs: 365 * 86_400_000 });
  return [
    atMost("one record in 10 s, positions waiting for it", "bytes per record", slow, 21_000),
    atMost("the same, positions written at once", "bytes per record", slowAtOnce, 28_000),
    atMost("100 cycles a second of 10 machines, one by one", "bytes per record", money, 12_000),
    atMost("100 states a second of 10 machines, with a card too small for them", "bytes per record", low, 4_000),
  ];
}

const checkpoint = (machine: string, n: number): { readonly key: string; readonly json: string } => ({ key: machine, json: JSON.stringify({ n, state: "s".repeat(CHECKPOINT_BYTES) }) });
const context = JSON.stringify(SAMPLE_CONTEXT);

interface Measured {
  readonly records: number;
  /** The system's count when the first of them was about to be committed. */
  readonly from: number;
}

/** `skip`: time passes until the buffer looks after its ballast again. */
async function within({ clock, card, skip }: { readonly clock: Clock; readonly card: Card | null; readonly skip: () => Promise<void> }, work: (outbox: Outbox) => Promise<Measured>): Promise<number> {
  const dataDir = mkdtempSync(join(tmpdir(), "cellgate-wear-"));
  try {
    const outbox = openOutbox({ dataDir, destinations: [{ name: "bridge" }], clock, log: silentLog, describeLoss, budgetBytes: BUDGET_BYTES, ...(card && { card }) });
    // What a new buffer writes once (its ballast) is not what a record costs.
    for (let size = 0, same = 0, n = 0; same < 5; n++) {
      await outbox.commit({ machine: null, context, records: [], checkpoint: checkpoint("first", n), observedAt: unixMs(0) });
      await skip();
      const now = statSync(join(dataDir, "cellgate.ballast"), { throwIfNoEntry: false })?.size ?? 0;
      same = now > 0 && now === size ? same + 1 : 0;
      size = now;
      if (n > WARM_COMMITS) throw new Error(`the buffer's ballast still grows, with ${size} bytes`);
    }
    const { records, from } = await work(outbox);
    await outbox.close();
    return ((processWritten() ?? 0) - from) / records;
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** Half an hour: a record each 10 s, in between a position, as a machine commits it. */
function slowCell(isPatient: boolean): Promise<number> {
  const clock = systemClock(120);
  return within({ clock, card: null, skip: () => clock.sleep(SKIP_MS, never) }, async (outbox) => {
    const from = processWritten() ?? 0;
    for (let n = 0; n < SLOW_RECORDS; n++) {
      const seq = await outbox.commit({ machine: "VMC-3", context, records: [{ ...SAMPLES.cycle, id: uuid(n) }], checkpoint: checkpoint("VMC-3", n), observedAt: clock.now().unixMs });
      outbox.settle("bridge", { accepted: [seq], rejected: [] });
      await clock.sleep(5_000, never);
      const kept = outbox.commit({ machine: "VMC-3", context, records: [], checkpoint: checkpoint("VMC-3", n), observedAt: clock.now().unixMs, ...(isPatient && { patienceMs: 10_000 }) });
      if (!isPatient) await kept;
      await clock.sleep(5_000, never);
    }
    return { records: SLOW_RECORDS, from };
  });
}

/** FAST_SECONDS of 100 a second. With a card, time passes before for the wait to find its width: it is looked at once a minute, which is a second here. */
function fast(type: "state" | "cycle", card: Card | null): Promise<number> {
  const real = systemClock();
  let shiftMs = 0;
  const clock: Clock = { ...real, now: () => ({ ...real.now(), monoMs: monoMs(real.now().monoMs + shiftMs) }) };
  const skip = (): Promise<void> => {
    shiftMs += SKIP_MS;
    return real.sleep(10, never);
  };
  return within({ clock, card, skip }, async (outbox) => {
    const stored: Promise<number>[] = [];
    const second = async (): Promise<void> => {
      for (let tick = 0; tick < 100; tick++) {
        const n = stored.length;
        const machine = `VMC-${n % MACHINES}`;
        stored.push(outbox.commit({ machine, context, records: [{ ...SAMPLES[type], id: uuid(n) }], checkpoint: checkpoint(machine, n), observedAt: clock.now().unixMs }));
        await real.sleep(10, never);
      }
    };
    for (let warm = 0; card !== null && warm < WARM_SECONDS; warm++) {
      await second();
      shiftMs += 60_000;
    }
    const [from, before] = [processWritten() ?? 0, stored.length];
    for (let measured = 0; measured < FAST_SECONDS; measured++) await second();
    await Promise.all(stored);
    outbox.settle("bridge", { accepted: outbox.pending("bridge", 0, stored.length).map(({ seq }) => seq), rejected: [] });
    return { records: stored.length - before, from };
  });
}
