/**
 * The truth scripts themselves: what they count is what lies beside them, what people have counted by hand, and what a
 * comparison finds when one millisecond differs. The agent's records are compared in the replay tests.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { capture, describeWithCaptures } from "../support/captures.ts";
import { compareWithTruth, type Data } from "./compare.ts";
import { expectedFile, expectedText } from "./expected.ts";
import { RECORDINGS, type Recording } from "./recordings.ts";
import { stampMs } from "./said.ts";
import { truthOf, type Truth } from "./truth.ts";

const iso = (at: number): string => new Date(at).toISOString();

/** Records as they would be if the agent were right. */
function recordsOf(truth: Truth): Data[] {
  return [
    ...truth.states.map(({ start, doing }, place): Data => {
      const end = truth.states[place + 1]?.start;
      return { type: "state", status: end === undefined ? "open" : "closed", start: iso(start), end: end === undefined ? null : iso(end), state: doing };
    }),
    ...truth.cycles.map((one): Data => ({ type: "cycle", status: "closed", start: iso(one.start), end: iso(one.end), inCycleMs: one.inCycleMs, heldMs: one.heldMs, unknownMs: 0 })),
    ...truth.steps.map((one): Data => ({ type: "count", status: "closed", start: iso(one.at), end: iso(one.at), plausibility: "ok", delta: one.parts, counter: { to: one.to } })),
  ];
}

const named = (name: string): Recording => {
  const found = RECORDINGS.find((one) => one.name === name);
  if (!found) throw new Error(`no recording ${name}`);
  return found;
};

describeWithCaptures("truth of the recordings", () => {
  it.each(RECORDINGS)("$name: what is counted lies beside the test", (recording) => {
    expect(expectedText(truthOf(recording))).toBe(readFileSync(expectedFile(recording.name), "utf8"));
  });

  it("the four Okuma sessions: one cycle and one part each, as counted by hand", () => {
    // captures/current/SOURCES.md: ACTIVE 186.7, 605.0, 548.9 and 16.8 s; counts 0 to 1, 0 to 1, 2 to 3, 0 to 1.
    const truths = [1, 2, 3, 4].map((session) => truthOf(named(`okuma-session-${session}`)));
    expect(truths.map(({ cycles }) => cycles.map((one) => Math.round(one.inCycleMs / 100) / 10))).toEqual([[186.7], [605], [548.9], [16.8]]);
    expect(truths.map(({ steps }) => steps.map(({ from, to, parts }) => [from, to, parts]))).toEqual([[[0, 1, 1]], [[0, 1, 1]], [[2, 3, 1]], [[0, 1, 1]]]);
  });

  it("a day of a Mazak: reports and stamps that step back, as counted by hand", () => {
    // captures/mtconnect/SOURCES.md: 345 reports of execution; line by line 15 steps back, by up to 41 s.
    const truth = truthOf(named("Mazak03-20190626-20190627"));
    expect(Object.values(truth.executions).reduce((sum, count) => sum + count, 0)).toBe(345);
    const stamps = readFileSync(capture("mtconnect/nist-smstestbed/Mazak03-20190626-20190627.txt"), "latin1").split("\n").map((line) => stampMs(line.split("|")[0] ?? "")).filter((at) => !Number.isNaN(at));
    const back = stamps.map((stamp, place) => (stamps[place - 1] ?? stamp) - stamp).filter((ms) => ms > 0);
    expect([back.length, Math.max(...back)]).toEqual([15, 41_254]);
    expect(truth.clamps.machine).toBeGreaterThan(0);
  });

  it("a Hurco whose counter begins at 0 and is then set: 4 parts, not 3767", () => {
    expect(truthOf(named("Hurco01-20170809-20170810")).steps.map(({ from, to, parts }) => [from, to, parts])).toEqual([[0, 3763, 0], [3763, 3766, 3], [3766, 3767, 1]]);
    expect(truthOf(named("Hurco02-20170124-20170125")).steps.map(({ from, to, parts }) => [from, to, parts])).toEqual([[1887, 1890, 3]]);
  });

  it("states tile the recording and cycles lie inside it", () => {
    for (const recording of RECORDINGS) {
      const truth = truthOf(recording);
      expect(Object.values(truth.stateMs).reduce((sum, ms) => sum + ms, 0)).toBe(truth.until - truth.from);
      truth.cycles.forEach((one, place) => {
        expect(one.end).toBeGreaterThan(one.start);
        expect(one.start).toBeGreaterThanOrEqual(truth.cycles[place - 1]?.end ?? truth.from);
        expect(one.heldMs).toBeGreaterThanOrEqual(0);
      });
    }
  });

  describe("comparison", () => {
    it.each(RECORDINGS)("finds nothing where records say what $name says", (recording) => {
      const truth = truthOf(recording);
      expect(compareWithTruth(recordsOf(truth), truth, 0)).toEqual([]);
    });

    const differing: readonly (readonly [string, RegExp, (records: Data[], truth: Truth) => Data[]])[] = [
      ["a cycle that ends a millisecond late", /^cycle missing/, (records) => change(records, "cycle", (data) => ({ ...data, end: iso(Date.parse(String(data["end"])) + 1) }))],
      ["a cycle more", /^cycle that was not/, (records) => [...records, { ...find(records, "cycle"), start: "2019-01-01T00:00:00.000Z" }]],
      ["held time called in cycle", /^cycle missing/, (records) => change(records, "cycle", (data) => ({ ...data, inCycleMs: Number(data["inCycleMs"]) + 1 }))],
      ["a state a millisecond early", /^state \d+ of/, (records) => change(records, "state", (data) => ({ ...data, start: iso(Date.parse(String(data["start"])) - 1) }))],
      ["a state that is another", /^state \d+ of/, (records) => change(records, "state", (data) => ({ ...data, state: "OFF" }))],
      ["a part that was not counted", /^part missing/, (records) => change(records, "count", (data) => ({ ...data, delta: 0 }))],
      ["the last cycle not published", /^cycle missing/, (records, truth) => records.filter((data) => data["type"] !== "cycle" || data["end"] !== iso(truth.cycles.at(-1)?.end ?? 0))],
      ["a glitch that was counted", /^part that was not/, (records) => [...records, { ...find(records, "count"), delta: 3763 }]],
    ];
    it.each(differing)("finds %s", (_, words, plant) => {
      const truth = truthOf(named("sample-hurco04-01of20"));
      expect(compareWithTruth(plant(recordsOf(truth), truth), truth, 0).join("\n")).toMatch(words);
    });
  });
});

const find = (records: readonly Data[], type: string): Data => records.find((data) => data["type"] === type) ?? {};
/** Changes the second of its type: the first state's neighbour shows on both sides. */
function change(records: readonly Data[], type: string, to: (data: Data) => Data): Data[] {
  const chosen = records.filter((data) => data["type"] === type)[type === "count" ? 0 : 1];
  return records.map((data) => (data === chosen ? to(data) : data));
}
