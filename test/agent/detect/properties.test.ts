/** What holds for every day a machine can have, drawn at random. A failure prints its seed and the shortest such day. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MachineEvent } from "../../../agent/contract/detector.ts";
import { RECORD_BODIES } from "../../../agent/contract/record.ts";
import type { Problem, Shape } from "../../../agent/contract/shape.ts";
import type { MachineRules } from "../../../agent/contract/rules.ts";
import { machineDetector } from "../../../agent/detect/machine.ts";
import { credited, events as stamped, fault, gap, playEvents, quantity, RULES, rulesWith, second, snapshot, START, tick, warning, type Played, type Row } from "../../support/timeline.ts";

const execution = fc.constantFrom("ACTIVE", "ACTIVE", "ACTIVE", "READY", "READY", "FEED_HOLD", "INTERRUPTED", "PROGRAM_STOPPED", "STOPPED", "PROGRAM_COMPLETED", "WAIT", null);
const said = fc.oneof(
  { weight: 8, arbitrary: execution.map((value) => ({ execution: value })) },
  { weight: 4, arbitrary: fc.constantFrom(1, 1, 1, 1, 2, 0, 5000).map((by) => ({ by })) },
  { weight: 2, arbitrary: fc.constantFrom("AUTOMATIC", "AUTOMATIC", "MANUAL", "MANUAL_DATA_INPUT", null).map((value) => ({ controller_mode: value })) },
  { weight: 1, arbitrary: fc.constantFrom("O1", "O2", "WARM", " ", null).map((value) => ({ program: value })) },
  { weight: 1, arbitrary: fc.constantFrom("ARMED", "ARMED", "TRIGGERED").map((value) => ({ emergency_stop: value })) },
  { weight: 1, arbitrary: fc.constantFrom("AVAILABLE", "AVAILABLE", "UNAVAILABLE").map((value) => ({ availability: value })) },
  { weight: 2, arbitrary: fc.constantFrom([], [fault("1")], [warning("2")], [fault("1"), fault("3")]).map((value) => ({ alarm: value })) },
  { weight: 1, arbitrary: fc.constantFrom("ACTIVE", "READY", null).map((value) => ({ "execution/2": value })) },
  { weight: 1, arbitrary: fc.constantFrom(0, 800, null).map((value) => ({ spindle_speed: value })) },
  { weight: 1, arbitrary: fc.constantFrom("1", "2", null).map((value) => ({ tool: value })) },
);
const happening = fc.oneof(
  { weight: 20, arbitrary: fc.array(said, { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom("link-down" as const, "source-restarted" as const, "position-jump" as const) },
);
/** Seconds to the next row: often none, often around counter_join and the downtime's threshold. */
const pause = fc.oneof(fc.constantFrom(0, 0.001, 0.25, 1, 4.999, 5, 5.001, 10, 119, 121, 700), fc.integer({ min: 1, max: 60 }));

const day = fc.array(fc.tuple(pause, happening), { minLength: 1, maxLength: 60 }).map((drawn): Row[] => {
  let seconds = 0;
  let count = 20;
  const rows: Row[] = [[0, snapshot({ availability: "AVAILABLE", execution: "READY", controller_mode: "AUTOMATIC", program: "O1", part_count: count })]];
  for (const [wait, what] of drawn) {
    seconds = Math.round((seconds + wait) * 1000) / 1000;
    if (typeof what === "string") {
      rows.push([seconds, gap(what)]);
      continue;
    }
    const values = Object.assign({}, ...what.map((one) => {
      if (!("by" in one)) return one;
      count = one.by === 0 ? 0 : one.by > 100 && count > 4000 ? count - one.by : count + one.by;
      return { part_count: Math.max(0, count) };
    })) as Parameters<typeof snapshot>[0];
    rows.push([seconds, values]);
  }
  return rows;
});
const rules = fc.constantFrom<MachineRules[]>(
  RULES, rulesWith({ cycle: { quantity: "counter" } }), rulesWith({ cycle: { quantity: "cycle", partsPerCycle: 2 } }),
  rulesWith({ cycle: { programs: [{ match: "W*", kind: "warmup" }], minimumMs: 2_000 }, alarm: { rejoinMs: 0 } }), rulesWith({ cycle: { counterJoinMs: 0 } }),
  rulesWith({ count: { confirmAfterMs: 30_000, maximumStep: 3 } }),
);
const RUNS = { numRuns: 300 };
/** Days with an odd number of rows are of a polled source, which says of each value how much earlier it may have been so. */
const SLACKS_MS = [0, 1, 250, 1_000, 5_000, 60_000];
const events = (rows: readonly Row[]): readonly MachineEvent[] => (rows.length % 2 === 0 ? stamped(rows) : stamped(rows).map((event, place): MachineEvent => (event.kind !== "observations" ? event : {
  ...event,
  items: event.items.map((item, index) => ({ ...item, basis: "gateway", ...(item.initial !== true && { uncertaintyMs: SLACKS_MS.at((place * 7 + index * 3 + rows.length) % SLACKS_MS.length) ?? 0 }) })),
})));
const SETTLE = 3_600;
const play = (rows: readonly Row[], by: MachineRules): Played => playEvents([...events(rows), { kind: "tick", at: second((rows.at(-1)?.[0] ?? 0) + SETTLE) }], by);
/** The report of the shortest day for which it does not hold, with the seed; undefined when it holds for all. */
const failing = <T>(property: fc.IProperty<T>, { numRuns } = RUNS): string | undefined => fc.defaultReportMessage(fc.check(property, { numRuns }));
const everyDay = (holds: (played: Played, rows: readonly Row[]) => void): string | undefined =>
  failing(fc.property(day, rules, (rows, by) => holds(play(rows, by), rows)));

