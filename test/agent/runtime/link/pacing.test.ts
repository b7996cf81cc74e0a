/** How soon records leave, over a destination in memory and a clock that is told when to move: what leaves when is exact. */
import { describe, expect, it } from "vitest";
import type { Delivery, Destination, Pacing, Retained } from "../../../../agent/contract/destination.ts";
import type { LinkError } from "../../../../agent/contract/errors.ts";
import type { NewRecord } from "../../../../agent/contract/record.ts";
import { unixMs } from "../../../../agent/contract/time.ts";
import { deliver } from "../../../../agent/runtime/link/deliver.ts";
import { Allowance, AT_ONCE, LivePace } from "../../../../agent/runtime/link/pacing.ts";
import { testBoard } from "../../../support/delivering.ts";
import { fakeClock, type FakeClock } from "../../../support/fake-clock.ts";
import { memoryOutbox, type MemoryOutbox } from "../../../support/memory-outbox.ts";
import { testPorts } from "../../../support/ports.ts";
import { manyRecords, SAMPLES, SAMPLE_CONTEXT } from "../../../support/sample-records.ts";

const WINDOWS: Pacing = { ...AT_ONCE, latencyMs: { ...AT_ONCE.latencyMs, cycle: 5_000, summary: 900_000 } };

interface Stage extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly outbox: MemoryOutbox;
  /** Numbers handed over, in order; those that say they are repeats apart. */
  readonly first: number[];
  readonly repeats: number[];
  /** Hand-overs, as they came. */
  readonly batches: string[];
  readonly put: (...records: readonly NewRecord[]) => Promise<void>;
  readonly stop: () => Promise<void>;
}
interface StageOptions {
  readonly pacing?: Pacing;
  readonly outbox?: MemoryOutbox;
  /** What is not taken for now. */
  readonly refuse?: (seq: number) => boolean;
}

async function stage({ pacing = WINDOWS, outbox = memoryOutbox(), refuse = () => false }: StageOptions = {}): Promise<Stage> {
  const clock = fakeClock();
  const first: number[] = [];
  const repeats: number[] = [];
  const batches: string[] = [];
  const delivery: Delivery = {
    peer: "memory",
    async deliver(records, _signal, isRepeat) {
      const seqs = records.map(({ seq }) => seq);
      const [again = false] = records.map((record) => isRepeat?.(record) ?? false);
      (again ? repeats : first).push(...seqs);
      batches.push(`${again ? "again" : "first"} ${seqs.length}`);
      await new Promise((resolve) => setImmediate(resolve));
      return { accepted: seqs.filter((seq) => !refuse(seq)), rejected: [] };
    },
    retain: () => undefined, warnings: () => [], lost: new Promise<LinkError>(() => undefined), close: () => Promise.resolve(),
  };
  const destination: Destination = { kind: "memory", name: "bridge", connect: () => Promise.resolve(delivery) };
  const stopping = new AbortController();
  const ended = deliver({ destination, outbox, pacing, board: testBoard(), ports: testPorts({ clock, network: clock }), onLink: () => undefined }, stopping.signal);
  const stop = async (): Promise<void> => {
    stopping.abort(new Error("test over"));
    await ended;
  };
  await clock.advance(0);
  return {
    clock, outbox, first, repeats, batches, stop,
    async put(...records) {
      await outbox.commit({ machine: "VMC-3", context: JSON.stringify(SAMPLE_CONTEXT), records, checkpoint: null, observedAt: unixMs(clock.now().unixMs) });
      await clock.advance(0);
    },
    [Symbol.asyncDispose]: stop,
  };
}

