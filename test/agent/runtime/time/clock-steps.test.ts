/** What steps of our own clock, and wrong clocks of sources, do to event time: on the source's axis nothing, on ours what is true. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MachineEvent } from "../../../../agent/contract/detector.ts";
import type { Arrival, Batch, Reading } from "../../../../agent/contract/observation.ts";
import { monoMs, unixMs, type Instant } from "../../../../agent/contract/time.ts";
import { clockDoubt, eventNow, isDatable, startOf } from "../../../../agent/runtime/time/dating.ts";
import { SourceClockHealth } from "../../../../agent/runtime/time/source-clock-health.ts";
import { declareGap, stampBatch } from "../../../../agent/runtime/time/stamp.ts";
import { initialStamp, newSession, type StampSettings, type StampState } from "../../../../agent/runtime/time/stamp-state.ts";
import { testPorts } from "../../../support/ports.ts";

const T0 = Date.UTC(2026, 10, 27, 6);
const HOUR = 3_600;
const at = (seconds: number): ReturnType<typeof unixMs> => unixMs(T0 + seconds * 1_000);
/** Our clock: `passed` seconds of true time, and what it was set by until then. */
const instant = (passed: number, step = 0, boot = "one"): Instant => ({ unixMs: at(passed + step), monoMs: monoMs(passed * 1_000 + 777), boot });
const arrival = (passed: number, step = 0, more: { readonly boot?: string; readonly unsynchronised?: true } = {}): Arrival =>
  ({ source: "s", received: instant(passed, step, more.boot), ...(more.unsynchronised && { unsynchronised: true }) });
const says = (signal: string, value: string | number, stampedAt?: number): Reading => ({ kind: "reading", signal, quality: "GOOD", value, ...(stampedAt !== undefined && { sourceTime: at(stampedAt) }) });
const batch = (items: readonly Reading[], sourceNow?: number): Batch => ({ items, caughtUp: true, ...(sourceNow !== undefined && { sourceNow: at(sourceNow) }) });
const settings = (policy: StampSettings["policy"]): StampSettings => ({ machine: "M", source: "s", policy, toleranceMs: 5_000 });

const words = (events: readonly MachineEvent[]): string[] => events.map((event) => {
  const seconds = (event.at - T0) / 1_000;
  if (event.kind === "gap") return `${seconds} ${event.gap.reason} to ${event.gap.to === undefined ? "…" : (event.gap.to - T0) / 1_000}`;
  return event.kind === "tick" ? `${seconds} tick` : [`${seconds}`, ...event.items.map(({ signal, value, clamped }) => `${signal}=${typeof value === "object" ? "none" : String(value)}${clamped ? "!" : ""}`)].join(" ");
});
type Told = readonly [Batch, Arrival] | "a new session";
/** With the state written out between any two, as a kill would have it. */
function play(policy: StampSettings["policy"], told: readonly Told[], from: StampState = initialStamp): { readonly state: StampState; readonly said: readonly string[] } {
  let state = from;
  const said: string[] = [];
  for (const one of told) {
    if (one === "a new session") {
      state = newSession(state);
      continue;
    }
    const [next, events] = stampBatch(settings(policy), JSON.parse(JSON.stringify(state)) as StampState, ...one);
    state = next;
    said.push(...words(events));
  }
  return { state, said };
}

