/** The demo's pure parts, fed with events like those at the broker: words, chain, picture, sums, options. */
import { describe, expect, it } from "vitest";
import { demoOptions } from "../../deploy/demo/arguments.ts";
import { decodeEvent, type RecordEvent } from "../../deploy/demo/event.ts";
import { Ledger } from "../../deploy/demo/ledger.ts";
import { bar, scale, summaryText } from "../../deploy/demo/picture.ts";
import { Presenter } from "../../deploy/demo/presenter.ts";
import { stretches, summarize } from "../../deploy/demo/summary.ts";
import { span } from "../../deploy/demo/words.ts";

const DAY = "2026-01-05T";
const at = (time: string): string => `${DAY}${time}.000Z`;
let rows = 0;

function event(type: RecordEvent["type"], data: Readonly<Record<string, unknown>>, own: { readonly id?: string; readonly rev?: number; readonly seq?: number; readonly prev?: number } = {}): RecordEvent {
  rows++;
  const recordId = own.id ?? `record-${rows}`;
  const text = JSON.stringify({
    specversion: "1.0", id: `${recordId}:${own.rev ?? 1}`, source: "cellgate/v1/demo/vmc-3", type: `io.cellgate.${type}.v1`, epoch: "e1", seq: own.seq ?? rows, prev: own.prev ?? 0,
    data: { recordId, rev: own.rev ?? 1, equipment: { machine: "VMC-3" }, status: "closed", utcOffsetMin: 0, ...data },
  });
  const decoded = decodeEvent(text);
  if (decoded === null) throw new Error(`the test's own event was not decoded: ${text}`);
  return decoded;
}
const state = (name: string, start: string, end: string | null, own = {}): RecordEvent =>
  event("state", { state: name, start: at(start), end: end === null ? null : at(end), status: end === null ? "open" : "closed", prevState: "READY" }, own);