describe("latency windows", () => {
  it("a record without one leaves at once; others wait for theirs, and leave together, in order", async () => {
    await using running = await stage();
    const { clock, first, put } = running;
    await put(SAMPLES.state);
    expect(first).toEqual([1]);
    await put(SAMPLES.cycle);
    await clock.advance(3_000);
    await put(SAMPLES.cycle, SAMPLES.summary);
    await clock.advance(1_999);
    expect(first).toEqual([1]);
    await clock.advance(1);
    expect(first).toEqual([1, 2, 3, 4]);
  });

  it("one that is due takes along all before it", async () => {
    await using running = await stage();
    const { first, put } = running;
    await put(SAMPLES.summary, SAMPLES.cycle);
    expect(first).toEqual([]);
    await put(SAMPLES.downtime);
    expect(first).toEqual([1, 2, 3]);
  });

  it("a later record with a shorter window shortens the wait, and the window begins anew afterwards", async () => {
    await using running = await stage();
    const { clock, first, put } = running;
    await put(SAMPLES.summary);
    await clock.advance(60_000);
    await put(SAMPLES.cycle);
    await clock.advance(5_000);
    expect(first).toEqual([1, 2]);
    await put(SAMPLES.summary);
    await clock.advance(899_999);
    expect(first).toEqual([1, 2]);
    await clock.advance(1);
    expect(first).toEqual([1, 2, 3]);
  });

  it("the wait is not lengthened by a wall clock that steps back, nor by what arrives meanwhile", async () => {
    await using running = await stage();
    const { clock, first, put } = running;
    await put(SAMPLES.cycle);
    clock.stepWall(-3_600_000);
    for (let nth = 0; nth < 4; nth++) {
      await clock.advance(1_000);
      await put(SAMPLES.cycle);
    }
    await clock.advance(1_000);
    expect(first).toEqual([1, 2, 3, 4, 5]);
  });

  it("what waits when a link is made is a backlog: it does not wait; so are many at once", async () => {
    const outbox = memoryOutbox();
    await outbox.commit({ machine: null, context: "{}", records: [SAMPLES.summary], checkpoint: null, observedAt: unixMs(0) });
    await using running = await stage({ outbox });
    const { first, put } = running;
    expect(first).toEqual([1]);
    await put(...Array.from({ length: 600 }, () => SAMPLES.summary));
    expect(first.length).toBeGreaterThanOrEqual(513);
  });

  it("a stop sends what waits", async () => {
    const { first, put, stop, outbox } = await stage();
    await put(SAMPLES.summary, SAMPLES.cycle);
    await stop();
    expect(first).toEqual([1, 2]);
    expect(outbox.accepted).toEqual([1, 2]);
  });
});

describe("a backlog", () => {
  it("leaves at its share, evenly and in order; what is new then waits for nothing", async () => {
    const outbox = memoryOutbox();
    await outbox.commit({ machine: null, context: "{}", records: manyRecords(1_000), checkpoint: null, observedAt: unixMs(0) });
    await using running = await stage({ outbox, pacing: { ...AT_ONCE, drainPerSecond: 100 } });
    const { clock, first, put } = running;
    expect(first).toHaveLength(100);
    for (let second = 1; second <= 5; second++) {
      await clock.advance(1_000);
      expect(Math.abs(first.length - 100 - second * 100)).toBeLessThanOrEqual(25);
      await put(SAMPLES.state);
    }
    await clock.advance(6_000);
    expect(first).toEqual(Array.from({ length: 1_005 }, (_, index) => index + 1));
    await put(SAMPLES.state);
    expect(first.at(-1)).toBe(1_006);
  });

  it("arrivals do not put off the next portion", async () => {
    const outbox = memoryOutbox();
    await outbox.commit({ machine: null, context: "{}", records: manyRecords(40), checkpoint: null, observedAt: unixMs(0) });
    await using running = await stage({ outbox, pacing: { ...AT_ONCE, drainPerSecond: 10 } });
    const { clock, first, put } = running;
    expect(first).toHaveLength(10);
    for (let nth = 0; nth < 30; nth++) {
      await clock.advance(100);
      await put(SAMPLES.state);
    }
    expect(first.length).toBeGreaterThanOrEqual(35);
  });
});

