/**
 * The cable pulled in each state of a machine: what we did not see is unknown, never idle, and where the machine's agent
 * still holds it when the cable is back in time, the truth goes in as if nothing had happened (design.md §3).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { freePort } from "../support/free-port.ts";
import { handMachine, HOLD_S, IDLE, instant, secondOf, watch, type HandMachine, type Says, type Watching } from "./hand-machine.ts";

/** From the last second at which we saw the machine to the first at which we see it again. */
const SEEN = 400;
const BACK = 2_000;

interface Pulled {
  readonly state: string;
  /** What the machine says after a first whole cycle (0 to 60 s) until it is cut off at SEEN. */
  readonly before: readonly (readonly [number, Says])[];
  /** Expected just before the cut. */
  readonly shows: string;
}
const PULLED: readonly Pulled[] = [
  { state: "idle", before: [[100, { exec: "ACTIVE" }], [350, { exec: "READY", pcount: 12 }]], shows: "READY" },
  { state: "in the middle of a cycle", before: [[100, { exec: "ACTIVE" }]], shows: "RUNNING" },
  { state: "during a feed hold", before: [[100, { exec: "ACTIVE" }], [350, { exec: "FEED_HOLD" }]], shows: "HELD" },
  { state: "in an open downtime", before: [], shows: "READY" },
  { state: "in an alarm", before: [[100, { exec: "ACTIVE" }], [180, { exec: "STOPPED", logic: "FAULT 1010 COOLANT" }]], shows: "ALARM" },
];

async function play(machine: HandMachine, watching: Watching, { before }: Pulled): Promise<void> {
  for (const [second, says] of [[0, { exec: "ACTIVE" }], [60, { exec: "PROGRAM_COMPLETED" }], [61, { exec: "READY", pcount: 11 }], ...before] as const) {
    machine.says(second, says);
    await watching.sent(machine);
  }
  machine.passes(SEEN);
  await watching.caughtUp(machine);
}

async function begin(options: { readonly bufferSize?: number } = {}): Promise<{ readonly machine: HandMachine; readonly watching: Watching }> {
  const machine = await handMachine(options);
  machine.says(-10, IDLE);
  const watching = await watch(machine.agent.url);
  await watching.caughtUp(machine);
  return { machine, watching };
}

/** Intervals without hole or overlap, the last one open. */
function expectTiled(watching: Watching): void {
  const states = watching.running.last("state");
  states.forEach(({ end }, index) => {
    expect(end).toBe(states[index + 1]?.["start"] ?? null);
  });
}

/** Once closed, a record is never opened again: what comes later is another fact, with another id. */
function reopened(watching: Watching): string[] {
  const closed = new Set<string>();
  return watching.running.delivered.flatMap(({ type, id, body }) => {
    const { status } = JSON.parse(body) as { readonly status: string };
    if (status !== "open") closed.add(id);
    return type !== "connection" && status === "open" && closed.has(id) ? [`${type} ${id}`] : [];
  });
}

/** Records that say something of the time of the gap, but for the one state that says UNKNOWN. */
const reachingIn = (watching: Watching): string[] => ["state", "cycle", "downtime"].flatMap((type) => watching.running.last(type))
  .filter(({ state, start, end }) => state !== "UNKNOWN" && (secondOf(end) ?? Infinity) > SEEN && (secondOf(start) ?? 0) < BACK)
  .map(({ type, start, end }) => `${String(type)} from ${String(start)} to ${String(end)}`);

async function pull({ agent }: HandMachine, watching: Watching): Promise<void> {
  agent.pullCable("cut");
  await watching.running.until(() => watching.live("state") === "UNKNOWN", "the live state shows UNKNOWN at once");
}
const gaps = (watching: Watching): Record<string, unknown>[] => watching.running.last("connection");
const closedGap = (watching: Watching): boolean => gaps(watching).some(({ status }) => status === "closed");
/** What was recorded for the time after SEEN. */
const after = (watching: Watching, type: string): Record<string, unknown>[] => watching.running.last(type).filter(({ start }) => (secondOf(start) ?? 0) >= SEEN);

