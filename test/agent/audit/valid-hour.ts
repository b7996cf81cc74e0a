/** One hour of one machine, written by hand: two cycles, a hold, a gap, two stops, a shift's summary, the day's receipt. True in every rule. */
export type Data = Record<string, unknown> & { recordId: string; rev: number };

const minute = (of: number): string => new Date(Date.UTC(2026, 2, 3, 8, of)).toISOString();
const MIN = 60_000;
export const id = (name: string): string => `00000000-0000-5000-8000-${Buffer.from(name.padStart(6, "_")).toString("hex")}`;

function record(type: string, name: string, span: readonly [number, number | null], rest: object): Data {
  const [start, end] = span;
  return {
    schema: `${type}/1`, recordId: id(name), rev: 1, environment: "test", equipment: { site: "lyon", machine: "VMC-3" }, erp: null, tz: "Europe/Paris",
    status: end === null ? "open" : "closed", start: minute(start), end: end === null ? null : minute(end), durationMs: end === null ? null : (end - start) * MIN,
    utcOffsetMin: 60, timing: { kind: "event", uncertaintyMs: 0 }, ...rest,
  };
}

/** The record as it was before it closed, and then closed. */
const openedAndClosed = (closed: Data, open: object = {}): readonly Data[] => [
  { ...closed, status: "open", end: null, durationMs: null, ...open },
  { ...closed, rev: 2 },
];

type Span = readonly [string, number, number | null];
const STATES: readonly Span[] = [
  ["READY", 0, 5], ["RUNNING", 5, 7], ["HELD", 7, 8], ["RUNNING", 8, 15], ["READY", 15, 30], ["UNKNOWN", 30, 40], ["READY", 40, 45], ["RUNNING", 45, 55], ["READY", 55, null],
];
function states(): readonly Data[] {
  return STATES.flatMap(([state, start, end], index) => {
    const before = STATES[index - 1]?.[0] ?? null;
    const body = { state, mode: "auto", unknownMs: end === null ? null : state === "UNKNOWN" ? (end - start) * MIN : 0, prevState: before, raw: {}, triggers: ["execution"], flapCount: 0 };
    const data = record("state", `s${index + 1}`, [start, end], body);
    return end === null ? [data] : openedAndClosed(data, { unknownMs: null });
  });
}

const counter = (from: number, to: number): object => ({ name: "part_count", epoch: 0, from, to });
const cycle = (name: string, [start, end]: readonly [number, number], rest: object): Data => record("cycle", name, [start, end], {
  program: { main: "O1", active: "O1", comment: null }, paths: ["1"], cycleKind: "production", outcome: "completed", endedBy: "program_completed", startObserved: true,
  cycleElapsedMs: (end - start) * MIN, inCycleMs: (end - start) * MIN, heldMs: 0, unknownMs: 0, gapBeforeMs: null, partsDelta: 1, partsExpected: 1, quantityOfRecord: false,
  spindle: null, toolChanges: null, alarmIds: [], restartOf: null, ...rest,
});
const count = (name: string, at: number, of: string, values: object): Data => record("count", name, [at, at], {
  counter: values, counterKind: "total", delta: 1, resetDetected: false, rollover: false, plausibility: "ok", cycleIds: [id(of)], quantityOfRecord: true,
});
function downtime(name: string, [start, end]: readonly [number, number], rest: object): readonly Data[] {
  const segment = { shiftId: "early@2026-03-03", from: minute(start), to: minute(end), ms: (end - start) * MIN, planned: false };
  return openedAndClosed(record("downtime", name, [start, end], {
    category: "unplanned", reasonCode: null, reasonText: null, reasonSource: "none", reasonAt: null, firstAlarm: null, state: "READY", continues: null, segments: [segment], ...rest,
  }), { endedBy: null, segments: [] });
}

const zero = { num: 0, den: 0, value: null };
const SUMMARY = record("summary", "sum", [0, 60], {
  scope: { kind: "machine", id: "VMC-3" }, window: { kind: "shift", shiftId: "early@2026-03-03" },
  stateMs: { READY: 30 * MIN, RUNNING: 19 * MIN, HELD: MIN, UNKNOWN: 10 * MIN },
  categoryMs: { production: 19 * MIN, waiting: MIN, load_unload: 10 * MIN, unplanned: 20 * MIN, planned: 0, micro: 0, setup: 0, unscheduled: 0, unknown: 10 * MIN },
  basisMs: { calendar: 60 * MIN, scheduled: 60 * MIN, poweredOn: 50 * MIN }, counts: { cycles: 2, completed: 2, aborted: 0, interrupted: 0, unknown: 0, parts: 2 },
  stops: { n: 2, ms: 20 * MIN, microN: 0, microMs: 0 }, kpis: { availability: { num: 19 * MIN, den: 50 * MIN, value: 0.38 }, quality: zero }, coverage: 50 / 60, provisional: true, calendarVersion: "v1",
});

const RECEIPT = record("receipt", "rec", [-540, 900], {
  date: "2026-03-03", samples: { read: 40, late: 0 }, made: { state: 17, alarm: 2, cycle: 2, count: 2, downtime: 4, connection: 2, summary: 1 },
  ranges: [{ epoch: "e1", fromSeq: 1, toSeq: 30 }], destinations: [{ name: "erp", due: 30, delivered: 25, confirmed: 20, waiting: 3, dropped: { refused: 2 } }], gaps: { count: 1, ms: 10 * MIN },
});

/** A fresh copy each time: tests change it. */
export const validHour = (): Data[] => structuredClone([
  ...states(),
  ...openedAndClosed(record("alarm", "a1", [7, 8], { alarmId: "1010", text: "Door open", severity: "fault", group: "SYSTEM", path: null, blocking: true, raiseCount: 1, clearedBy: "normal" }), { clearedBy: null }),
  cycle("c1", [5, 15], { inCycleMs: 9 * MIN, heldMs: MIN, counter: counter(10, 11), alarmIds: [id("a1")] }),
  count("k1", 15, "c1", counter(10, 11)),
  ...downtime("d1", [15, 30], { endedBy: "source_lost" }),
  ...openedAndClosed(record("connection", "g1", [30, 40], { source: "mtconnect", kind: "gap", reason: "link-down", lastGoodAt: minute(29), recoverable: true, missing: null })),
  ...downtime("d2", [40, 45], { endedBy: "running", continues: id("d1") }),
  cycle("c2", [45, 55], { counter: counter(11, 12), cycleKind: "production" }),
  count("k2", 55, "c2", counter(11, 12)),
  SUMMARY,
  RECEIPT,
]);

/** As the broker delivers them. */
export const envelopes = (records: readonly Data[]): Record<string, unknown>[] => records.map((data, index) => ({
  specversion: "1.0", id: `${data.recordId}:${data.rev}`, source: "cellgate/v1/lyon/VMC-3", type: `io.cellgate.${String(data["schema"]).replace("/", ".v")}`, datacontenttype: "application/json",
  epoch: "e1", bootid: "b1", time: data["start"], seq: index + 1, prev: index, observedat: data["start"], publishedat: data["start"], data,
}));
