import { describe, expect, test } from "vitest";
import * as fc from "fast-check";
import type { Batch, Gap, Reading } from "../../../../agent/contract/observation.ts";
import type { MachineEvent } from "../../../../agent/contract/detector.ts";
import { monoMs, unixMs } from "../../../../agent/contract/time.ts";
import { eventNow } from "../../../../agent/runtime/time/dating.ts";
import { declareGap, stampBatch } from "../../../../agent/runtime/time/stamp.ts";
import { initialStamp, newSession, settledThrough, type StampSettings, type StampState } from "../../../../agent/runtime/time/stamp-state.ts";

const T0 = Date.UTC(2026, 0, 5, 6);
const settings: StampSettings = { machine: "M", source: "s", policy: "source", toleranceMs: 5_000 };
const at = (seconds: number): ReturnType<typeof unixMs> => unixMs(T0 + seconds * 1_000);
const arrival = (seconds = 0): { source: string; received: { unixMs: ReturnType<typeof unixMs>; monoMs: ReturnType<typeof monoMs>; boot: string } } =>
  ({ source: "s", received: { unixMs: at(seconds), monoMs: monoMs(seconds * 1_000), boot: "b" } });
let position = 0;
const reading = (seconds: number, signal: string, value: string | number, more: Partial<Reading> = {}): Reading =>
  ({ kind: "reading", signal, quality: "GOOD", value, sourceTime: at(seconds), instance: "1", position: (position += 1), ...more }) as Reading;
const batch = (items: readonly (Reading | Gap)[], now: number | null = null): Batch => ({ items, caughtUp: now !== null, ...(now !== null && { sourceNow: at(now) }) });

/** "12 execution=ACTIVE program=O1" : seconds, then what became true. */
const words = (events: readonly MachineEvent[]): string[] => events.map((event) => {
  const seconds = (event.at - T0) / 1_000;
  if (event.kind !== "observations") return `${seconds} ${event.kind}`;
  return [`${seconds}`, ...event.items.map((item) => `${item.signal}=${item.value === null ? "none" : typeof item.value === "object" ? "set" : String(item.value)}${item.at === event.at ? "" : `@${(item.at - T0) / 1_000}`}${item.clamped ? "!" : ""}${item.initial ? "?" : ""}`)].join(" ");
});
function play(batches: readonly Batch[], from: StampState = initialStamp, how: StampSettings = settings): { state: StampState; said: string[] } {
  let state = from;
  const said: string[] = [];
  for (const one of batches) {
    const [next, events] = stampBatch(how, state, one, arrival());
    state = next;
    said.push(...words(events));
  }
  return { state, said };
}

describe("what became true at one instant is decided together", () => {
  test("readings of one stamp make one event, even over two documents", () => {
    const { said } = play([batch([reading(1, "controller_mode", "AUTOMATIC")]), batch([reading(1, "execution", "ACTIVE")]), batch([reading(2, "program", "O1")], 3)]);
    expect(said).toEqual(["1 controller_mode=AUTOMATIC execution=ACTIVE", "2 program=O1"]);
  });
  test("a group waits until something later follows or the source has nothing newer", () => {
    expect(play([batch([reading(1, "execution", "ACTIVE")])]).said).toEqual([]);
    expect(play([batch([reading(1, "execution", "ACTIVE")], 1)]).said).toEqual(["1 execution=ACTIVE"]);
  });
  test("a tool told with a stop comes after it, wherever the documents are cut", () => {
    const [stop, tool, count] = [reading(1, "execution", "READY"), reading(1, "tool", "T4"), reading(1, "part_count", 3)];
    expect(play([batch([stop, tool], 2)]).said).toEqual(["1 execution=READY", "1 tool=T4"]);
    expect(play([batch([stop], 2), batch([tool], 2)]).said).toEqual(["1 execution=READY", "1 tool=T4"]);
    expect(play([batch([stop, tool, count], 2)]).said).toEqual(["1 execution=READY part_count=3", "1 tool=T4"]);
  });
  test("a load or a speed never moves the boundary of a state", () => {
    const { said } = play([batch([reading(1, "execution", "ACTIVE"), reading(5, "spindle_speed", 1_200), reading(1, "part_count", 3), reading(4, "execution", "READY")], 9)]);
    expect(said).toEqual(["1 execution=ACTIVE", "1 spindle_speed=1200@5", "1 part_count=3", "4 execution=READY"]);
  });
});