describe("words", () => {
  const rowsOf: readonly (readonly [string, RecordEvent["type"], Record<string, unknown>, string | null])[] = [
    ["start", "state", { state: "RUNNING", status: "open", prevState: "MANUAL", start: at("14:02:10") }, "14:02:10  VMC-3  running, program O7"],
    ["goes on", "state", { state: "RUNNING", status: "open", prevState: "HELD", start: at("14:02:10") }, "14:02:10  VMC-3  running again"],
    ["closing is no news", "state", { state: "RUNNING", status: "closed", prevState: "HELD", start: at("14:02:10"), end: at("14:03:00") }, null],
    ["between two parts", "state", { state: "READY", status: "open", prevState: "RUNNING", start: at("14:02:10") }, null],
    ["unknown", "state", { state: "UNKNOWN", status: "open", prevState: "RUNNING", start: at("14:02:10") }, "14:02:10  VMC-3  unknown: we do not see what the machine does, so we do not call it idle"],
    ["cycle", "cycle", { outcome: "completed", program: { main: "O1234" }, inCycleMs: 252_000, heldMs: 0, partsDelta: 1, start: at("14:00:00"), end: at("14:04:12") }, "14:04:12  VMC-3  cycle done: O1234, 4 min 12 s in cycle, 1 part (1 so far)"],
    ["aborted", "cycle", { outcome: "aborted", program: { main: null }, inCycleMs: 9_000, heldMs: 61_000, partsDelta: 0, start: at("14:00:00"), end: at("14:04:12") }, "14:04:12  VMC-3  cycle broken off: no program name after 9 s, held 1 min 1 s, no part"],
    ["lost sight", "cycle", { outcome: "unknown", program: { main: "O1" }, inCycleMs: 9_000, heldMs: 0, partsDelta: 0, start: at("14:00:00"), end: at("14:04:12") }, "14:04:12  VMC-3  cycle lost sight of: O1, seen for 9 s; how it ended we do not know"],
    ["count of a cycle", "count", { delta: 1, cycleIds: ["x"], start: at("14:00:00"), end: at("14:00:00"), resetDetected: false, plausibility: "ok" }, null],
    ["recovered count", "count", { delta: 4, cycleIds: [], start: at("14:00:00"), end: at("14:20:00"), resetDetected: false, plausibility: "ok" }, "14:20:00  VMC-3  4 parts made while nobody saw, says the machine's counter (4 so far)"],
    ["counter reset", "count", { delta: 0, cycleIds: [], start: at("14:00:00"), end: at("14:00:00"), resetDetected: true, plausibility: "ok" }, "14:00:00  VMC-3  part counter was set back by the operator: a new count begins, no part is lost or counted twice"],
    ["glitch", "count", { delta: 0, cycleIds: [], counter: { to: 599_999 }, start: at("14:00:00"), end: at("14:00:00"), resetDetected: false, plausibility: "rejected" }, "14:00:00  VMC-3  part counter jumped to 599999: not believed, not counted"],
    ["downtime opens", "downtime", { status: "open", reasonText: "waiting for a tool change", start: at("14:00:00"), end: null }, "14:00:00  VMC-3  STOP longer than the allowance: waiting for a tool change"],
    ["downtime closes", "downtime", { category: "unplanned", durationMs: 500_000, reasonText: null, endedBy: "source_lost", start: at("14:00:00"), end: at("14:08:20") }, "14:08:20  VMC-3  stop over after 8 min 20 s: no reason given yet (then we lost sight of the machine)"],
    ["alarm", "alarm", { status: "open", alarmId: "1012", text: "SPINDLE OVERLOAD", start: at("14:00:00"), end: null }, "14:00:00  VMC-3  alarm 1012 SPINDLE OVERLOAD"],
    ["gap", "connection", { status: "open", kind: "gap", reason: "link-down", start: at("14:00:00"), end: null }, "14:00:00  VMC-3  CONNECTION LOST (link-down): we do not know what the machine does"],
    ["gap over", "connection", { kind: "gap", reason: "link-down", durationMs: 720_000, start: at("14:00:00"), end: at("14:12:00") }, "14:12:00  VMC-3  connection is back after 12 min; that time stays unknown, never idle"],
    ["withdrawn", "state", { state: "UNKNOWN", status: "void", start: at("14:00:00"), end: at("14:12:00") }, "14:00:00  VMC-3  corrected: the state record of this moment is withdrawn, the machine's own history says otherwise"],
  ];
  it.each(rowsOf)("%s", (_title, type, data, line) => {
    const presenter = new Presenter({ colours: false });
    presenter.program("cellgate/v1/demo/vmc-3", "O7");
    expect(presenter.lines(event(type, data))).toEqual(line === null ? [] : [line]);
  });

  it("uses the site's own time, counts parts on, and colours only at a terminal", () => {
    const presenter = new Presenter({ colours: true });
    const cycle = { outcome: "completed", program: { main: "O1" }, inCycleMs: 1000, heldMs: 0, partsDelta: 2, start: at("06:00:00"), end: at("06:00:01"), utcOffsetMin: 120 };
    presenter.lines(event("cycle", cycle));
    const [line = ""] = presenter.lines(event("cycle", cycle));
    expect(line).toContain("08:00:01");
    expect(line).toContain("2 parts (4 so far)");
    expect(line).toContain("\u001B[32m");
  });

  it.each([[0, "0 s"], [59_400, "59 s"], [60_000, "1 min"], [252_000, "4 min 12 s"], [3_599_600, "1 h 00 min"], [7_500_000, "2 h 05 min"]])("%i ms is %s", (ms, text) => {
    expect(span(ms)).toBe(text);
  });
});

describe("the ledger", () => {
  it("counts repeats, keeps the highest revision, and leaves void ones out", () => {
    const ledger = new Ledger();
    const first = state("READY", "06:00:00", null, { id: "a", seq: 1, prev: 0 });
    expect([ledger.take(first), ledger.take(first)]).toEqual([true, false]);
    ledger.take(state("READY", "06:00:00", "06:01:00", { id: "a", rev: 2, seq: 2, prev: 1 }));
    ledger.take(event("state", { state: "UNKNOWN", status: "void", start: at("06:01:00"), end: null }, { id: "b", seq: 3, prev: 2 }));
    expect([ledger.received, ledger.duplicates, ledger.lost]).toEqual([4, 1, 0]);
    expect(ledger.of("state").map(({ data }) => data["rev"])).toEqual([2]);
  });

  it("names what is missing, and takes it back when it comes after all", () => {
    const ledger = new Ledger();
    ledger.take(state("READY", "06:00:00", "06:01:00", { seq: 1, prev: 0 }));
    ledger.take(state("READY", "06:02:00", "06:03:00", { seq: 3, prev: 2 }));
    expect(ledger.lost).toBe(1);
    ledger.take(state("RUNNING", "06:01:00", "06:02:00", { seq: 2, prev: 1 }));
    expect(ledger.lost).toBe(0);
  });
});

