/**
 * One scripted shift, played by the simulator of each kind of source through its driver and the whole agent, gives the same
 * cycles, downtimes, states and parts as through MTConnect, boundaries within one poll; except what this table lists, which
 * is checked too, and stands in docs/drivers.md. That MTConnect misses nothing over a cut is cable.test.ts's and long-hole.test.ts's.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { SOURCE_KINDS } from "../../agent/registry.ts";
import { SHIFT_MS, scriptedShift } from "../../agent/simulate/shift.ts";
import { POLL_MS } from "../support/polled-shift.ts";
import { OPCUA_UNTIL_MS, PLAYS, type Told } from "../support/shift-plays.ts";
import { trueStates } from "../support/shift-truth.ts";

interface Unknowable {
  /** As docs/drivers.md has it. */
  readonly says: string;
  /** What is found of it, and what should be. */
  readonly shows: (told: Told, reference: Told) => readonly [found: unknown, wanted: unknown];
}
interface Row {
  /** As docs/drivers.md calls it. */
  readonly name: string;
  readonly kind: string;
  readonly plays: readonly string[];
  readonly boundary: "exact" | "poll";
  /** After the cable was out: nothing is missing, or that span is a gap. */
  readonly cut: "kept" | "gap";
  readonly unknowable: readonly Unknowable[];
  /** What the reference's word for a state becomes. */
  readonly states?: Readonly<Record<string, string>>;
  readonly untilMs?: number;
}

const shift = scriptedShift(1);
const [CABLE = { fromMs: 0, toMs: 0 }] = shift.truth.cable;

/** Live signals that it does not have; the reference does. */
const without = (says: string, ...signals: readonly string[]): Unknowable => ({
  says, shows: (told, reference) => [[signals.filter((signal) => reference.signals.has(signal)), signals.filter((signal) => told.signals.has(signal))], [signals, []]],
});
const alarm = (says: string, record: Readonly<Record<string, unknown>>): Unknowable => ({
  says, shows: (told) => [told.of("alarm").map((one) => Object.fromEntries(Object.keys(record).map((key) => [key, one[key]]))), [record]],
});
const completedBy = (says: string, endedBy: string): Unknowable => ({
  says,
  shows(told, reference) {
    const ends = (one: Told): ReadonlySet<unknown> => new Set(one.of("cycle").filter(({ outcome }) => outcome === "completed").map((cycle) => cycle["endedBy"]));
    return [[...ends(reference), ends(told).has(endedBy)], ["program_completed", true]];
  },
});
const noProgramStop: Unknowable = {
  says: "M00 and M01 look like a feed hold: `HELD`, not `PROGRAM_STOP`",
  shows: (told, reference) => [[reference, told].map((one) => one.of("state").some(({ state }) => state === "PROGRAM_STOP")), [true, false]],
};
const HAAS = [
  noProgramStop,
  alarm("an alarm has no number and no text", { alarmId: "", text: "alarm on; the Q commands do not say which" }),
  completedBy("the end of a program is told from a stop by the part counter alone", "ready"),
  without("no messages, comment, door, overrides or emergency stop; spindle and feed only as `variables`", "message", "program_comment", "door", "feed_override", "emergency_stop", "spindle_speed", "feedrate"),
];
/** The cycle under way when the connection came back. */
const firstAfterCut = (told: Told): Readonly<Record<string, unknown>> | undefined => told.of("cycle").find(({ start }) => told.ms(start) >= CABLE.toMs);
const programOf = (cycle: Readonly<Record<string, unknown>> | undefined): unknown => (cycle?.["program"] as { readonly main: unknown } | undefined)?.main;