describe("time on the axis never goes back", () => {
  test("a stamp that steps back is clamped and marked", () => {
    const { said } = play([batch([reading(30, "execution", "PROGRAM_STOPPED"), reading(15, "availability", "UNAVAILABLE"), reading(31, "execution", "ACTIVE")], 40)]);
    expect(said).toEqual(["30 execution=PROGRAM_STOPPED", "30 availability=UNAVAILABLE!", "31 execution=ACTIVE"]);
  });
  test("time alone concludes nothing before the source has told us everything", () => {
    const behind = play([batch([reading(1, "execution", "ACTIVE"), reading(90, "execution", "READY")])]).state;
    expect(settledThrough(behind)).toBeNull();
    expect(settledThrough(play([batch([], 200)], behind).state)).toBe(at(199));
  });
  test("an adapter whose clock is 40 s behind its agent's is not outrun by the agent's clock", () => {
    const { state } = play([batch([], 90), batch([reading(60, "execution", "ACTIVE")], 100), batch([], 110)]);
    expect(settledThrough(state)).toBe(at(110 - 40 - 1));
  });

  test("a machine that has said nothing for a while is idle, not behind", () => {
    expect(settledThrough(play([batch([reading(0, "execution", "READY")], 600), batch([], 605)]).state)).toBe(at(604));
  });
});

describe("after a silence", () => {
  const before = play([batch([reading(1, "execution", "ACTIVE")], 10)]).state;
  test("one reading without a stamp among stamped ones makes no gap of the time they tell of", () => {
    const { sourceTime: _, ...unstamped } = reading(0, "program", "O2");
    const served = batch([reading(300, "execution", "READY"), unstamped, reading(400, "execution", "ACTIVE")], 1_000);
    const { said } = play([served], newSession(before));
    expect([said[0], said.at(-1), said.filter((text) => text.endsWith("gap"))]).toEqual(["300 execution=READY", "400 execution=ACTIVE", []]);
  });
});

describe("initial values", () => {
  test("found at the present: they hold from the document's time on, whatever their old stamps say", () => {
    const { said } = play([batch([reading(-9_000, "execution", "ACTIVE", { initial: true }), reading(-50, "program", "O1", { initial: true })], 10)]);
    expect(said).toEqual(["10 execution=ACTIVE? program=O1?"]);
  });
  test("they are of one instant, though what accompanies them was said first", () => {
    expect(play([batch([reading(-90, "tool", "T1", { initial: true }), reading(-50, "execution", "ACTIVE", { initial: true })], 10)]).said).toEqual(["10 execution=ACTIVE?", "10 tool=T1?"]);
  });
  test("found at the beginning of a buffer: they hold since the newest of them changed", () => {
    const { said } = play([batch([reading(-90, "execution", "ACTIVE", { initial: true }), reading(-50, "program", "O1", { initial: true }), reading(3, "execution", "READY")]), batch([], 10)]);
    expect(said).toEqual(["-50 execution=ACTIVE? program=O1?", "3 execution=READY"]);
  });
});

describe("a clock that stamps hours away from its documents (local time written as UTC)", () => {
  const HOURS = 5 * 3_600;
  test("found at the present: the axis begins at its own newest stamp, and later stamps move it", () => {
    const { said } = play([batch([reading(-60 - HOURS, "execution", "READY", { initial: true }), reading(-HOURS, "spindle_load", 0, { initial: true })], 0), batch([reading(30 - HOURS, "execution", "ACTIVE")], 30)]);
    expect(said).toEqual([`${-HOURS} execution=READY?`, `${-HOURS} spindle_load=0?`, `${30 - HOURS} execution=ACTIVE`]);
  });
  test.each([["behind", -HOURS], ["ahead", HOURS]])("%s: time alone goes on by its clock, and so does a return after a gap", (_, off) => {
    const before = play([batch([reading(off - 9, "execution", "READY")], 0), batch([reading(off + 1, "execution", "ACTIVE")], 1), batch([], 60)]).state;
    expect(settledThrough(before)).toBe(at(off + 59));
    expect(eventNow(before, arrival(840).received, true), "840 s after the document of second 60").toBe(at(off + 900));
    const [blind] = declareGap(settings, before, at(off + 60), "link-down");
    const back = play([batch([reading(off + 890, "program", "O2")], 900), batch([reading(off + 905, "execution", "READY")], 905)], newSession(blind));
    expect(back.said).toEqual([`${off + 900} execution=ACTIVE? program=O2?`, `${off + 905} execution=READY`]);
  });
  test("a lost adapter and a hole are dated by the clock that stamps, not by the agent's hours ahead", () => {
    const none = (seconds: number, more: Partial<Reading> = {}): Reading => ({ ...reading(seconds, "execution", "", more), quality: "UNAVAILABLE", value: null });
    const before = play([batch([reading(-HOURS - 9, "execution", "READY")], 0), batch([reading(1 - HOURS, "execution", "ACTIVE")], 1), batch([], 60)]).state;
    const lost = play([batch([none(90)], 90), batch([reading(100 - HOURS, "execution", "ACTIVE")], 100)], before);
    expect(lost.said).toEqual([`${90 - HOURS} execution=none`, `${100 - HOURS} execution=ACTIVE`]);
    const gap: Gap = { kind: "gap", reason: "position-jump", from: at(60), to: at(200) };
    const hole = play([{ ...batch([gap, reading(150 - HOURS, "execution", "READY", { initial: true })]), sourceNow: at(200) }, batch([], 200), batch([reading(210 - HOURS, "execution", "ACTIVE")], 210)], newSession(before));
    expect(hole.said).toEqual([`${60 - HOURS} gap`, `${200 - HOURS} execution=READY?`, `${210 - HOURS} execution=ACTIVE`]);
  });
  test("a machine that says on Monday what has been so since Friday does not move Monday's loss", () => {
    const none = { ...reading(64 * 3_600, "execution", ""), quality: "UNAVAILABLE" as const, value: null };
    const { said } = play([batch([reading(0, "execution", "READY")], 10), batch([none, reading(0, "execution", "READY"), reading(64 * 3_600 + 9, "execution", "ACTIVE")], 64 * 3_600 + 20)]);
    expect(said).toEqual(["0 execution=READY", `${64 * 3_600} execution=none`, `${64 * 3_600} execution=READY!`, `${64 * 3_600 + 9} execution=ACTIVE`]);
  });
  test("one stamp from beyond tomorrow does not hold the axis there", () => {
    const { said } = play([batch([reading(10, "execution", "ACTIVE"), reading(10 * 365 * 86_400, "program", "O9"), reading(22, "execution", "READY")], 20)]);
    expect(said.map((line) => line.replaceAll("!", ""))).toEqual(["10 execution=ACTIVE", "20 program=O9", "22 execution=READY"]);
  });
});