describe("readings that only our clock dates", () => {
  test("our clock is set forward: the span jumped over is a gap, and what was so before it is so after it", () => {
    const { said, state } = play("gateway", [[batch([says("execution", "ACTIVE"), says("program", "O1")]), arrival(0)], [batch([]), arrival(10)], [batch([says("execution", "READY")]), arrival(20, HOUR)]]);
    expect(said).toEqual(["0 execution=ACTIVE program=O1", `20 clock-step to ${20 + HOUR}`, `${20 + HOUR} execution=ACTIVE program=O1 execution=READY`]);
    expect(clockDoubt(state, [{ start: at(20 + HOUR) }])).toBeNull();
  });
  test("our clock is set back: nothing moves, durations are true, and the records say that they are shifted", () => {
    const { said, state } = play("gateway", [[batch([says("execution", "ACTIVE")]), arrival(0)], [batch([says("execution", "READY")]), arrival(60, -HOUR)], [batch([says("execution", "ACTIVE")]), arrival(100, -HOUR)]]);
    expect(said).toEqual(["0 execution=ACTIVE", "59.97 execution=READY", "99.95 execution=ACTIVE"]);
    expect(clockDoubt(state, [{ start: at(100) }])).toBe("shifted");
  });
  test("a step while the source is away and its gap is declared is no second gap", () => {
    const before = play("gateway", [[batch([says("execution", "ACTIVE")]), arrival(0)]]).state;
    const [blind] = declareGap(settings("gateway"), before, at(5), "link-down");
    expect(play("gateway", [[batch([says("execution", "READY")]), arrival(30, HOUR)]], blind).said).toEqual([`${30 + HOUR} execution=READY`]);
  });
  test("a source that stamps nothing is dated alike, whatever its policy", () => {
    const { said } = play("auto", [[batch([says("execution", "ACTIVE")]), arrival(0)], [batch([says("execution", "READY")]), arrival(20, HOUR)]]);
    expect(said).toEqual(["0 execution=ACTIVE", `20 clock-step to ${20 + HOUR}`, `${20 + HOUR} execution=ACTIVE execution=READY`]);
  });
  test("while our clock is not set they say so, and go on saying so of what began then", () => {
    const off = -90 * 86_400;
    const { state, said } = play("gateway", [[batch([says("execution", "ACTIVE")]), arrival(0, off, { unsynchronised: true })]]);
    expect(said).toEqual([`${off} execution=ACTIVE`]);
    expect(clockDoubt(state, [{ start: at(off) }])).toBe("unsynchronised");
    const set = play("gateway", [[batch([says("execution", "READY")]), arrival(50, 0)]], state);
    expect(set.said).toEqual([`${off + 50} clock-step to 50`, "50 execution=ACTIVE execution=READY"]);
    expect([clockDoubt(set.state, [{ start: at(off) }]), clockDoubt(set.state, [{ start: at(50) }])]).toEqual(["unsynchronised", null]);
  });
});

