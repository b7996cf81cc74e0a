/** Holes of any number and length in any day, with kills: afterwards the records are those of a run without (design.md §3, P1, P3). */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Reading } from "../../../../agent/contract/observation.ts";
import type { CalendarRules, MachineRules } from "../../../../agent/contract/rules.ts";
import { unixMs } from "../../../../agent/contract/time.ts";
import { fault, RULES, rulesWith, START, warning } from "../../../support/timeline.ts";
import { DAY_MS, faults, held, HOLD_MS, Run, type RunOptions } from "./machine-run.ts";

const MINUTE = 60_000;
const EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
const SHIFTS: CalendarRules = {
  name: "two", version: "c1", timezone: "UTC", exceptions: [], breakMode: "strict",
  shifts: [{ code: "A", startMinute: 360, endMinute: 840, days: EVERY_DAY }, { code: "B", startMinute: 840, endMinute: 1320, days: EVERY_DAY }],
  breaks: [{ name: "meal", startMinute: 600, endMinute: 630, days: EVERY_DAY }],
};
const rules = fc.constantFrom<MachineRules[]>(
  RULES, rulesWith({ calendar: SHIFTS }), rulesWith({ calendar: SHIFTS, cycle: { quantity: "counter" }, alarm: { rejoinMs: 0 } }),
  rulesWith({ calendar: SHIFTS, state: { minimumMs: 2_000 } }), rulesWith({ cycle: { counterJoinMs: 0 }, count: { confirmAfterMs: 30_000, maximumStep: 3 } }),
);

const said = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom("ACTIVE", "ACTIVE", "ACTIVE", "READY", "READY", "FEED_HOLD", "STOPPED", "PROGRAM_COMPLETED", "WAIT", null).map((value) => ({ signal: "execution", value })) },
  { weight: 4, arbitrary: fc.constantFrom(1, 1, 1, 2, 0, 5000).map((by) => ({ signal: "part_count", by })) },
  { weight: 1, arbitrary: fc.constantFrom("AUTOMATIC", "AUTOMATIC", "MANUAL", null).map((value) => ({ signal: "controller_mode", value })) },
  { weight: 1, arbitrary: fc.constantFrom("O1", "O2", "WARM").map((value) => ({ signal: "program", value })) },
  { weight: 1, arbitrary: fc.constantFrom("AVAILABLE", "AVAILABLE", "UNAVAILABLE").map((value) => ({ signal: "availability", value })) },
  { weight: 2, arbitrary: fc.constantFrom([], [fault("1")], [warning("2")], [fault("1"), fault("3")]).map((value) => ({ signal: "alarm", item: "logic", value })) },
  { weight: 2, arbitrary: fc.constantFrom(0, 800).map((value) => ({ signal: "spindle_speed", value })) },
);
/** Often around the windows of the detectors and of the hold. */
const pause = fc.oneof(
  fc.constantFrom(0, 1, 250, 4_999, 5_000, 5_001, 119_000, 121_000, HOLD_MS - 1, HOLD_MS + 1, 4 * 60 * MINUTE, 9 * 60 * MINUTE), fc.integer({ min: 1, max: 10 * MINUTE }),
);

type Beginning = Pick<Reading, "signal"> & { readonly value: string | number };
const BEGINNING: readonly Beginning[] = [{ signal: "availability", value: "AVAILABLE" }, { signal: "controller_mode", value: "AUTOMATIC" }, { signal: "program", value: "O1" }, { signal: "part_count", value: 20 }, { signal: "execution", value: "READY" }];
const day = fc.array(fc.tuple(pause, said), { minLength: 5, maxLength: 60 }).map((drawn): Reading[] => {
  let at = START;
  let count = 20;
  const readings: Reading[] = [];
  const add = (one: { readonly signal: string; readonly item?: string; readonly value: unknown }): void => {
    const common = { kind: "reading" as const, instance: "1", position: readings.length + 1, sourceTime: unixMs(at), signal: one.signal, ...(one.item !== undefined && { item: one.item }) };
    readings.push(one.value === null || one.value === "UNAVAILABLE" ? { ...common, quality: "UNAVAILABLE", value: null } : { ...common, quality: "GOOD", value: one.value as string });
  };
  BEGINNING.forEach(add);
  at += 1_000;
  add({ signal: "spindle_speed", value: 0 });
  for (const [wait, what] of drawn) {
    at += wait;
    if (!("by" in what)) add(what);
    else add({ signal: what.signal, value: (count = what.by === 0 ? 0 : what.by > 100 && count > 4_000 ? count - what.by : count + what.by) });
  }
  return readings;
});