describe("the same records, however they come", () => {
  test("P7: extra ticks, early, late, at every millisecond of interest, change nothing", () => {
    expect(failing(fc.property(day, rules, fc.array(fc.tuple(fc.nat(), fc.constantFrom(-1, 0, 1, 4999, 5000, 5001, 120_001)), { maxLength: 40 }), (rows, by, extra) => {
      const all = [...events(rows), { kind: "tick" as const, at: second((rows.at(-1)?.[0] ?? 0) + 3600) }];
      const first = second(0);
      const ticks = extra.map(([which, offset]): MachineEvent => ({ kind: "tick", at: second((Math.max(first, (all[which % all.length]?.at ?? first) + offset) - START) / 1000) }));
      const mixed = [...all, ...ticks].sort((one, other) => one.at - other.at);
      // What the source says at one instant keeps its order: sort is stable, ticks follow the events of their instant.
      expect(playEvents(mixed, by).revisions.filter(({ start }) => start <= (all.at(-1)?.at ?? 0))).toEqual(playEvents([...all, ...ticks.filter(({ at }) => at > (all.at(-1)?.at ?? 0))], by).revisions.filter(({ start }) => start <= (all.at(-1)?.at ?? 0)));
    }), RUNS)).toBeUndefined();
  });
  test("P7: ticks at each wake-up, as the runtime owes them, change nothing", () => {
    expect(failing(fc.property(day, rules, (rows, by) => {
      const all = [...events(rows), { kind: "tick" as const, at: second((rows.at(-1)?.[0] ?? 0) + 3600) }];
      let state = machineDetector.initial(by);
      const revisions = all.flatMap((event) => {
        const found = [];
        for (let due = machineDetector.wakeAt(by, state); due !== null && due < event.at; due = machineDetector.wakeAt(by, state)) {
          const [next, more] = machineDetector.step(by, state, { kind: "tick", at: due }, []);
          state = next;
          found.push(...more);
        }
        const [next, more] = machineDetector.step(by, state, event, []);
        state = next;
        return [...found, ...more].flatMap((one) => (one.kind === "record" ? [one.record] : []));
      });
      expect(revisions).toEqual(playEvents(all, by).revisions);
    }), RUNS)).toBeUndefined();
  });
  test("P1: the state through JSON between any two events changes nothing", () => {
    expect(failing(fc.property(day, rules, (rows, by) => {
      expect(playEvents(events(rows), by, { roundTrip: true }).findings).toEqual(playEvents(events(rows), by).findings);
    }), RUNS)).toBeUndefined();
  });
  test("P7: a step does not touch the state it is given", () => {
    expect(failing(fc.property(day, (rows) => {
      let state = machineDetector.initial(RULES);
      for (const event of events(rows)) {
        const before = JSON.stringify(state);
        const [next] = machineDetector.step(RULES, state, event, []);
        expect(JSON.stringify(state)).toBe(before);
        state = next;
      }
    }), { numRuns: 100 })).toBeUndefined();
  });
});

