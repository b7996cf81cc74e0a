/** A hole in the life of one machine: what is published of it, when, and what it leaves behind. Times are seconds after START. */
import { describe, expect, test } from "vitest";
import { unixMs } from "../../../../agent/contract/time.ts";
import { RULES, second, START } from "../../../support/timeline.ts";
import { away, BEGIN, begun, CYCLE_IN_THE_HOLE, followed, followsTo, news, said, sentences, told, type Said } from "./hole-told.ts";
import { faults, HOLD_MS, Run } from "./machine-run.ts";

describe("a disk that refuses while the source is away", () => {
  test("is given the gap again, each second, until it takes it; a source that stays away is not waited for", async () => {
    const run = await begun(CYCLE_IN_THE_HOLE);
    await followsTo(run, 200, 1);
    const before = run.ledger.rows.length;
    run.ledger.refuses = true;
    await away(run, 1_500, 0);
    for (let second_ = 1_501; second_ < 1_505; second_ += 1) {
      run.passTo(second(second_));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(news(run, before)).toEqual([]);
    run.ledger.refuses = false;
    run.passTo(second(1_510));
    await new Promise((resolve) => setImmediate(resolve));
    expect(news(run, before)).toEqual(["connection 1 open 200 …", "state 2 closed RUNNING 100 200", "state 1 open UNKNOWN 200 …", "cycle 1 closed 100 200"]);
    expect(faults(run)).toEqual([]);
  });
});

describe("a source that comes back after the hold and still has all", () => {
  test("what it says of the hole replaces what was published of it, each record once more", async () => {
    const run = await begun(CYCLE_IN_THE_HOLE);
    await followsTo(run, 200, 1);
    const before = run.ledger.rows.length;
    await away(run, 1_500, 0);
    const hole = run.ledger.rows.length;
    expect(news(run, before)).toEqual(["connection 1 open 200 …", "state 2 closed RUNNING 100 200", "state 1 open UNKNOWN 200 …", "cycle 1 closed 100 200"]);
    expect([run.live("state"), run.status.phase, run.status.holeSince]).toEqual(["UNKNOWN", "blind", second(200)]);

    run.says(2);
    run.passTo(second(2_500));
    await run.reads(100);
    expect(news(run, hole)).toEqual([
      "state 3 closed RUNNING 100 2000", "state 1 open READY 2000 …", "cycle 2 closed 100 2000",
      "count 1 closed 2001 2001", "downtime 1 open READY 2000 …", "connection 2 void 200 …", "state 2 void UNKNOWN 200 …",
    ]);
    expect([run.live("state"), run.live("execution"), run.status.holeSince]).toEqual(["READY", "READY", null]);
    expect(faults(run)).toEqual([]);
  });

  test("a cycle still going on is taken back, and told when it ends, under its own id", async () => {
    const run = await begun(CYCLE_IN_THE_HOLE);
    await followsTo(run, 200, 1);
    const before = run.ledger.rows.length;
    await away(run, 1_500, 0);
    await run.reads(100);
    expect(news(run, before).slice(-4)).toEqual(["connection 2 void 200 …", "state 3 open RUNNING 100 …", "state 2 void UNKNOWN 200 …", "cycle 2 void 100 200"]);
    expect(run.live("state")).toBe("RUNNING");
    await Promise.resolve();
    expect(run.newest("state")?.body).toMatchObject({ state: "RUNNING", status: "open" });
    expect(run.newest("connection")?.body.status).toBe("void");
    const served = run.ledger.rows.length;
    run.says(2);
    run.passTo(second(2_100));
    await run.reads(100);
    expect(news(run, served).slice(0, 3)).toEqual(["state 4 closed RUNNING 100 2000", "state 1 open READY 2000 …", "cycle 3 closed 100 2000"]);
    expect(faults(run)).toEqual([]);
  });

  test("while it is being read the live state stays UNKNOWN, and nothing that may still come is promised", async () => {
    const run = await begun(CYCLE_IN_THE_HOLE);
    await followsTo(run, 200, 1);
    await away(run, 4_000, 4);
    const promised = run.status.complete?.time;
    await run.reads(1, 1);
    expect([run.live("state"), run.status.caughtUp, run.status.complete?.time]).toEqual(["UNKNOWN", false, promised]);
    await run.reads(100);
    expect([run.live("state"), run.status.caughtUp]).toEqual(["RUNNING", true]);
    expect(run.status.complete?.time).toBeGreaterThan(second(2_900));
  });

  test("nothing is promised that a kill can take back: a gap then begins where the disk last knew of the machine", async () => {
    const run = await begun(CYCLE_IN_THE_HOLE);
    await followsTo(run, 200, 1);
    // Looks that bring nothing: event time goes on, and nothing is stored of it.
    for (const seconds of [205, 210, 215, 220]) await followsTo(run, seconds, 0);
    run.sourceRestarts();
    run.kill();
    const before = run.ledger.rows.length;
    await followsTo(run, 300, 0);
    await followsTo(run, 301, 1);
    expect(news(run, before)).toContain("cycle 1 closed 100 200");
    expect(faults(run)).toEqual([]);
  });

  test("first revisions of a time already promised are late, after a restart inside the hole too", async () => {
    const days: Said = [[100, { execution: "ACTIVE" }], [30_000, { execution: "PROGRAM_COMPLETED" }], [30_001, { execution: "READY", part_count: 21 }], [120_000, { execution: "ACTIVE" }]];
    const run = await begun(days);
    await followsTo(run, 200, 1);
    // Midnight in Paris, and the minutes after it until the day's summary: time alone promises that much.
    await away(run, 80_000, 2);
    const midnight = run.status.complete?.time ?? 0;
    expect(midnight).toBeGreaterThan(second(61_000));
    run.kill();
    const before = run.ledger.rows.length;
    await run.reads(100);
    const late = run.ledger.rows.slice(before).filter(({ record }) => record.rev === 1).map(({ record, late: isLate }) => `${record.type} ${isLate}`);
    expect(late).toContain("state true");
    expect(late.every((text) => text.endsWith("true"))).toBe(true);
    expect(faults(run)).toEqual([]);
  });
});

describe("a restart in the middle", () => {
  test("inside the hole: nothing is declared twice, and the hole is served from its own start", async () => {
    const run = await begun(CYCLE_IN_THE_HOLE);
    await followsTo(run, 200, 1);
    await away(run, 1_500, 0);
    run.kill();
    const before = run.ledger.rows.length;
    run.passTo(START + 1_500_000 + 2 * HOLD_MS);
    expect(news(run, before)).toEqual([]);
    expect([run.status.phase, run.status.holeSince]).toEqual(["blind", second(200)]);
    run.says(3);
    await run.reads(100);
    expect(news(run, before)).toContain("cycle 2 closed 100 2000");
    expect(run.status.holeSince).toBeNull();
  });

  test("while the hole is served: what was corrected is not corrected again", async () => {
    const run = await begun(CYCLE_IN_THE_HOLE);
    await followsTo(run, 200, 1);
    await away(run, 4_000, 4);
    await run.reads(2, 1);
    const before = run.ledger.rows.length;
    run.kill();
    await run.reads(100);
    expect(faults(run)).toEqual([]);
    expect(news(run, before)).not.toContain("state 3 closed RUNNING 100 2000");
    expect(run.ledger.checkpoint("machine/VMC-3/hole")).not.toBeNull();
  });

  test("the agent off for a night, its source back at once: nothing was ever unknown", async () => {
    const run = await begun(CYCLE_IN_THE_HOLE);
    await followsTo(run, 200, 1);
    await run.stop(() => {
      run.says(2);
      run.passTo(second(2_500));
    });
    await run.reads(100);
    expect(told(run.ledger.rows).filter((text) => text.includes("UNKNOWN") || text.startsWith("connection"))).toEqual([]);
  });
});

describe("where nothing can be served", () => {
  test("no first position yet: nothing is kept, and the gap stays", async () => {
    const run = new Run({ rules: RULES, readings: said([[0, BEGIN]]) });
    run.passTo(START + HOLD_MS + 5_000);
    expect([run.status.phase, run.status.holeSince]).toEqual(["blind", null]);
    expect(run.ledger.checkpoint("machine/VMC-3/hole")).toBeNull();
  });

  test("a source without positions: its gap stays, and what it says then is of then", async () => {
    const run = await followed(CYCLE_IN_THE_HOLE, { forgets: true });
    await followsTo(run, 100, 1);
    await followsTo(run, 200, 0);
    await away(run, 2_500, 3);
    expect(run.status.holeSince).toBeNull();
    await run.reads(100);
    expect(told(run.ledger.rows).filter((text) => text.startsWith("connection"))).toEqual(["connection 1 open 200 …", "connection 2 closed 200 2500"]);
    expect(faults(run)).toEqual([]);
  });

  test("a source whose stamps are not used: what it has of the hole has no time, and the gap stays", async () => {
    const run = await followed(CYCLE_IN_THE_HOLE, { timePolicy: "gateway" });
    await followsTo(run, 100, 1);
    await followsTo(run, 200, 0);
    await away(run, 2_500, 3);
    expect(run.status.holeSince).toBeNull();
    await run.reads(100);
    expect(told(run.ledger.rows).filter((text) => text.startsWith("connection"))).toEqual(["connection 1 open 200 …", "connection 2 closed 200 2500"]);
  });

  test("kept by a version that is not understood: said, and the gap stays", async () => {
    const run = await begun(CYCLE_IN_THE_HOLE);
    await followsTo(run, 200, 1);
    await away(run, 1_500, 0);
    await run.ledger.commit({ machine: null, context: "{}", records: [], observedAt: unixMs(0), checkpoint: { key: "machine/VMC-3/hole", json: JSON.stringify({ format: 99 }) } });
    run.kill();
    run.says(2);
    run.passTo(second(2_500));
    await run.reads(100);
    expect(sentences(run)).toContain("what was kept of a hole cannot be used: it stays a gap");
    expect(told(run.ledger.rows).filter((text) => text.startsWith("connection")).at(-1)).toBe("connection 2 closed 200 2500");
    expect(run.status.lateReadings).toBe(3);
  });
});

test("records whose stamps are shifted say so beside their data", async () => {
  const run = await begun([[100, { execution: "ACTIVE" }]], { timePolicy: "auto", offsetMs: 3_600_000 });
  await followsTo(run, 200, 1);
  expect(new Set(run.ledger.rows.map(({ clock }) => clock))).toEqual(new Set(["shifted"]));
  const right = await begun([[100, { execution: "ACTIVE" }]], { timePolicy: "auto" });
  await followsTo(right, 200, 1);
  expect(new Set(right.ledger.rows.map(({ clock }) => clock))).toEqual(new Set([undefined]));
});