describe("readings that their source stamps", () => {
  const day: readonly (readonly [number, Reading])[] = [[1, says("execution", "ACTIVE", 1)], [50, says("execution", "READY", 50)], [90, says("execution", "ACTIVE", 90)], [4_000, says("execution", "READY", 4_000)]];
  const told = (steps: readonly number[]): readonly Told[] => day.map(([passed, reading], index) => [batch([reading], passed), arrival(passed, steps[index] ?? 0)]);
  const plain = ["1 execution=ACTIVE", "50 execution=READY", "90 execution=ACTIVE", "4000 execution=READY"];

  test.each([["forward", HOUR], ["back", -HOUR], ["back by years", -40 * 365 * 86_400]])("our clock is set %s: nothing of them changes, nor in the next session", (_, step) => {
    const [one = "a new session", two = "a new session", three = "a new session", four = "a new session"] = told([0, step, step, step]);
    for (const policy of ["auto", "source"] as const) {
      const { said, state } = play(policy, [one, two, "a new session", three, "a new session", four]);
      expect(said).toEqual(plain);
      expect(state).toMatchObject({ shiftMs: 0, offsetMs: -step * 1_000 });
    }
  });
  test("property: whatever is done to our clock within a session, and between sessions, the same events come of it", () => {
    const step = fc.integer({ min: -3 * HOUR, max: 3 * HOUR });
    fc.assert(fc.property(fc.array(step, { minLength: 4, maxLength: 4 }), fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), (steps, cuts) => {
      expect(play("auto", told([0, ...steps]).flatMap((one, index) => (cuts[index] ? ["a new session" as const, one] : [one]))).said).toEqual(plain);
    }), { numRuns: 200 });
  });
  test.each([[5, 6, 0, 0], [0, 5, 6, 0], [-5, 8, 7, 0]])("steps within the tolerance, and more within a second, are steps too: %i s, %i s, %i s", (...steps) => {
    for (const session of [1, 2, 3]) expect(play("auto", told([0, ...steps]).flatMap((one, index) => (index === session ? ["a new session" as const, one] : [one]))).said).toEqual(plain);
  });
  test("a source right by our clock before and after it was set twice is right", () => {
    const [one = "a new session", two = "a new session", three = "a new session"] = told([0, HOUR, 0]);
    expect(play("auto", [one, "a new session", two, "a new session", three]).state).toMatchObject({ shiftMs: 0, offsetMs: 0, excusedMs: 0 });
  });
  test("by a clock that is not set nothing is measured, and nothing is shifted", () => {
    const { said, state } = play("auto", [[batch([says("execution", "ACTIVE", 1)], 1), arrival(1, -40 * 365 * 86_400, { unsynchronised: true })]]);
    expect(said).toEqual(["1 execution=ACTIVE"]);
    expect(state).toMatchObject({ offsetMs: null, shiftMs: 0 });
    expect(clockDoubt(state, [{ start: at(1) }]), "they do not rest on our clock").toBeNull();
    const set = play("auto", [[batch([says("execution", "READY", 9)], 9), arrival(9)]], state);
    expect([set.said, set.state.offsetMs]).toEqual([["9 execution=READY"], 0]);
  });
  test("the clock is set, and the source turns out to be an hour behind: shifted from then on, and the hour between is a gap", () => {
    const behind = (passed: number, value: string): Batch => batch([says("execution", value, passed - HOUR)], passed - HOUR);
    const { said, state } = play("auto", [[behind(1, "ACTIVE"), arrival(1, -9 * HOUR, { unsynchronised: true })], [batch([], 9 - HOUR), arrival(9, -9 * HOUR, { unsynchronised: true })], [behind(20, "READY"), arrival(20)]]);
    expect(said).toEqual([`${1 - HOUR} execution=ACTIVE`, `${9 - HOUR} clock-step to 9`, "9 execution=ACTIVE", "20 execution=READY"]);
    expect([state.shiftMs, clockDoubt(state, [{ start: at(20) }])]).toEqual([HOUR * 1_000, "shifted"]);
  });
  test("the clock is set, and the source turns out to be an hour ahead: time is not taken back, its stamps stay as they are", () => {
    const ahead = (passed: number, value: string): Batch => batch([says("execution", value, passed + HOUR)], passed + HOUR);
    const { said, state } = play("auto", [[ahead(1, "ACTIVE"), arrival(1, -9 * HOUR, { unsynchronised: true })], [ahead(20, "READY"), arrival(20)], "a new session", [ahead(30, "ACTIVE"), arrival(30)]]);
    expect(said).toEqual([`${1 + HOUR} execution=ACTIVE`, `${20 + HOUR} execution=READY`, `${30 + HOUR} execution=ACTIVE`]);
    expect(state).toMatchObject({ shiftMs: 0, offsetMs: HOUR * 1_000 });
    // After a night without it nothing would go back any more.
    expect(play("auto", ["a new session", [ahead(9 * HOUR, "READY"), arrival(9 * HOUR)]], state)).toMatchObject({ said: [`${9 * HOUR} execution=READY`], state: { shiftMs: -HOUR * 1_000 } });
  });
  test("our clock was wrong, is set right by the network, and the source was right all along: it is shifted no longer", () => {
    const { said, state } = play("auto", [[batch([says("execution", "ACTIVE", 1)], 1), arrival(1, -HOUR)], [batch([], 9), arrival(9, -HOUR)], "a new session", [batch([says("execution", "READY", 60)], 60), arrival(60)]]);
    expect(said).toEqual([`${1 - HOUR} execution=ACTIVE`, `${9 - HOUR} clock-step to 9`, "9 execution=ACTIVE", "60 execution=READY"]);
    expect(state).toMatchObject({ shiftMs: 0, offsetMs: 0 });
  });
});

