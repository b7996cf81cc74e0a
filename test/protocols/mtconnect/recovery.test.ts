/** Starting, resuming, gaps (mtconnect.md §6) against a small agent over real sockets. */
import { describe, expect, it } from "vitest";
import type { Batch, Cursor, Reading } from "../../../agent/contract/observation.ts";
import { run } from "./reading.ts";
import { BASE, TinyAgent, type Habits, type TinyObservation } from "./tiny-agent.ts";

const cycle = (turn: number): readonly TinyObservation[] => [
  { id: "exec", value: "ACTIVE", at: BASE + turn * 10_000 },
  { id: "noise", value: String(turn), at: BASE + turn * 10_000 + 1 },
  { id: "sys", value: `Fault|A${turn % 3}|alarm ${turn % 3}`, at: BASE + turn * 10_000 + 4_000 },
  { id: "exec", value: "READY", at: BASE + turn * 10_000 + 8_000 },
  { id: "count", value: `${turn}.0`, at: BASE + turn * 10_000 + 8_000 },
  { id: "sys", value: turn % 2 ? `Normal|A${turn % 3}|` : "Normal||", at: BASE + turn * 10_000 + 9_000 },
];
const cycles = (from: number, to: number): readonly TinyObservation[] => Array.from({ length: to - from }, (_, index) => cycle(from + index)).flat();

async function withAgent(habits: Partial<Habits>, test: (agent: TinyAgent, url: string) => Promise<void>): Promise<void> {
  await using agent = new TinyAgent(habits);
  await test(agent, await agent.listen());
}
/** Ends once everything that the agent has was given. */
const whole = (agent: TinyAgent) => (batch: Batch): boolean => batch.cursor?.["next"] === agent.next && batch.cursor["initialAt"] === undefined;
const shown = (reading: Reading): string => `${reading.position} ${reading.signal} ${JSON.stringify(reading.value)}${reading.initial ? " initial" : ""}`;

describe("first start", () => {
  it("begins at the current values, after saying where", () => withAgent({}, async (agent, url) => {
    agent.add(...cycles(0, 3));
    const { batches, readings } = await run({ url }, { until: whole(agent) });
    expect(batches[0]).toMatchObject({ items: [], caughtUp: false, cursor: { next: agent.next, instance: "100" } });
    expect(batches[1]).toMatchObject({ caughtUp: true, sourceNow: BASE + 29_000 });
    expect(readings.map(shown)).toEqual(["1 availability null initial", "3 controller_mode null initial", "5 program null initial", "23 execution \"READY\" initial", "24 part_count 2 initial", "25 alarm [] initial"]);
  }));

  it("gives the values as of its position when killed between the two", () => withAgent({}, async (agent, url) => {
    agent.add(...cycles(0, 3));
    const once = await run({ url }, { until: whole(agent) });
    const killed = await run({ url }, { until: () => true });
    agent.add(...cycles(3, 5));
    const again = await run({ url }, { from: killed.cursor, until: whole(agent) });
    expect(again.readings.slice(0, 6)).toEqual(once.readings);
    expect(again.batches[0]).toEqual(once.batches[1]);
    expect(again.readings[6]).toMatchObject({ position: 26, signal: "execution", value: "ACTIVE" });
  }));

  it("begins at the oldest with history: buffer", () => withAgent({}, async (agent, url) => {
    agent.add(...cycles(0, 2));
    const { readings } = await run({ url, history: "buffer" }, { until: whole(agent) });
    expect(readings.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19]);
    expect(readings.some(({ initial }) => initial)).toBe(false);
  }));

  it("fills in the values before the oldest, and goes without where the agent cannot say", () => withAgent({ ring: 8 }, async (agent, url) => {
    agent.add(...cycles(0, 4));
    const filled = await run({ url, history: "buffer", count: 8 }, { until: whole(agent) });
    // 24 is the oldest: a part count, whose value before it is gone.
    expect(filled.readings.filter(({ initial }) => initial).map(shown)).toEqual(["1 availability null initial", "3 controller_mode null initial", "5 program null initial", "22 alarm [{\"key\":\"A2\",\"code\":\"A2\",\"severity\":\"FAULT\",\"text\":\"alarm 2\",\"nativeType\":\"SYSTEM\"}] initial", "23 execution \"READY\" initial"]);
    expect(filled.readings.filter(({ initial }) => !initial)[0]).toMatchObject({ position: agent.first });
    agent.habits.knowsAt = false;
    const without = await run({ url, history: "buffer" }, { until: whole(agent) });
    expect(without.readings).toEqual(filled.readings.filter(({ initial }) => !initial));
  }));
});