/** What befalls the link and the agent, while the machine goes on. */
type Fate =
  | { readonly what: "read"; readonly count: number; readonly size: number; readonly wait: number }
  | { readonly what: "part"; readonly size: number; readonly batches: number }
  | { readonly what: "cut" | "kill" | "stop" | "sync" | "restart" }
  | { readonly what: "away"; readonly count: number; readonly wait: number }
  | { readonly what: "lag"; readonly lags: boolean };
const count = fc.integer({ min: 0, max: 12 });
const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant("read" as const), count, size: fc.integer({ min: 1, max: 6 }), wait: fc.constantFrom(0, 500, 20 * MINUTE) }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant("part" as const), size: fc.integer({ min: 1, max: 3 }), batches: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 6, arbitrary: fc.record({ what: fc.constant("away" as const), count, wait: fc.constantFrom(0, HOLD_MS + MINUTE, HOLD_MS + MINUTE, 60 * MINUTE, 10 * 60 * MINUTE) }) },
  { weight: 4, arbitrary: fc.record({ what: fc.constantFrom("cut" as const, "cut" as const, "kill" as const, "stop" as const, "sync" as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("lag" as const), lags: fc.boolean() }) },
);

async function suffer(run: Run, one: Fate): Promise<void> {
  switch (one.what) {
    case "read":
      run.says(one.count, one.wait);
      return run.reads(one.size);
    case "part":
      return run.reads(one.size, one.batches);
    case "away":
      run.cut();
      run.says(one.count, one.wait);
      return run.passes(one.wait);
    case "cut":
      return run.cut();
    case "kill":
      return run.kill();
    case "stop":
      return run.stop();
    case "restart":
      return run.sourceRestarts();
    case "sync":
      return run.ledger.sync();
    case "lag":
      run.ledger.lags = one.lags;
  }
}
/** A first look, and one observation as it happened: they tell the source's clock, and are stored. */
async function begun(options: RunOptions): Promise<Run> {
  const run = new Run(options);
  for (let look = 0; look < 2; look += 1) {
    run.says(1);
    await run.reads(1_000);
  }
  await run.stop();
  return run;
}
/** The rest of the day, and a day more, so that everything held back has come. */
async function ends(run: Run): Promise<void> {
  run.says(Infinity);
  await run.reads(1_000);
  run.passes(DAY_MS);
  await run.reads(1_000);
  run.ledger.lags = false;
  run.ledger.sync();
  await run.stop();
}

function differences(whole: Run, run: Run, which: { readonly withConnections?: boolean } = {}): string[] {
  const [one, other] = [held(whole.ledger.rows, which), held(run.ledger.rows, which)];
  return [
    ...[...one].flatMap(([id, text]) => (other.get(id) === text ? [] : [`different: ${text}\n      and not: ${other.get(id) ?? "nothing"}`])),
    ...[...other].flatMap(([id, text]) => (one.has(id) ? [] : [`only with holes: ${text}`])),
  ];
}

const RUNS = { numRuns: 150 };
/** What does not hold, and the shortest case of it with its seed; undefined when all is well. */
async function failing<T>(property: fc.IAsyncProperty<T>): Promise<string | undefined> {
  const details = await fc.check(property, RUNS);
  return details.failed ? `${String(details.errorInstance)}\n${String(fc.defaultReportMessage(details))}` : undefined;
}