/** The machine's agent was restarted too: of the hole it knows nothing, and all it has is what is so now. */
async function backWithoutMemory(machine: HandMachine, now: Says): Promise<void> {
  machine.agent.restart("2", { block: false });
  machine.blank(BACK - 10);
  machine.says(BACK, { ...IDLE, pcount: 11, ...now });
  await machine.agent.plugCable();
}
const lastSaid = ({ before }: Pulled): Says => Object.assign({}, ...before.map(([, says]) => says)) as Says;

describe("the cable pulled for longer than refill_hold, and nothing that could be served after", () => {
  it.each(PULLED)("$state: one gap with its bounds, unknown between, and nothing idle", async (pulled) => {
    const { machine, watching } = await begin();
    await using _machine = machine;
    await using _watching = watching;
    await play(machine, watching, pulled);
    expect(watching.live("state")).toBe(pulled.shows);

    await pull(machine, watching);
    await watching.clock.advance((HOLD_S - 1) * 1_000);
    expect(gaps(watching), "the ledger waits for the whole hold").toEqual([]);
    await watching.clock.advance(2_000);
    await watching.running.until(() => gaps(watching).length === 1, "the gap is recorded");
    expect(watching.states().at(-1)).toBe(`UNKNOWN ${SEEN} …`);

    // Nothing changed meanwhile: the machine's agent shows the same values as before.
    await backWithoutMemory(machine, lastSaid(pulled));
    await watching.running.until(() => closedGap(watching), "the gap ends");
    machine.passes(BACK + 300);
    await watching.caughtUp(machine);

    expect(gaps(watching)).toMatchObject([{ status: "closed", kind: "gap", reason: "source-restarted", start: instant(SEEN), end: instant(BACK), lastGoodAt: expect.any(String) as string }]);
    expect(watching.states().slice(-2)).toEqual([`UNKNOWN ${SEEN} ${BACK}`, `${pulled.shows} ${BACK} …`]);
    expectTiled(watching);
    expect(reopened(watching)).toEqual([]);
    expect(reachingIn(watching)).toEqual([]);
  });

  it.each(PULLED.slice(1, 3))("$state: the cycle ends where we lost sight of it, with outcome unknown", async (pulled) => {
    const { machine, watching } = await begin();
    await using _machine = machine;
    await using _watching = watching;
    await play(machine, watching, pulled);
    await pull(machine, watching);
    await watching.clock.advance((HOLD_S + 10) * 1_000);
    await watching.running.until(() => watching.running.last("cycle").length === 2, "the cycle ends");
    expect(watching.running.last("cycle").at(-1)).toMatchObject({ start: instant(100), end: instant(SEEN), outcome: "unknown", endedBy: "source_lost", partsDelta: 0 });
    // Back in another program: not the same cycle, and its beginning was not seen.
    await backWithoutMemory(machine, { exec: "ACTIVE", prog: "O2002" });
    await watching.running.until(() => closedGap(watching), "the gap ends");
    machine.says(BACK + 100, { exec: "PROGRAM_COMPLETED" });
    machine.passes(BACK + 200);
    await watching.running.until(() => watching.running.last("cycle").length === 3, "the next cycle ends");
    expect(watching.running.last("cycle").at(-1)).toMatchObject({ start: instant(BACK), end: instant(BACK + 100), startObserved: false });
  });

  it("a downtime ends as source lost, and what goes on after the gap is another one, linked", async () => {
    const { machine, watching } = await begin();
    await using _machine = machine;
    await using _watching = watching;
    await play(machine, watching, PULLED[3] as Pulled);
    await watching.running.until(() => watching.running.last("downtime").length === 1, "the downtime is open");
    await pull(machine, watching);
    await watching.clock.advance((HOLD_S + 10) * 1_000);
    await watching.running.until(() => watching.running.last("downtime")[0]?.["status"] === "closed", "the downtime ends");
    await backWithoutMemory(machine, {});
    await watching.running.until(() => closedGap(watching), "the gap ends");
    machine.passes(BACK + 300);
    await watching.running.until(() => watching.running.last("downtime").length === 2, "the next downtime is open");
    const [first, second] = watching.running.last("downtime");
    expect(first).toMatchObject({ start: instant(60), end: instant(SEEN), status: "closed", endedBy: "source_lost" });
    expect(second).toMatchObject({ start: instant(BACK), end: null, status: "open", continues: first?.["recordId"] });
  });
});