describe("resuming", () => {
  it("gives the same readings and sets however often it is killed", () => withAgent({}, async (agent, url) => {
    agent.add(...cycles(0, 40));
    const through = await run({ url, history: "buffer", count: 7 }, { until: whole(agent) });
    const pieces: Reading[] = [];
    let cursor: Cursor | null = null;
    for (let turn = 0; turn < 500; turn++) {
      const stopAfter = 1 + (turn % 4);
      const piece = await run({ url, history: "buffer", count: 3 + (turn % 9) }, { from: JSON.parse(JSON.stringify(cursor)) as Cursor | null, until: (batch, all) => all.length >= stopAfter || whole(agent)(batch) });
      pieces.push(...piece.readings);
      cursor = piece.cursor;
      if (piece.batches.some(whole(agent))) break;
    }
    expect(pieces).toEqual(through.readings);
    expect(cursor).toEqual(through.cursor);
  }));

  it("never gives a sequence twice, even if the agent repeats some", () => withAgent({}, async (agent, url) => {
    const { cursor } = await run({ url, history: "buffer" }, { until: whole(agent) });
    agent.add(...cycles(0, 1));
    const { readings } = await run({ url }, { from: { ...cursor, next: agent.next - 2 }, until: whole(agent) });
    expect(readings.map(({ position }) => position)).toEqual([12, 13]);
  }));

  it("names the gap when the buffer has run over", () => withAgent({ ring: 20 }, async (agent, url) => {
    agent.add(...cycles(0, 1));
    const before = await run({ url, history: "buffer" }, { until: whole(agent) });
    agent.add(...cycles(1, 10));
    const { gaps, batches, readings } = await run({ url }, { from: before.cursor, until: whole(agent) });
    expect(gaps).toEqual([{ kind: "gap", reason: "position-jump", from: BASE + 9_000, to: BASE + 68_000, missing: agent.first - 14 }]);
    expect(batches[0]?.cursor).toMatchObject({ next: agent.first });
    expect(batches[0]?.items.slice(1).every((item) => item.kind === "reading" && item.initial === true && (item.position ?? 0) < agent.first)).toBe(true);
    expect(readings.filter(({ initial }) => !initial)[0]).toMatchObject({ position: agent.first });
  }));

  it("begins at the present when the buffer has run over and the agent cannot say what was so before", () => withAgent({ ring: 20, knowsAt: false }, async (agent, url) => {
    agent.add(...cycles(0, 1));
    const before = await run({ url, history: "buffer" }, { until: whole(agent) });
    agent.add(...cycles(1, 10));
    const { gaps, readings } = await run({ url }, { from: before.cursor, until: whole(agent) });
    expect(gaps).toEqual([{ kind: "gap", reason: "position-jump", from: BASE + 9_000, to: BASE + 99_000, missing: agent.next - 14 }]);
    expect(readings.map(shown)).toEqual(["1 availability null initial", "3 controller_mode null initial", "5 program null initial", "65 execution \"READY\" initial", "66 part_count 9 initial", expect.stringMatching(/^67 alarm .* initial$/)]);
  }));

  it("names the gap when the agent restarted, and reads its new buffer from the start", () => withAgent({}, async (agent, url) => {
    agent.add(...cycles(0, 2));
    const before = await run({ url }, { until: whole(agent) });
    agent.restart(BASE + 60_000);
    agent.add(...cycles(7, 8));
    const { gaps, readings } = await run({ url }, { from: before.cursor, until: whole(agent) });
    expect(gaps).toEqual([{ kind: "gap", reason: "source-restarted", from: BASE + 19_000, to: BASE + 60_000 }]);
    expect(readings.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13]);
    expect(new Set(readings.map(({ instance }) => instance))).toEqual(new Set(["101"]));
  }));

  it("takes a position beyond the agent's as a restart", () => withAgent({}, async (agent, url) => {
    const { gaps, readings } = await run({ url }, { from: { v: 1, instance: "100", next: 366_929_686_800, seen: BASE - 1_000, conditions: "{}" }, until: whole(agent) });
    expect(gaps).toMatchObject([{ reason: "source-restarted", from: BASE - 1_000 }]);
    expect(readings).toHaveLength(6);
  }));

  it("says that it does not know where it was when the cursor is not its own", () => withAgent({}, async (agent, url) => {
    agent.add(...cycles(0, 2));
    const { gaps, readings, cursor } = await run({ url }, { from: { next: "seven" }, until: whole(agent) });
    expect(gaps).toEqual([{ kind: "gap", reason: "source-restarted", to: BASE + 19_000 }]);
    expect(readings.every(({ initial }) => initial)).toBe(true);
    expect(cursor).toMatchObject({ next: agent.next });
  }));
});