describe("a recording played by an agent whose own clock is years ahead", () => {
  const YEARS = 9 * 365 * 86_400;
  const none = (seconds: number, signal: string, more: Partial<Reading> = {}): Reading => ({ ...reading(seconds, signal, "", more), quality: "UNAVAILABLE", value: null });
  test("the opening block of UNAVAILABLE goes to the first value, and time goes on by the recording's stamps", () => {
    const opening = [none(YEARS, "execution"), none(YEARS, "tool"), none(YEARS, "program")];
    const { said, state } = play([batch([...opening, reading(10, "execution", "READY"), reading(20, "execution", "ACTIVE")], YEARS + 1), batch([reading(30, "execution", "READY")], YEARS + 12)]);
    expect(said).toEqual(["10 execution=none program=none execution=READY", "10 tool=none", "20 execution=ACTIVE", "30 execution=READY"]);
    expect(settledThrough(state)).toBe(at(29));
  });
  test("a block that comes after values stands where its stamp puts it, and what steps back from it is clamped", () => {
    expect(play([batch([reading(10, "execution", "READY"), none(YEARS, "execution"), reading(20, "execution", "ACTIVE")], YEARS + 1)]).said).toEqual(["10 execution=READY", `${YEARS} execution=none`, `${YEARS} execution=ACTIVE!`]);
    expect(play([batch([none(40, "execution"), reading(1, "execution", "ACTIVE")], 41)]).said).toEqual(["40 execution=none", "40 execution=ACTIVE!"]);
  });
  test("found with its opening block alone, it waits a moment for the recording; a block later on goes by the recording's clock", () => {
    const [opening, since] = [batch([none(YEARS, "execution")], YEARS + 1), batch([reading(10, "execution", "READY")], YEARS + 2)];
    const played = play([opening, since, batch([reading(20, "execution", "ACTIVE")], YEARS + 12), batch([none(YEARS + 15, "execution")], YEARS + 16), batch([reading(40, "execution", "READY")], YEARS + 32)]);
    expect(played.said).toEqual(["10 execution=none execution=READY", "20 execution=ACTIVE", "23 execution=none", "40 execution=READY"]);
  });
  test("a machine that has nothing to say is UNKNOWN from then on, once the moment is over", () => {
    const [held, none1] = stampBatch(settings, initialStamp, batch([none(1, "execution")], 2), arrival());
    const [, none2] = stampBatch(settings, held, batch([], 7), arrival(5));
    expect([words(none1), words(none2)]).toEqual([[], ["1 execution=none"]]);
  });
  test("found at the present: what it never had does not date what it has", () => {
    const { said } = play([batch([none(YEARS, "emergency_stop", { initial: true }), reading(10, "execution", "READY", { initial: true })], YEARS + 1), batch([reading(30, "execution", "ACTIVE")], YEARS + 21)]);
    expect(said).toEqual(["10 emergency_stop=none? execution=READY?", "30 execution=ACTIVE"]);
  });
});