describe("a machine whose source keeps everything", () => {
  test("after any holes, links cut while catching up, kills and stops: the records of a run without, and no hole left", { timeout: 120_000 }, async () => {
    expect(await failing(fc.asyncProperty(day, rules, fc.array(fate, { minLength: 2, maxLength: 25 }), async (readings, by, fates) => {
      const whole = await begun({ readings, rules: by });
      for (let left = whole.left; left > 0; left -= 1) {
        whole.says(1);
        await whole.reads(1_000);
      }
      await ends(whole);
      const run = await begun({ readings, rules: by });
      for (const one of fates) await suffer(run, one);
      await ends(run);
      const wrong = [...faults(run), ...differences(whole, run), ...(run.status.holeSince === null ? [] : ["the hole is still there"])];
      if (wrong.length > 0) throw new Error(wrong.slice(0, 3).join("\n"));
    }))).toBeUndefined();
  });
});

describe("a machine whose source keeps little, or starts anew", () => {
  const REPEATED: Fate = { what: "restart" };
  const withRestarts: fc.Arbitrary<Fate> = fc.oneof({ weight: 12, arbitrary: fate.filter(({ what }) => what !== "kill" && what !== "stop") }, { weight: 1, arbitrary: fc.constant(REPEATED) });
  test("however long it was away: the records of an agent that would have waited for it, gaps and all", { timeout: 120_000 }, async () => {
    expect(await failing(fc.asyncProperty(day, rules, fc.array(withRestarts, { minLength: 2, maxLength: 25 }), fc.integer({ min: 3, max: 40 }), async (readings, by, fates, bufferSize) => {
      const [patient, run] = await Promise.all([begun({ readings, rules: by, bufferSize, holdMs: 400 * DAY_MS }), begun({ readings, rules: by, bufferSize })]);
      for (const one of [patient, run]) {
        for (const befalls of fates) await suffer(one, befalls);
        await ends(one);
      }
      const wrong = [...faults(run), ...differences(patient, run, { withConnections: true })];
      if (wrong.length > 0) throw new Error(wrong.slice(0, 3).join("\n"));
    }))).toBeUndefined();
  });
});

test("whatever befalls link, agent and source: states tile time, unknown spans and gaps are the same, and no promise is broken", { timeout: 120_000 }, async () => {
  const anything = fc.oneof({ weight: 12, arbitrary: fate }, { weight: 1, arbitrary: fc.constant<Fate>({ what: "restart" }) });
  expect(await failing(fc.asyncProperty(day, rules, fc.array(anything, { minLength: 2, maxLength: 25 }), fc.record({ bufferSize: fc.integer({ min: 3, max: 60 }), forgets: fc.boolean() }), async (readings, by, fates, source) => {
    const run = await begun({ readings, rules: by, ...source });
    for (const one of fates) await suffer(run, one);
    await ends(run);
    const wrong = [...faults(run), ...untiled(run)];
    if (wrong.length > 0) throw new Error(wrong.slice(0, 3).join("\n"));
  }))).toBeUndefined();
});

interface Span {
  readonly start: string;
  readonly end: string | null;
  readonly state?: string;
}
function untiled(run: Run): string[] {
  const spans = (type: string): Span[] => [...held(run.ledger.rows, { withConnections: true }).values()].flatMap((text) => (text.startsWith(`${type} `) ? [JSON.parse(text.slice(type.length)) as Span] : []))
    .sort((one, other) => one.start.localeCompare(other.start) || (one.end ?? "~").localeCompare(other.end ?? "~"));
  const of = (all: readonly Span[]): string => all.filter(({ start, end }) => start !== end).map(({ start, end }) => `${start} ${end}`).join(", ");
  const states = spans("state");
  const [unknown, gaps] = [of(states.filter(({ state }) => state === "UNKNOWN")), of(spans("connection"))];
  return [
    ...states.flatMap(({ state, start, end }, index) => (end === (states[index + 1]?.start ?? null) ? [] : [`${state} ${start} ${end} is followed by ${JSON.stringify(states[index + 1]?.start)}`])),
    ...(unknown === gaps ? [] : [`unknown ${unknown}; gaps ${gaps}`]),
  ];
}