describe("the cable back within refill_hold", () => {
  /** What the machine does while nobody sees it, and after. */
  const MEANWHILE: readonly (readonly [number, Says])[] = [
    [450, { exec: "ACTIVE" }], [520, { exec: "FEED_HOLD" }], [530, { exec: "ACTIVE", logic: "WARNING 7 COOLANT" }], [590, { exec: "PROGRAM_COMPLETED", logic: "NORMAL" }], [591, { exec: "READY", pcount: 20 }],
  ];
  const END = 2_500;
  const texts = (watching: Watching): string[] => {
    const last = new Map<string, { readonly rev: number; readonly text: string }>();
    for (const { id, rev, type, context, body } of watching.running.delivered) if ((last.get(id)?.rev ?? 0) < rev) last.set(id, { rev, text: `${type} ${id} ${context} ${body}` });
    return [...last.values()].map(({ text }) => text).toSorted();
  };
  async function run(pulled: Pulled, cable: boolean): Promise<string[]> {
    const { machine, watching } = await begin();
    await using _machine = machine;
    await using _watching = watching;
    await play(machine, watching, pulled);
    if (cable) await pull(machine, watching);
    for (const [second, says] of MEANWHILE) machine.says(second, says);
    if (cable) {
      machine.passes(700);
      await watching.clock.advance((HOLD_S - 10) * 1_000);
      await machine.agent.plugCable();
    }
    await watching.caughtUp(machine);
    machine.says(END, { exec: "ACTIVE" });
    await watching.caughtUp(machine);
    await watching.running.until(() => watching.states().at(-1) === `RUNNING ${END} …`, "the last state");
    return texts(watching);
  }

  it.each(PULLED)("$state: every record as without the pull, byte for byte", async (pulled) => {
    const [without, pulledAndBack] = [await run(pulled, false), await run(pulled, true)];
    expect(without.some((text) => text.startsWith("connection "))).toBe(false);
    expect(pulledAndBack).toEqual(without);
  });

  it("the machine's agent restarted meanwhile: one gap, from what we saw last to what we see next", async () => {
    const { machine, watching } = await begin();
    await using _machine = machine;
    await using _watching = watching;
    await play(machine, watching, PULLED[1] as Pulled);
    await pull(machine, watching);
    machine.passes(500);
    machine.agent.restart("2", { block: false });
    machine.blank(500);
    machine.says(505, { ...IDLE, exec: "ACTIVE", pcount: 12 });
    machine.passes(520);
    await machine.agent.plugCable();
    await watching.running.until(() => closedGap(watching), "the gap ends");
    expect(gaps(watching)).toMatchObject([{ status: "closed", reason: "source-restarted", start: instant(SEEN), end: instant(505) }]);
    expect(watching.states().slice(-2)).toEqual([`UNKNOWN ${SEEN} 505`, "RUNNING 505 …"]);
    expect(watching.running.last("cycle").at(-1)).toMatchObject({ end: instant(SEEN), outcome: "unknown" });
    expectTiled(watching);
    expect(reopened(watching)).toEqual([]);
  });

  it("more was said meanwhile than the machine's agent keeps: a gap to where its buffer begins, and how much is missing", async () => {
    const { machine, watching } = await begin({ bufferSize: 64 });
    await using _machine = machine;
    await using _watching = watching;
    await play(machine, watching, PULLED[1] as Pulled);
    await pull(machine, watching);
    for (let second = 401; second <= 550; second += 1) machine.says(second, { sload: second % 90 });
    machine.says(551, { exec: "FEED_HOLD" });
    machine.passes(560);
    await machine.agent.plugCable();
    await watching.running.until(() => closedGap(watching), "the gap ends");
    await watching.caughtUp(machine);
    const [gap, ...further] = gaps(watching);
    expect(further).toEqual([]);
    expect(gap).toMatchObject({ status: "closed", reason: "position-jump", start: instant(SEEN), missing: expect.any(Number) as number });
    expect(Number(gap?.["missing"])).toBeGreaterThan(80);
    const end = secondOf(gap?.["end"]) ?? 0;
    expect(end).toBeGreaterThan(480);
    expect(watching.states().slice(-3)).toEqual([`UNKNOWN ${SEEN} ${end}`, `RUNNING ${end} 551`, "HELD 551 …"]);
    expectTiled(watching);
    expect(reopened(watching)).toEqual([]);
  });
});