const ROWS: readonly Row[] = [
  { name: "`mtconnect`", kind: "mtconnect", plays: ["mtconnect"], boundary: "exact", cut: "kept", unknowable: [] },
  {
    name: "`shdr`", kind: "shdr", plays: ["shdr"], boundary: "exact", cut: "gap",
    unknowable: [
      { says: "what was so before the connection has no beginning", shows: (told) => [told.of("state").find(({ state }) => state === "READY")?.["timing"], { kind: "inferred", uncertaintyMs: 0 }] },
      alarm("the type of a condition, without a `Devices.xml`", { alarmId: "1012", text: "SPINDLE OVERLOAD", group: "SYSTEM" }),
    ],
  },
  {
    name: "`opcua`, profile sinumerik", kind: "opcua", plays: ["opcua"], boundary: "exact", cut: "gap", untilMs: OPCUA_UNTIL_MS - 5 * 60_000,
    unknowable: [
      {
        says: "a stop without evidence of its cause is `INTERRUPTED`, a feed hold too: `HELD` either way",
        shows: (told) => [new Set(told.of("state").filter(({ state }) => state === "HELD").map(({ raw }) => (raw as Readonly<Record<string, unknown>>)["execution"])), new Set(["INTERRUPTED"])],
      },
      without("no comment, door, feed rate, emergency stop or functional mode, unless as `points`", "program_comment", "door", "feedrate", "emergency_stop", "functional_mode"),
    ],
  },
  {
    name: "`focas`", kind: "focas", plays: ["focas 31i-B", "focas 16i"], boundary: "poll", cut: "gap",
    unknowable: [
      alarm("an alarm's number carries its group: `SP1012`", { alarmId: "SP1012", text: "SPINDLE OVERLOAD" }),
      without("no door, rapid override or functional mode, unless as `points`", "door", "rapid_override", "functional_mode"),
    ],
  },
  { name: "`haas`, NGC", kind: "haas", plays: ["haas ngc"], boundary: "poll", cut: "gap", states: { PROGRAM_STOP: "HELD" }, unknowable: HAAS },
  {
    name: "`haas`, older controls", kind: "haas", plays: ["haas classic"], boundary: "poll", cut: "gap", states: { PROGRAM_STOP: "HELD" },
    unknowable: [
      ...HAAS,
      {
        says: "`BUSY` names no program: a cycle has the one shown before it, and none where the connection began in it",
        shows: (told) => [[shift.truth.cycles.find(({ startMs, endMs }) => startMs < CABLE.toMs && endMs > CABLE.toMs)?.program, programOf(firstAfterCut(told))], ["O1234", null]],
      },
    ],
  },
  {
    name: "`modbus`", kind: "modbus", plays: ["modbus"], boundary: "poll", cut: "gap",
    unknowable: [
      completedBy("a word shorter than a period is mostly not seen (`PROGRAM_COMPLETED` for 0.25 s): the cycle ends by `READY` and its counter", "ready"),
      alarm("an alarm is one bit: its number and text are the YAML's", { alarmId: "1012", text: "SPINDLE OVERLOAD", group: "alarm" }),
    ],
  },
];

const CUT = { kept: "nothing is missing, while the agent's buffer reaches back", gap: "a gap; its parts are counted after it" } as const;
const BOUNDARY = { exact: "exact", poll: "within one poll" } as const;
const docsRow = ({ name, boundary, cut, unknowable }: Row): string => `| ${name} | ${BOUNDARY[boundary]} | ${CUT[cut]} | ${unknowable.length === 0 ? "nothing of the shift" : unknowable.map(({ says }) => says).join("; ")} |`;

it("docs/drivers.md has this table, and no other row", () => {
  const lines = readFileSync(join(import.meta.dirname, "../../docs/drivers.md"), "utf8").split("\n");
  const from = lines.indexOf("| source | start and end of a cycle | after a cut | what it cannot tell |");
  expect(lines.slice(from + 2, lines.indexOf("", from))).toEqual(ROWS.map(docsRow));
});
it("has every kind of source", () => {
  expect(new Set(ROWS.map(({ kind }) => kind))).toEqual(new Set(SOURCE_KINDS.map(({ kind }) => kind)));
});

type Fact = readonly [start: number, end: number, ...rest: readonly unknown[]];
/** Of the first state nobody knows the beginning: how long a link takes is another matter. */
const FIRST_MS = 30_000;
/** What ended before `untilMs`, and did not touch the time of the cut cable. */
function clear(facts: readonly Fact[], { untilMs = SHIFT_MS, cut }: Row): readonly Fact[] {
  const slack = cut === "gap" ? POLL_MS : 0;
  return facts.filter(([start, end]) => start >= FIRST_MS && end < untilMs - POLL_MS && (cut === "kept" || end < CABLE.fromMs - slack || start > CABLE.toMs + slack));
}
const span = ({ ms }: Told, { start, end }: Readonly<Record<string, unknown>>): readonly [number, number] => [ms(start), end === null ? Infinity : ms(end)];
const cyclesOf = (told: Told): readonly Fact[] => told.of("cycle").map((one) => [...span(told, one), one["outcome"], programOf(one)]);
const downtimesOf = (told: Told): readonly Fact[] => told.of("downtime").map((one) => [...span(told, one), one["category"], one["state"], one["endedBy"]]);
const statesOf = (told: Told): readonly Fact[] => told.of("state").map((one) => [...span(told, one), one["state"]]);
const renamed = (facts: readonly Fact[], { states = {} }: Row): readonly Fact[] => facts.map(([start, end, ...rest]) => [start, end, ...rest.map((one) => states[String(one)] ?? one)]);
/** Times that lie within one poll after the wanted ones become these, so that what differs is seen. */
const settled = (facts: readonly Fact[], wanted: readonly Fact[], { boundary }: Row): readonly Fact[] => facts.map(([start, end, ...rest], place) => {
  const [startWanted = 0, endWanted = 0] = wanted[place] ?? [];
  const at = (found: number, truth: number): number => (found >= truth && found - truth <= (boundary === "exact" ? 0 : POLL_MS) ? truth : found);
  return [at(start, startWanted), at(end, endWanted), ...rest];
});