describe("a source that was shifted to our clock is dated by it, and follows it", () => {
  const shifted = (): readonly Told[] => [[batch([says("execution", "ACTIVE", 1)], 1), arrival(1, -HOUR)], [batch([], 9), arrival(9, -HOUR)]];
  test("set forward within the session: the hour is a gap, and the shift is gone", () => {
    const { said, state } = play("auto", [...shifted(), [batch([says("execution", "READY", 60)], 60), arrival(60)]]);
    expect(said).toEqual([`${1 - HOUR} execution=ACTIVE`, `${9 - HOUR} clock-step to 9`, "9 execution=ACTIVE", "60 execution=READY"]);
    expect(state).toMatchObject({ shiftMs: 0, offsetMs: 0 });
  });
  test("set back within the session: nothing moves", () => {
    const { said, state } = play("auto", [...shifted(), [batch([says("execution", "READY", 60)], 60), arrival(60, -2 * HOUR)]]);
    expect(said).toEqual([`${1 - HOUR} execution=ACTIVE`, `${60 - HOUR} execution=READY`]);
    expect(state).toMatchObject({ shiftMs: -HOUR * 1_000, offsetMs: 2 * HOUR * 1_000 });
  });
});

test("set back while a shifted source was away for longer: what it kept of that time is not pressed into one instant", () => {
  const behind = (passed: number): number => passed - HOUR;
  const before = play("auto", [[batch([says("execution", "ACTIVE", behind(1))], behind(1)), arrival(1)], [batch([], behind(9)), arrival(9)]]).state;
  const kept = [says("execution", "READY", behind(600)), says("execution", "ACTIVE", behind(1_200)), says("execution", "READY", behind(7_000))];
  const { said, state } = play("auto", ["a new session", [batch(kept, behind(9_000)), arrival(9_000, -2 * HOUR)]], before);
  expect(said).toEqual(["600 execution=READY", "1200 execution=ACTIVE", "7000 execution=READY"]);
  expect(state).toMatchObject({ shiftMs: HOUR * 1_000, offsetMs: HOUR * 1_000 });
});