describe("the cable back after refill_hold, and the machine's agent still has some of it", () => {
  it("unknown shrinks to what is lost for good, under its own id, and what was made after it is told", async () => {
    const { machine, watching } = await begin({ bufferSize: 64 });
    await using _machine = machine;
    await using _watching = watching;
    await play(machine, watching, PULLED[1] as Pulled);
    await pull(machine, watching);
    for (let second = 401; second <= 1_900; second += 10) machine.says(second, { sload: second % 90 });
    machine.says(1_905, { exec: "PROGRAM_COMPLETED" });
    machine.says(1_906, { exec: "READY", pcount: 12 });
    await watching.clock.advance((HOLD_S + 10) * 1_000);
    await watching.running.until(() => gaps(watching).length === 1, "the gap is recorded");
    const [declared] = gaps(watching);
    machine.passes(BACK);
    await machine.agent.plugCable();
    await watching.running.until(() => closedGap(watching), "the gap ends");
    await watching.caughtUp(machine);
    const [gap, ...further] = gaps(watching);
    expect(further).toEqual([]);
    expect(gap).toMatchObject({ recordId: declared?.["recordId"], status: "closed", reason: "position-jump", start: instant(SEEN), missing: expect.any(Number) as number });
    const end = secondOf(gap?.["end"]) ?? 0;
    expect(end).toBeGreaterThan(1_000);
    expect(end).toBeLessThan(1_905);
    expect(watching.states().slice(-3)).toEqual([`UNKNOWN ${SEEN} ${end}`, `RUNNING ${end} 1905`, "READY 1905 …"]);
    expect(watching.running.last("cycle").at(-1)).toMatchObject({ start: instant(end), end: instant(1_905), outcome: "completed", startObserved: false });
    expectTiled(watching);
  });
});

describe("a source that is not there", () => {
  it("from the first start on: unknown from the start, for hours, and never idle", async () => {
    await using watching = await watch(`http://127.0.0.1:${await freePort()}`);
    await watching.clock.advance((HOLD_S - 1) * 1_000);
    expect(watching.running.delivered).toEqual([]);
    await watching.clock.advance(4 * 3_600_000);
    await watching.running.until(() => watching.live("state") === "UNKNOWN", "the live state shows UNKNOWN");
    expect(watching.states()).toEqual(["UNKNOWN 0 …"]);
    expect(gaps(watching)).toMatchObject([{ status: "open", reason: "link-down", start: instant(0), end: null }]);
    for (const type of ["cycle", "downtime"]) expect(watching.running.last(type)).toEqual([]);
  });

  it("after the agent itself was stopped: unknown from what we saw last, and the same machine goes on under new ids", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "cellgate-cable-"));
    try {
      await using machine = await handMachine();
      machine.says(-10, IDLE);
      const first = await watch(machine.agent.url, { dataDir });
      await first.caughtUp(machine);
      await play(machine, first, PULLED[1] as Pulled);
      await first.stop();
      machine.agent.pullCable("cut");
      await using second = await watch(machine.agent.url, { dataDir, second: 1_000 });
      await second.clock.advance((HOLD_S + 10) * 1_000);
      await second.running.until(() => second.running.last("connection").length === 1 && second.running.last("cycle").length === 1, "gap and cycle are recorded");
      expect(gaps(second)).toMatchObject([{ status: "open", reason: "agent-stopped", start: instant(SEEN) }]);
      expect(second.running.last("cycle").at(-1)).toMatchObject({ start: instant(100), end: instant(SEEN), outcome: "unknown", endedBy: "source_lost" });
      await backWithoutMemory(machine, lastSaid(PULLED[1] as Pulled));
      await second.running.until(() => closedGap(second), "the gap ends");
      expect(after(second, "state").map(({ state, start, end }) => [state, secondOf(start), secondOf(end)])).toEqual([["UNKNOWN", SEEN, BACK], ["RUNNING", BACK, null]]);
      expect(reopened(second)).toEqual([]);
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