describe("what is asked for again", () => {
  it("goes at once when nothing else waits, says so, and is done when it is settled", async () => {
    await using running = await stage();
    const { clock, first, repeats, outbox, put } = running;
    await put(...manyRecords(10).map((record) => ({ ...record, type: "state" as const, body: SAMPLES.state.body })));
    outbox.replay("bridge", "epoch-1", 3, 5);
    await clock.advance(0);
    expect([first.length, repeats]).toEqual([10, [3, 4, 5]]);
    expect(outbox.replaying("bridge", 0, 10)).toEqual([]);
  });

  it("goes beside what is new, every fourth batch at most", async () => {
    const outbox = memoryOutbox();
    await outbox.commit({ machine: null, context: "{}", records: manyRecords(256 * 12), checkpoint: null, observedAt: unixMs(0) });
    const had = Array.from({ length: 256 * 4 }, (_, index) => index + 1);
    outbox.settle("bridge", { accepted: had, rejected: [] });
    outbox.replay("bridge", "epoch-1", 1, had.length);
    await using running = await stage({ outbox });
    const { clock, first, repeats, batches } = running;
    for (let turn = 0; turn < 200 && first.length + repeats.length < 256 * 12; turn++) await clock.advance(1);
    expect([first.length, repeats.length]).toEqual([256 * 8, 256 * 4]);
    const together = batches.slice(0, batches.lastIndexOf("first 256") + 1);
    expect(together.filter((batch) => batch.startsWith("again")).length).toBeGreaterThanOrEqual(2);
    expect(together.join().replaceAll("first 256", "f").replaceAll(/again \d+/g, "a").replaceAll(",", "")).not.toMatch(/af?f?a/);
  });

  it("what is not taken comes again after a pause", async () => {
    let ill = true;
    const seen: number[] = [];
    await using running = await stage({ refuse: (seq) => ill && seq === 1 && seen.length > 0 });
    const { clock, repeats, outbox, put } = running;
    await put(SAMPLES.state, SAMPLES.state);
    seen.push(...outbox.accepted);
    outbox.replay("bridge", "epoch-1", 1, 2);
    for (let turn = 0; turn < 5; turn++) await clock.advance(0);
    await clock.advance(999);
    expect(repeats).toEqual([1, 2]);
    ill = false;
    await clock.advance(1);
    await clock.advance(0);
    expect(repeats).toEqual([1, 2, 1]);
    expect(outbox.replaying("bridge", 0, 10)).toEqual([]);
  });
});

describe("an allowance", () => {
  it("gives what has come together since, and at most its burst", async () => {
    const clock = fakeClock();
    const allowance = new Allowance({ perSecond: 2, burst: 4 }, clock);
    expect([allowance.take(3), allowance.take(3), allowance.take(1), allowance.waitMs()]).toEqual([3, 1, 0, 500]);
    await clock.advance(500);
    expect([allowance.take(9), allowance.waitMs()]).toEqual([1, 500]);
    await clock.advance(3_600_000);
    expect(allowance.take(9)).toBe(4);
  });
});

describe("live values", () => {
  const value = (name: string, payload: number): Retained => ({ scope: "live", machine: "M", name, payload: { value: payload } });

  it("leave at once without a window", () => {
    const sent: (readonly Retained[])[] = [];
    new LivePace(0, fakeClock(), (values) => void sent.push(values)).put([value("a", 1)]);
    expect(sent).toHaveLength(1);
  });

  it("within a window leave together, the newest of each; health never waits", async () => {
    const clock = fakeClock();
    const sent: string[] = [];
    const pace = new LivePace(1_000, clock, (values) => void sent.push(values.map((one) => `${one.scope === "live" ? one.name : one.scope} ${JSON.stringify(one.payload)}`).join(" ")));
    pace.put([value("a", 1)]);
    pace.put([value("a", 2), value("b", 1)]);
    pace.put([value("a", 3), { scope: "health", machine: "M", payload: {} }]);
    expect(sent).toEqual(['a {"value":1}', "health {}"]);
    await clock.advance(1_000);
    expect(sent.slice(2)).toEqual(['a {"value":3} b {"value":1}']);
    pace.put([value("a", 4)]);
    expect(sent).toHaveLength(3);
    pace.end();
    expect(sent.slice(3)).toEqual(['a {"value":4}']);
    expect(clock.waiting).toBe(0);
  });
});