describe("gaps", () => {
  test("a hole the source tells of: unknown from its start, initial values at its end", () => {
    const gap: Gap = { kind: "gap", reason: "position-jump", from: at(20), to: at(50), missing: 9 };
    const { said } = play([batch([reading(10, "execution", "ACTIVE")], 20), batch([gap, reading(-5, "execution", "READY", { initial: true }), reading(51, "execution", "ACTIVE")], 60)]);
    expect(said).toEqual(["10 execution=ACTIVE", "20 gap", "50 execution=READY?", "51 execution=ACTIVE"]);
  });
  test("a hole after a document that was cut off: what was read of it comes first", () => {
    const gap: Gap = { kind: "gap", reason: "position-jump", from: at(30), to: at(50), missing: 9 };
    expect(play([batch([reading(10, "execution", "ACTIVE"), reading(30, "program", "O2")]), batch([gap], 60)]).said).toEqual(["10 execution=ACTIVE", "30 program=O2", "30 gap"]);
  });
  test("after a gap that we declared, the past is counted and only its last values are used, at the return", () => {
    const before = play([batch([reading(10, "execution", "ACTIVE"), reading(10, "program", "O1")], 20)]).state;
    const [blind, events] = declareGap(settings, before, at(20), "link-down");
    expect(words(events)).toEqual(["20 gap"]);
    const { said, state } = play([
      { ...batch([reading(30, "execution", "READY"), reading(40, "execution", "ACTIVE")]), sourceNow: at(900) },
      batch([reading(899, "part_count", 4)], 901), batch([reading(950, "execution", "READY")], 951),
    ], newSession(blind));
    expect(said).toEqual(["900 execution=ACTIVE? program=O1? part_count=4?", "950 execution=READY"]);
    expect(state.late).toBe(3);
  });
  test("a source that comes back with nothing new still ends the gap with the values it had", () => {
    const [blind] = declareGap(settings, play([batch([reading(10, "execution", "ACTIVE")], 20)]).state, at(20), "link-down");
    expect(play([batch([], 700)], newSession(blind)).said).toEqual(["700 execution=ACTIVE?"]);
  });
});

describe("the source's clock", () => {
  const off = { ...settings, policy: "auto" as const };
  test("within the tolerance its stamps stand; beyond it one constant moves the whole session", () => {
    expect(play([batch([reading(4, "execution", "ACTIVE")], 4)], initialStamp, off).said).toEqual(["4 execution=ACTIVE"]);
    const shifted = play([batch([reading(3_600, "execution", "ACTIVE")], 3_600), batch([reading(3_610, "execution", "READY")], 3_611)], initialStamp, off);
    expect(shifted.said).toEqual(["0 execution=ACTIVE", "10 execution=READY"]);
    expect(shifted.state.offsetMs).toBe(3_600_000);
  });
  test("a reconnect that measures nearly the same keeps the constant", () => {
    const first = play([batch([reading(3_600, "execution", "ACTIVE")], 3_600)], initialStamp, off).state;
    const again = play([batch([reading(3_601, "execution", "READY")], 3_601)], newSession(first), off);
    expect(again.state.shiftMs).toBe(first.shiftMs);
  });
});

test("however the readings are cut into documents, and with the state written out between, the events are the same", () => {
  const one = fc.record({ step: fc.integer({ min: -3, max: 5 }), signal: fc.constantFrom("execution", "program", "part_count", "spindle_speed"), value: fc.integer({ min: 0, max: 9 }) });
  fc.assert(fc.property(fc.array(one, { maxLength: 40 }), fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }), fc.boolean(), (steps, cuts, caughtUp) => {
    let seconds = 0;
    const readings = steps.map(({ step, signal, value }) => reading((seconds += step), signal, value));
    const end = batch([], seconds + 100);
    const whole = play([batch(readings), end]).said;
    const parts: Reading[][] = [[]];
    readings.forEach((item, index) => {
      parts.at(-1)?.push(item);
      // An agent tells all of one stamp together: only between two stamps may it be caught up.
      if (cuts[index] && !(caughtUp && readings[index + 1]?.sourceTime === item.sourceTime)) parts.push([]);
    });
    let state = initialStamp;
    const said: string[] = [];
    for (const part of [...parts.map((items) => batch(items, caughtUp ? -1_000 : null)), end]) {
      const [next, events] = stampBatch(settings, JSON.parse(JSON.stringify(state)) as StampState, part, arrival());
      state = next;
      said.push(...words(events));
    }
    expect(loose(said)).toEqual(loose(whole));
  }), { numRuns: 300 });
});
/** Accompanying readings alone decide nothing: whether they come as one event or as several is the same. */
const loose = (said: readonly string[]): readonly string[] => said.flatMap((line) => {
  const [at, ...items] = line.split(" ");
  return items.every((item) => item.startsWith("spindle_speed")) && items.length > 1 ? items.map((item) => `${at} ${item}`) : [line];
});