describe("wrong clocks of sources", () => {
  test.each([["the epoch", Date.UTC(1970, 0, 1)], ["a control's default", Date.UTC(2000, 0, 1)], ["far ahead", Date.UTC(2099, 11, 31)], ["a zone behind", T0 - 2 * HOUR * 1_000], ["summer time not ended", T0 + HOUR * 1_000]])("%s: one constant puts a session right, and every duration is the source's own", (_, began) => {
    const off = (began - T0) / 1_000;
    const { said, state } = play("auto", [[batch([says("execution", "ACTIVE", off + 1)], off + 1), arrival(1)], [batch([says("execution", "READY", off + 61)], off + 61), arrival(62)], [batch([says("execution", "ACTIVE", off + 100)], off + 100), arrival(100.5)]]);
    expect(said).toEqual(["1 execution=ACTIVE", "61 execution=READY", "100 execution=ACTIVE"]);
    expect([state.shiftMs, clockDoubt(state, [])]).toEqual([T0 - began, "shifted"]);
    expect(play("source", [[batch([says("execution", "ACTIVE", off + 1)], off + 1), arrival(1)]])).toMatchObject({ said: [`${off + 1} execution=ACTIVE`], state: { shiftMs: 0 } });
  });
  test("set back within a session: what follows is held at the axis and marked until it is past it; between sessions it is shifted", () => {
    const { said, state } = play("auto", [[batch([says("execution", "ACTIVE", 100)], 100), arrival(100)], [batch([says("execution", "READY", 110 - 60)], 110 - 60), arrival(110)]]);
    expect(said).toEqual(["100 execution=ACTIVE", "100 execution=READY!"]);
    expect(play("auto", ["a new session", [batch([says("execution", "ACTIVE", 60)], 60), arrival(120)]], state)).toMatchObject({ said: ["100 clock-step to 110", "110 execution=READY", "120 execution=ACTIVE"], state: { shiftMs: 60_000 } });
  });
  test("set right between two sessions: the constant goes, and no gap is made of it", () => {
    const { said, state } = play("auto", [[batch([says("execution", "ACTIVE", 1 + HOUR)], 1 + HOUR), arrival(1)], "a new session", [batch([says("execution", "READY", 60)], 60), arrival(60)]]);
    expect([said, state.shiftMs]).toEqual([["1 execution=ACTIVE", "60 execution=READY"], 0]);
  });
  test("drifting: the constant of the session stands, the offset is measured each minute, and health tells once that it is beyond", () => {
    const ports = testPorts();
    const health = new SourceClockHealth({ time: "auto", clockToleranceMs: 5_000 }, ports.log);
    let { state } = play("auto", [[batch([says("execution", "ACTIVE", 0)], 0), arrival(0)]]);
    for (let minute = 1; minute <= 120; minute += 1) {
      const passed = minute * 60;
      ({ state } = play("auto", [[batch([], passed * 1.001), arrival(passed)]], state));
      health.look(state);
    }
    expect(state).toMatchObject({ shiftMs: 0, offsetMs: 7_200 });
    expect(ports.lines.map(({ level }) => level)).toEqual(["warn"]);
    expect(health.status(state).clockWarning).toMatch(/^7\.2 s ahead: .*differ by more than clock_tolerance/);
    expect(new SourceClockHealth({ time: "source", clockToleranceMs: 5_000 }, ports.log).status(state)).toMatchObject({ clockOffsetMs: 7_200, clockWarning: null });
  });
  test("our own step is measured at once, not a minute later", () => {
    const { state } = play("auto", [[batch([], 0), arrival(0)], [batch([], 5), arrival(5, HOUR)]]);
    expect(state.offsetMs).toBe(-HOUR * 1_000);
  });
});

describe("while the source is away", () => {
  const stamped = play("auto", [[batch([says("execution", "ACTIVE", 1)], 1), arrival(1)]]).state;
  const dated = play("gateway", [[batch([says("execution", "ACTIVE")]), arrival(1)]]).state;
  test("event time goes on by time since boot, whatever our clock is set to", () => {
    for (const step of [0, HOUR, -HOUR]) expect(eventNow(stamped, instant(600, step), true)).toBe(at(600));
    expect((eventNow(dated, instant(600, -HOUR), true) ?? 0) - at(600)).toBeGreaterThan(-1_000);
    expect(eventNow(dated, instant(600, HOUR), true)).toBe(at(600 + HOUR));
  });
  test("over a reboot by the wall clock, if that was set before and after; else it stands still", () => {
    const rebooted = (wall: number): Instant => ({ unixMs: at(wall), monoMs: monoMs(5), boot: "two" });
    expect([eventNow(stamped, rebooted(900), true), eventNow(stamped, rebooted(-900), true), eventNow(stamped, rebooted(900), false)]).toEqual([at(900), at(1), null]);
    expect([eventNow(dated, rebooted(900), true), eventNow(dated, rebooted(900), false)]).toEqual([at(900), null]);
    const undated = play("auto", [[batch([says("execution", "ACTIVE", 1)], 1), arrival(1, -HOUR, { unsynchronised: true })]]).state;
    expect(eventNow(undated, rebooted(900), true)).toBeNull();
  });
  test("a clock that is not set dates no beginning", () => {
    expect([isDatable(initialStamp, "waiting"), isDatable(initialStamp, "unsynchronised"), isDatable(stamped, "unsynchronised"), isDatable(stamped, "waiting"), isDatable(initialStamp, "assumed")]).toEqual([false, false, true, false, true]);
    expect(startOf(instant(0, -9 * HOUR), instant(50))).toBe(at(0));
  });
});
