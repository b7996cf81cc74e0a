/**
 * A night without network, at a machine whose own agent keeps it: UNKNOWN is published meanwhile, and after the night the
 * records are those of a run without it (design.md §3). Once with the clocks moved by hand and nothing else pretended; once
 * through a real broker, with the built agent killed inside and outside the holes.
 */
import { expect, it } from "vitest";
import { shiftFeed } from "../../agent/simulate/mtconnect/feeds/shift.ts";
import { seeded } from "../support/seeded.ts";
import type { Arrived } from "../crash/arrived.ts";
import { scripted } from "../crash/feeds.ts";
import { crashRun } from "../crash/run.ts";
import { builtBundle } from "../support/bundle.ts";
import { describeNeeding } from "../support/needs.ts";
import { handMachine, instant, START, watch, type HandMachine, type Watching } from "./hand-machine.ts";

const HOUR = 3_600;
const SHIFTS = `
    shifts:
      shifts: [{code: early, start: "06:00", end: "14:00"}, {code: late, start: "14:00", end: "22:00"}, {code: night, start: "22:00", end: "06:00"}]
      breaks: [{name: lunch, start: "10:00", end: "10:30"}]`;
const steps = shiftFeed({ startMs: START }).steps;

/** The machine works its shift from `from` until before `to`, seconds. */
function works(machine: HandMachine, from: number, to: number): void {
  for (const { atMs, observations } of steps) {
    if (atMs < from * 1_000 || atMs >= to * 1_000 || observations.length === 0) continue;
    machine.passes(atMs / 1_000);
    machine.agent.push(observations);
  }
  machine.passes(to);
}

/** Type, id and body of the last revision of each record, what is of the run and what was taken back left out. */
function kept(watching: Watching): string[] {
  return watching.running.last().filter(({ type, status }) => type !== "connection" && type !== "receipt" && status !== "void").map((data) => JSON.stringify({ ...data, rev: null })).toSorted();
}

interface Day {
  readonly records: readonly string[];
  readonly watching: Watching;
  /** At the end of the night, before the cable was back. */
  readonly blind: { readonly live: unknown; readonly connections: readonly object[]; readonly summaries: readonly object[] } | null;
}

/** From the early shift into the late one, with or without a cable between 07:00 and 15:00. */
async function dayWith(cable: "whole" | "pulled"): Promise<Day> {
  await using machine = await handMachine({ bufferSize: 1 << 17 });
  machine.passes(0);
  await using watching = await watch(machine.agent.url, { history: "buffer", more: SHIFTS });
  works(machine, 0, HOUR);
  await watching.caughtUp(machine);
  if (cable === "pulled") machine.agent.pullCable("cut");
  works(machine, HOUR, 9 * HOUR);
  await watching.clock.advance(9 * HOUR * 1_000);
  let blind: Day["blind"] = null;
  if (cable === "pulled") {
    await watching.running.until(() => watching.running.last("summary").length === 1, "the shift that nobody saw has its summary");
    blind = { live: watching.live("state"), connections: watching.running.last("connection"), summaries: watching.running.last("summary") };
    await machine.agent.plugCable();
  }
  await watching.caughtUp(machine);
  machine.says(9 * HOUR + 60, { exec: "ACTIVE" });
  await watching.caughtUp(machine);
  await watching.running.until(() => watching.states().at(-1) === `RUNNING ${9 * HOUR + 60} …`, "the last state");
  return { records: kept(watching), watching, blind };
}

it("a night without network: what was published of it is revised, and equals a run without it", { timeout: 60_000 }, async () => {
  const whole = await dayWith("whole");
  const { records, watching, blind } = await dayWith("pulled");
  expect(blind?.live).toBe("UNKNOWN");
  expect(blind?.connections).toMatchObject([{ status: "open", reason: "link-down", start: instant(HOUR), recoverable: true }]);
  expect(blind?.summaries).toMatchObject([{ rev: 1, stateMs: { UNKNOWN: 7 * HOUR * 1_000 } }]);

  expect(whole.records.length).toBeGreaterThan(300);
  expect(records).toEqual(whole.records);
  // Nothing unknown is left, and what told of it is taken back, not forgotten.
  expect(watching.running.last("connection")).toMatchObject([{ status: "void", rev: 2 }]);
  expect(watching.running.last("summary")).toMatchObject([{ rev: 2 }]);
  const unmarked = watching.running.delivered.filter(({ rev, late, start }) => rev === 1 && !late && start > START + HOUR * 1_000 && start < START + 8 * HOUR * 1_000);
  expect(unmarked.map(({ type }) => type)).toEqual([]);
});

const SEED = 20_260_105;
const KILLS = 6;
/** Data of the last revision of each record but for its number; what is of the run and what was taken back left out. */
const comparable = ({ records }: Arrived): string[] => [...records.values()]
  .filter(({ type, data }) => !/\.(connection|loss|receipt)\./.test(type) && !data.includes('"status":"void"'))
  .map(({ type, data }) => `${type} ${data.replace(/"rev":\d+,/, "")}`).toSorted();

describeNeeding(["mosquitto"], "the built agent, through a real broker", () => {
  it(`cables pulled for longer than the hold and ${KILLS} kills: the records of a run without`, { timeout: 120_000 }, async () => {
    const bundle = await builtBundle();
    const random = seeded(SEED);
    const between = (low: number, high: number): number => Math.round(low + random() * (high - low));
    const livesMs = Array.from({ length: KILLS }, () => between(500, 3_000));
    const cables = Array.from({ length: 6 }, () => ({ afterMs: between(200, 900), forMs: between(1_000, 1_800) }));
    const whole = await crashRun(scripted(), { bundle, livesMs: [], lastsMs: 6_000 });
    const holed = await crashRun(scripted(), { bundle, livesMs, lastsMs: livesMs.reduce((sum, ms) => sum + ms, 0), holes: { holdMs: 700, cables } });
    expect([...whole.faults, ...holed.faults]).toEqual([]);
    const [expected, found] = [comparable(whole), comparable(holed)];
    expect(expected.length).toBeGreaterThan(200);
    expect({ missing: expected.filter((text) => !found.includes(text)).slice(0, 3), surplus: found.filter((text) => !expected.includes(text)).slice(0, 3) }, `seed ${SEED}`).toEqual({ missing: [], surplus: [] });
    expect([...holed.records.values()].some(({ data }) => data.includes('"status":"void"'))).toBe(true);
  });
});