describe("while it runs", () => {
  it("notices a restart behind the same address", () => withAgent({}, async (agent, url) => {
    let grown = false;
    const { error } = await run({ url, heartbeat: "100ms", streaming: "poll", interval: "0s" }, {
      until: () => {
        if (!grown) agent.restart();
        grown = true;
        return false;
      },
    });
    expect(error).toMatchObject({ fault: "lost", retry: "backoff" });
    expect(error?.message).toContain("the agent restarted (instanceId 100, now 101)");
  }));

  it("moves on with heartbeats, without readings", () => withAgent({}, async (agent, url) => {
    const { batches } = await run({ url, heartbeat: "100ms" }, { until: (_, all) => all.length === 6 });
    expect(batches.slice(2)).toEqual(batches.slice(2).map(({ cursor }) => ({ items: [], cursor, caughtUp: true, sourceNow: BASE })));
    expect(agent.methods).toEqual(new Set(["GET"]));
  }));
});

describe("agents with other habits", () => {
  it.each([
    ["one that takes no filter", { refusesFilter: true }, "unfiltered"],
    ["one that does not stream", { streams: false }, "device M1"],
    ["one that packs", { packs: true }, "device M1"],
    ["one with a small buffer", { ring: 40 }, "device M1"],
    ["one that refuses our heartbeat", { refusesHeartbeat: true }, "device M1"],
  ] as const)("reads %s", (_, habits, peer) => withAgent(habits, async (agent, url) => {
    agent.add(...cycles(0, 3));
    const result = await run({ url, history: "buffer" }, { until: whole(agent) });
    expect(result.readings).toHaveLength(21);
    expect(result.error).toBeNull();
    expect(result.peer).toContain(peer);
  }));

  it("polls one that calls the end of its buffer out of range", () => withAgent({ streams: false, refusesEnd: true }, async (agent, url) => {
    const { batches, gaps, error } = await run({ url, streaming: "poll" }, { until: (batch, all) => whole(agent)(batch) && all.length === 3 });
    expect(batches[2]).toMatchObject({ items: [], caughtUp: true });
    expect([gaps, error]).toEqual([[], null]);
  }));

  it("gives a large document in batches that end where the next begins", () => withAgent({ ring: 5_000 }, async (agent, url) => {
    agent.add(...cycles(0, 500));
    const { batches, readings } = await run({ url, history: "buffer", count: 5_000 }, { until: whole(agent) });
    expect(Math.max(...batches.map(({ items }) => items.length))).toBe(1_000);
    expect(readings).toHaveLength(6 + 500 * 5);
    expect(batches.filter(({ caughtUp }) => caughtUp)).toHaveLength(1);
  }));
});