describe("of every day", () => {
  test("states tile time: none empty, no overlap, no hole, the last one open", () => {
    expect(everyDay((played) => {
      const all = played.of("state");
      all.forEach((one, index) => {
        const next = all[index + 1];
        expect(one.end).toBe(next?.start ?? null);
        expect(one.end === null ? Infinity : Date.parse(one.end)).toBeGreaterThan(Date.parse(one.start));
      });
    })).toBeUndefined();
  });
  test("UNKNOWN states and gaps are the same spans", () => {
    expect(everyDay((played) => {
      const spans = (all: readonly { readonly start: string; readonly end: string | null }[]): string[] => all.filter(({ start, end }) => start !== end).map(({ start, end }) => `${start} ${end}`);
      expect(spans(played.of("connection"))).toEqual(spans(played.of("state").filter(({ state }) => state === "UNKNOWN")));
    })).toBeUndefined();
  });
  test("a cycle's parts add up, agree with the states, and cycles do not overlap", () => {
    expect(everyDay((played) => {
      const all = played.of("cycle").sort((one, other) => one.start.localeCompare(other.start));
      all.forEach((one, index) => {
        expect(one.cycleElapsedMs).toBe(one.inCycleMs + one.heldMs + one.unknownMs);
        expect(one.cycleElapsedMs).toBe(one.durationMs);
        expect(one.unknownMs).toBe(0);
        const running = played.of("state").filter(({ state }) => state === "RUNNING").reduce((sum, state) => sum + overlap(one, state), 0);
        expect(one.inCycleMs).toBe(running);
        const next = all[index + 1];
        expect(next ? Date.parse(next.start) : Infinity).toBeGreaterThanOrEqual(Date.parse(one.end ?? ""));
      });
    })).toBeUndefined();
  });
  test("pitfall 2: no part counts twice: what is credited is the quantity of record", () => {
    expect(everyDay((played) => {
      expect(credited(played)).toBe(quantity(played));
      const counting = played.of("count").filter((one) => one.quantityOfRecord).flatMap((one) => one.cycleIds);
      expect(played.of("cycle").filter((one) => one.quantityOfRecord && counting.includes(one.id))).toEqual([]);
    })).toBeUndefined();
  });
  test("a step of the counter is told once: the deltas of an epoch never exceed its range", () => {
    expect(everyDay((played) => {
      const epochs = new Map<number, { made: number; first: number; last: number }>();
      for (const { counter, delta, plausibility, resetDetected } of played.of("count")) {
        if (plausibility === "rejected" || resetDetected) continue;
        const from = counter.from ?? counter.to;
        const known = epochs.get(counter.epoch) ?? { made: 0, first: from, last: counter.to };
        epochs.set(counter.epoch, { made: known.made + delta, first: Math.min(known.first, from), last: Math.max(known.last, counter.to) });
      }
      for (const { made, first, last } of epochs.values()) expect(made).toBeLessThanOrEqual(last - first);
    })).toBeUndefined();
  });
  test("revisions rise by one, each changes the body, and cycles and counts have one", () => {
    expect(everyDay((played) => {
      const last = new Map<string, { rev: number; body: string }>();
      for (const { id, rev, type, body } of played.revisions) {
        const before = last.get(id);
        expect(rev).toBe((before?.rev ?? 0) + 1);
        expect(JSON.stringify(body)).not.toBe(before?.body);
        expect(type === "cycle" || type === "count" ? rev : 1).toBe(1);
        last.set(id, { rev, body: JSON.stringify(body) });
      }
    })).toBeUndefined();
  });
  test("records are what their schema says, and none is invented for time that has not been", () => {
    expect(everyDay((played, rows) => {
      for (const { type, body, start } of played.revisions) {
        const problems: Problem[] = [];
        (RECORD_BODIES[type] as Shape<object>).read(body, [type], problems);
        expect(problems).toEqual([]);
        expect(start).toBeLessThanOrEqual(second((rows.at(-1)?.[0] ?? 0) + 3600));
      }
    })).toBeUndefined();
  });
  test("nothing first told later ends before what was said to be held back", () => {
    expect(failing(fc.property(day, rules, (rows, by) => {
      let state = machineDetector.initial(by);
      let complete = 0;
      const known = new Set<string>();
      for (const event of events([...rows, [(rows.at(-1)?.[0] ?? 0) + 3600, tick]])) {
        const [next, found] = machineDetector.step(by, state, event, []);
        state = next;
        for (const one of found) {
          if (one.kind !== "record" || known.has(one.record.id)) continue;
          known.add(one.record.id);
          expect(one.record.body.end === null ? Infinity : Date.parse(one.record.body.end)).toBeGreaterThanOrEqual(complete);
        }
        complete = Math.min(event.at, machineDetector.heldBack?.(by, state) ?? event.at);
      }
    }), RUNS)).toBeUndefined();
  });
  test("the state stays small", () => {
    expect(everyDay((played) => {
      expect(played.stateBytes).toBeLessThan(12_000);
    })).toBeUndefined();
  });
});

const overlap = (one: { readonly start: string; readonly end: string | null }, other: { readonly start: string; readonly end: string | null }): number =>
  Math.max(0, Math.min(Date.parse(one.end ?? ""), other.end === null ? Infinity : Date.parse(other.end)) - Math.max(Date.parse(one.start), Date.parse(other.start)));