let reference: Told;
beforeAll(async () => {
  reference = await PLAYS["mtconnect"]?.() ?? expect.unreachable("MTConnect is played");
}, 60_000);

it("MTConnect's own is the script's, to the millisecond", () => {
  const whole: Row = { name: "", kind: "", plays: [], boundary: "exact", cut: "kept", unknowable: [] };
  const truth = trueStates(shift);
  expect(cyclesOf(reference)).toEqual(shift.truth.cycles.map(({ startMs, endMs, completed, program }) => [startMs, endMs, completed ? "completed" : "aborted", program]));
  expect(clear(statesOf(reference), whole)).toEqual(clear(truth.map(({ startMs, state }, place) => [startMs, truth[place + 1]?.startMs ?? Infinity, state]), whole));
  expect(downtimesOf(reference).length).toBeGreaterThan(8);
});

describe.each(ROWS.flatMap((row) => row.plays.map((play) => ({ ...row, play }))))("$play", (row) => {
  let told: Told;
  beforeAll(async () => {
    told = row.play === "mtconnect" ? reference : await PLAYS[row.play]?.() ?? expect.unreachable("it is played");
  }, 180_000);

  it.each([["cycles", cyclesOf], ["downtimes", downtimesOf], ["states", statesOf]] as const)("the same %s", (_, factsOf) => {
    const wanted = clear(renamed(factsOf(reference), row), row);
    const found = clear(factsOf(told), row).filter(([, , word]) => word !== "unknown" && word !== "UNKNOWN");
    expect(wanted.length).toBeGreaterThan(3);
    expect(settled(found, wanted, row)).toEqual(wanted);
  });
  it("every part, those of the cut too", () => {
    const counted = told.of("count").filter(({ plausibility, end }) => plausibility !== "rejected" && told.ms(end) < (row.untilMs ?? Infinity)).reduce((sum, { delta }) => sum + Number(delta), 0);
    const until = shift.truth.cycles.filter(({ completed, endMs }) => completed && endMs < (row.untilMs ?? SHIFT_MS)).length;
    expect([counted, until]).toEqual([until, row.untilMs === undefined ? shift.truth.parts : until]);
  });
  it("a cut is a gap of its length, or none", () => {
    const gaps = told.of("connection").filter(({ kind, end, durationMs }) => kind === "gap" && durationMs !== 0 && told.ms(end) > CABLE.fromMs - 10 * 60_000);
    expect(gaps.length).toBe(row.cut === "gap" ? 1 : 0);
    const next = (at: number): number => Math.ceil(at / POLL_MS) * POLL_MS;
    // Of a source that stamps: from what it said last to what it says first.
    const allowed = row.boundary === "poll" ? [next(CABLE.fromMs), next(CABLE.fromMs), next(CABLE.toMs), next(CABLE.toMs)] : [CABLE.fromMs - 5 * 60_000, CABLE.fromMs, CABLE.toMs - POLL_MS, CABLE.toMs];
    for (const [from, to] of gaps.map((gap) => span(told, gap))) expect([from, from, to, to].map((at, place) => (place % 2 === 0 ? Math.max(at, allowed[place] ?? 0) : Math.min(at, allowed[place] ?? 0)))).toEqual([from, from, to, to]);
  });
  it("its boundaries say how sure they are", () => {
    const timings = told.of("cycle").filter((one) => clear([[...span(told, one)]], row).length > 0).map(({ timing }) => JSON.stringify(timing));
    expect(new Set(timings)).toEqual(new Set([JSON.stringify(row.boundary === "exact" ? { kind: "event", uncertaintyMs: 0 } : { kind: "polled", uncertaintyMs: POLL_MS })]));
  });
  it("the alarm, and how long it was", () => {
    const [wanted] = reference.of("alarm");
    const [found] = told.of("alarm");
    expect(told.of("alarm").length).toBe(1);
    expect(Math.abs(Number(found?.["durationMs"]) - Number(wanted?.["durationMs"]))).toBeLessThanOrEqual(row.boundary === "exact" ? 0 : 2 * POLL_MS);
  });
  it("nothing was written", () => {
    expect(told.writes).toBe(0);
  });
  for (const { says, shows } of row.unknowable) it(`cannot tell: ${says}`, () => {
    const [found, wanted] = shows(told, reference);
    expect(found).toEqual(wanted);
  });
});
