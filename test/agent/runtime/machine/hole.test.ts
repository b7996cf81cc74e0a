/** A hole in the life of one machine: what is published of it, when, and what it leaves behind. Times are seconds after START. */
import { describe, expect, test } from "vitest";
import type { Reading, Value } from "../../../../agent/contract/observation.ts";
import { unixMs } from "../../../../agent/contract/time.ts";
import { fault, RULES, second, secondsOf, START } from "../../../support/timeline.ts";
import { faults, HOLD_MS, Run, type Row, type RunOptions } from "./machine-run.ts";

const BEGIN = { availability: "AVAILABLE", controller_mode: "AUTOMATIC", program: "O1", part_count: 20, execution: "READY" };
type Said = readonly (readonly [number, Readonly<Record<string, Value>>])[];
/** The rows' readings, numbered; after them a heartbeat's worth of time. */
function said(rows: Said): Reading[] {
  let position = 0;
  return rows.flatMap(([seconds, values]) => Object.entries(values).map(([signal, value]): Reading => ({ kind: "reading", signal, quality: "GOOD", value, instance: "1", position: (position += 1), sourceTime: second(seconds) })));
}
/** A first look and one live observation, stored; `STATES` then follow. */
async function begun(rows: Said, options: Partial<RunOptions> = {}): Promise<Run> {
  const run = new Run({ rules: RULES, readings: said([[0, BEGIN], [1, { spindle_speed: 0 }], ...rows]), ...options });
  for (let look = 0; look < 2; look += 1) {
    run.says(1);
    await run.reads(100);
  }
  await run.stop();
  return run;
}
/** As `begun`, and the link is up at once: no silence lies before what follows. */
async function followed(rows: Said, options: Partial<RunOptions>): Promise<Run> {
  const run = await begun(rows, options);
  await run.reads(1);
  return run;
}
async function followsTo(run: Run, seconds: number, count: number): Promise<void> {
  run.says(count);
  run.passTo(second(seconds));
  await run.reads(100);
}
async function away(run: Run, seconds: number, count: number): Promise<void> {
  run.cut();
  run.says(count);
  run.passTo(second(seconds));
  await Promise.resolve();
}
/** `type rev status state from to late`. */
const told = (rows: readonly Row[]): string[] => rows.map(({ record: { type, rev, body }, late }) =>
  [type, rev, body.status, ...("state" in body ? [body.state] : []), secondsOf(body.start), secondsOf(body.end) ?? "…", ...(late ? ["late"] : [])].join(" "));
const news = (run: Run, from: number): string[] => told(run.ledger.rows.slice(from));
const sentences = (run: Run): string[] => run.ports.lines.map(({ sentence }) => sentence);

const CYCLE_IN_THE_HOLE: Said = [[100, { execution: "ACTIVE" }], [2_000, { execution: "PROGRAM_COMPLETED" }], [2_001, { execution: "READY", part_count: 21 }], [3_000, { execution: "ACTIVE" }]];

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

describe("a source that only our clock dates, back within the hold", () => {
  const MANY: Said = [[100, { execution: "ACTIVE" }], [300, { execution: "PROGRAM_COMPLETED" }], [301, { execution: "READY", part_count: 21 }], [400, { execution: "ACTIVE" }], [600, { execution: "PROGRAM_COMPLETED" }], [601, { execution: "READY", part_count: 22 }], [650, { execution: "ACTIVE" }], [3_000, { spindle_speed: 1 }]];
  test.each([[100], [1]])("what it says of the silence has no time: that is a gap, and its counter goes on (%i readings a batch)", async (size) => {
    const run = await followed(MANY, { timePolicy: "gateway" });
    await followsTo(run, 100, 1);
    await followsTo(run, 200, 0);
    const before = run.ledger.rows.length;
    run.cut();
    run.says(8);
    run.passTo(second(700));
    await run.reads(size);
    run.passTo(second(1_500));
    await run.reads(1);
    expect(news(run, before)).toEqual([
      "connection 1 open 200 …", "state 2 closed RUNNING 100 200", "state 1 open UNKNOWN 200 …", "cycle 1 closed 100 200",
      "connection 2 closed 200 700", "state 2 closed UNKNOWN 200 700", "state 1 open RUNNING 700 …", "count 1 closed 200 700",
    ]);
    expect(run.newest("connection")?.body).toMatchObject({ reason: "link-down" });
    expect(run.newest("count")?.body).toMatchObject({ counter: { from: 20, to: 22 }, delta: 2 });
    expect(faults(run)).toEqual([]);
  });

  test("it says nothing of the silence: nothing happened, and what was so before went on", async () => {
    const run = await followed(MANY, { timePolicy: "gateway" });
    await followsTo(run, 100, 1);
    await followsTo(run, 200, 0);
    const before = run.ledger.rows.length;
    await away(run, 295, 0);
    await run.reads(100);
    await followsTo(run, 300, 1);
    expect(news(run, before)).toEqual(["state 2 closed RUNNING 100 300", "state 1 open READY 300 …"]);
  });

  test("after a restart the gap says that we were not running", async () => {
    const run = await followed(MANY, { timePolicy: "gateway" });
    await followsTo(run, 100, 1);
    await followsTo(run, 200, 0);
    await run.stop(() => {
      run.says(2);
      run.passTo(second(350));
    });
    await run.reads(100);
    expect(run.newest("connection")?.body).toMatchObject({ reason: "agent-stopped", status: "closed" });
    expect(told(run.ledger.rows).filter((text) => text.includes("UNKNOWN"))).toEqual(["state 1 open UNKNOWN 200 …", "state 2 closed UNKNOWN 200 350"]);
  });

  test("a blink shorter than the clock's tolerance is none", async () => {
    const run = await followed(MANY, { timePolicy: "gateway" });
    await followsTo(run, 100, 1);
    await followsTo(run, 298, 0);
    run.cut();
    run.says(2);
    run.passTo(second(302));
    await run.reads(100);
    expect(told(run.ledger.rows).filter((text) => text.startsWith("connection"))).toEqual([]);
  });
});