describe("summary and picture", () => {
  const ledger = new Ledger();
  for (const one of [
    state("READY", "06:00:00", "06:10:00"), state("RUNNING", "06:10:00", "06:50:00"), state("UNKNOWN", "06:50:00", "07:00:00"), state("RUNNING", "07:00:00", null),
    event("cycle", { outcome: "completed", partsDelta: 1, quantityOfRecord: true, start: at("06:10:00"), end: at("06:50:00") }),
    event("cycle", { outcome: "unknown", partsDelta: 0, quantityOfRecord: false, start: at("06:50:00"), end: at("06:50:00") }),
    event("count", { delta: 1, quantityOfRecord: false, plausibility: "ok", start: at("06:50:00") }),
    event("count", { delta: 4, quantityOfRecord: true, plausibility: "ok", start: at("07:00:00") }),
    event("count", { delta: 900, quantityOfRecord: true, plausibility: "rejected", start: at("07:00:00") }),
    event("downtime", { category: "unplanned", reasonText: null, durationMs: 600_000, start: at("06:00:00"), end: at("06:10:00"), segments: [{ ms: 420_000, planned: false }, { ms: 180_000, planned: true }] }),
    event("connection", { kind: "gap", reason: "link-down", durationMs: 600_000, start: at("06:50:00"), end: at("07:00:00") }),
  ]) ledger.take(one);
  const until = Date.parse(at("07:10:00"));
  const from = Date.parse(at("06:00:00"));
  const summary = summarize(ledger, "VMC-3", { from, until });

  it("adds up to the time that passed, and counts parts of record alone", () => {
    expect(summary.stateMs).toEqual({ READY: 600_000, RUNNING: 3_000_000, UNKNOWN: 600_000 });
    expect(Object.values(summary.stateMs).reduce((sum, ms) => sum + ms, 0)).toBe(until - from);
    expect([summary.cycles, summary.parts]).toEqual([{ completed: 1, aborted: 0, interrupted: 0, unknown: 1 }, 5]);
  });

  it("draws letters without colours and blocks with them; unknown time always shows", () => {
    const all = stretches(ledger, until);
    const range = { from, until: Date.parse(at("08:00:00")), width: 12 };
    expect(bar(all, range, { colours: false })).toBe(".RRRR?R     ");
    expect(bar(all, { ...range, width: 4 }, { colours: false })).toBe("R?R ");
    expect(bar(all, range, { colours: true }).startsWith("\u001B[47m \u001B[0m")).toBe(true);
    expect(scale({ ...range, width: 24 })).toBe("06:00       07:00");
  });

  it("says it in words", () => {
    const text = summaryText(summary, stretches(ledger, until), { colours: false, width: 12, shiftEnd: until });
    for (const words of ["1 cycle completed, 1 lost sight of; 5 parts", "7 min  no reason given", "3 min  planned breaks", "connection lost at 06:50:00 for 10 min (link-down): recorded as unknown", "11 records received, 0 duplicates, 0 lost"]) expect(text).toContain(words);
    expect(text).toMatch(/running +50 min +71\.4 %/u);
  });
});

describe("options", () => {
  it.each([
    [[], { seconds: null, speed: 480, seed: 1, json: false }],
    [["--seconds", "20", "--json"], { seconds: 20, speed: 480, seed: 1, json: true }],
    [["--speed=60", "--seed", "7"], { seconds: null, speed: 60, seed: 7, json: false }],
    [["--help"], null],
  ])("%j", (args, options) => {
    expect(demoOptions(args)).toEqual(options);
  });
  it.each([["--seconds"], ["--seconds", "soon"], ["--speed", "0"], ["--speed", "1e9"], ["--colour"]])("refuses %s %s in words", (...args) => {
    expect(demoOptions(args)).toEqual(expect.stringContaining(args[0] ?? ""));
  });
});

it("what is no record of ours is not taken for one", () => {
  for (const text of ["", "{", "[]", '{"id":"a"}', '{"id":"a:1","type":"io.cellgate.state.v1","source":"x","epoch":"e","seq":"1","prev":0,"data":{}}']) expect(decodeEvent(text)).toBeNull();
});