test("a source without positions, back within the hold: its values as they are now tell nothing of the silence", async () => {
  const run = await followed(CYCLE_IN_THE_HOLE, { forgets: true });
  await followsTo(run, 100, 1);
  await followsTo(run, 200, 0);
  await away(run, 500, 0);
  await run.reads(100);
  expect(told(run.ledger.rows).filter((text) => text.startsWith("connection"))).toEqual(["connection 1 open 200 …", "connection 2 closed 200 500"]);
  expect(run.live("state")).toBe("RUNNING");
});

test("records whose stamps are shifted say so beside their data", async () => {
  const run = await begun([[100, { execution: "ACTIVE" }]], { timePolicy: "auto", offsetMs: 3_600_000 });
  await followsTo(run, 200, 1);
  expect(new Set(run.ledger.rows.map(({ clock }) => clock))).toEqual(new Set(["shifted"]));
  const right = await begun([[100, { execution: "ACTIVE" }]], { timePolicy: "auto" });
  await followsTo(right, 200, 1);
  expect(new Set(right.ledger.rows.map(({ clock }) => clock))).toEqual(new Set([undefined]));
});

test("a cable back within the hold: the board shows again what it showed, though nothing changed", async () => {
  const run = await begun(CYCLE_IN_THE_HOLE);
  await followsTo(run, 200, 1);
  run.cut();
  expect(run.live("state")).toBe("UNKNOWN");
  await run.reads(100);
  expect(run.live("state")).toBe("RUNNING");
});

describe("current values", () => {
  const WITH_DOOR: Said = [[100, { execution: "ACTIVE", door: "CLOSED" }], [2_000, { execution: "READY" }], [3_000, { execution: "ACTIVE" }]];
  const shown = (run: Run): unknown[] => ["state", "availability", "execution", "door", "part_count", "spindle_speed"].map((name) => run.live(name));

  test("when the link is lost: its machine is not available, whatever it said last; back within the hold it is again", async () => {
    const run = await begun(WITH_DOOR);
    await followsTo(run, 200, 2);
    expect(shown(run)).toEqual(["RUNNING", "AVAILABLE", "ACTIVE", "CLOSED", 20, 0]);
    run.cut();
    expect(shown(run).slice(0, 2)).toEqual(["UNKNOWN", "UNAVAILABLE"]);
    await run.reads(100);
    expect(shown(run)).toEqual(["RUNNING", "AVAILABLE", "ACTIVE", "CLOSED", 20, 0]);
  });

  test("after the hold nothing old is shown as current; what did not change is shown again when the source is back", async () => {
    const run = await begun(WITH_DOOR);
    await followsTo(run, 200, 2);
    await away(run, 1_500, 0);
    expect(shown(run)).toEqual(["UNKNOWN", "UNAVAILABLE", null, null, null, null]);
    await run.reads(100);
    expect(shown(run)).toEqual(["RUNNING", "AVAILABLE", "ACTIVE", "CLOSED", 20, 0]);
  });

  test.each([["without", { forgets: true }], ["with", {}]] as const)("that no alarm is active is not known without sight either, and known again after it (a source %s positions)", async (_, source) => {
    const run = await begun([[50, { alarm: [fault("1")] }], [60, { alarm: [] }], [100, { execution: "ACTIVE" }]], source);
    await followsTo(run, 50, 1);
    await followsTo(run, 60, 1);
    await followsTo(run, 200, 1);
    expect(run.live("alarms")).toEqual([]);
    await away(run, 1_500, 0);
    expect(run.live("alarms")).toBeNull();
    await run.reads(100);
    expect(run.live("alarms")).toEqual([]);
  });

  test("after a restart they are unknown until the source is back, then all of them are shown, changed or not", async () => {
    const run = await begun(WITH_DOOR);
    await followsTo(run, 200, 2);
    await run.stop();
    expect(shown(run).slice(0, 2)).toEqual(["UNKNOWN", "UNAVAILABLE"]);
    await run.reads(100);
    expect(shown(run)).toEqual(["RUNNING", "AVAILABLE", "ACTIVE", "CLOSED", 20, 0]);
  });

  test("a restart in the hold, and one in the hole: nothing old is shown, and all of it again at the end", async () => {
    const run = await begun(WITH_DOOR);
    await followsTo(run, 200, 2);
    run.cut();
    await run.stop();
    await away(run, 1_500, 0);
    expect(shown(run)).toEqual(["UNKNOWN", "UNAVAILABLE", null, null, null, null]);
    run.kill();
    run.passTo(second(3_000));
    expect(shown(run)).toEqual(["UNKNOWN", "UNAVAILABLE", null, null, null, null]);
    await run.reads(100);
    expect(shown(run)).toEqual(["RUNNING", "AVAILABLE", "ACTIVE", "CLOSED", 20, 0]);
  });
});
