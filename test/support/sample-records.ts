/** One true-looking record of each type, and many small ones: for tests of what carries records, not of what makes them. */
import type { NewRecord, RecordContext, RecordType } from "../../agent/contract/record.ts";
import { unixMs } from "../../agent/contract/time.ts";

const START = Date.UTC(2026, 2, 3, 7, 15, 0, 123);
const instant = (offsetMs: number): string => new Date(START + offsetMs).toISOString();
const id = (n: number): string => `6f9619ff-8b86-5011-b42d-${n.toString(16).padStart(12, "0")}`;
const timing = { kind: "event", uncertaintyMs: 0 } as const;
const closed = { status: "closed", start: instant(0), end: instant(60_000), durationMs: 60_000, utcOffsetMin: 60, timing } as const;

export const SAMPLE_CONTEXT: RecordContext = {
  environment: "test",
  equipment: { site: "lyon", area: "machining", cell: "cell-7", machine: "VMC-3" },
  erp: { workCenter: "MILL-03" },
  tz: "Europe/Paris",
};

const counter = { name: "part_count", epoch: 0, from: 11, to: 12 } as const;

export const SAMPLES: { readonly [K in RecordType]: NewRecord<K> } = {
  state: {
    type: "state", id: id(1), rev: 1, start: unixMs(START),
    body: { ...closed, state: "RUNNING", mode: "auto", unknownMs: 0, prevState: "READY", raw: { execution: "ACTIVE" }, triggers: ["execution"], flapCount: 0 },
  },
  cycle: {
    type: "cycle", id: id(2), rev: 2, start: unixMs(START),
    body: {
      ...closed, program: { main: "O1234", active: "O1234", comment: "Gehäuse \"A\"" }, paths: ["1"], cycleKind: "production", outcome: "completed",
      endedBy: "program_completed", startObserved: true, cycleElapsedMs: 60_000, inCycleMs: 58_000, heldMs: 2_000, unknownMs: 0, gapBeforeMs: null,
      partsDelta: 1, partsExpected: 1, quantityOfRecord: true, counter, spindle: { onMs: 40_000, cutMs: null, method: "spindle_on" },
      toolChanges: 4, alarmIds: [], restartOf: null,
    },
  },
  count: {
    type: "count", id: id(3), rev: 1, start: unixMs(START),
    body: { ...closed, counter, counterKind: "total", delta: 1, resetDetected: false, rollover: false, plausibility: "ok", cycleIds: [id(2)], quantityOfRecord: false },
  },
  downtime: {
    type: "downtime", id: id(4), rev: 1, start: unixMs(START),
    body: {
      ...closed, category: "unplanned", reasonCode: null, reasonText: null, reasonSource: "none", reasonAt: null,
      firstAlarm: { alarmId: "1010", recordId: id(5) }, state: "ALARM", endedBy: "running", continues: null,
      segments: [{ shiftId: "early@2026-03-03", from: instant(0), to: instant(60_000), ms: 60_000, planned: false }],
    },
  },
  alarm: {
    type: "alarm", id: id(5), rev: 1, start: unixMs(START),
    body: { ...closed, status: "open", end: null, durationMs: null, alarmId: "1010", text: "Coolant low", severity: "fault", group: "SYSTEM", path: null, blocking: true, raiseCount: 1, clearedBy: null },
  },
  connection: {
    type: "connection", id: id(6), rev: 1, start: unixMs(START),
    body: { ...closed, source: "mtconnect", kind: "gap", reason: "link-down", lastGoodAt: instant(-500), recoverable: true, missing: null },
  },
  summary: {
    type: "summary", id: id(7), rev: 1, start: unixMs(START),
    body: {
      ...closed, scope: { kind: "machine", id: "VMC-3" }, window: { kind: "shift", shiftId: "early@2026-03-03" }, stateMs: { RUNNING: 60_000 }, categoryMs: { production: 60_000 },
      basisMs: { calendar: 60_000, scheduled: 60_000, poweredOn: 60_000 }, counts: { cycles: 1, completed: 1, aborted: 0, interrupted: 0, unknown: 0, parts: 1 },
      stops: { n: 0, ms: 0, microN: 0, microMs: 0 }, kpis: { availability: { num: 60_000, den: 60_000, value: 1 } }, coverage: 1, provisional: false, calendarVersion: "v1",
    },
  },
  loss: {
    type: "loss", id: id(8), rev: 1, start: unixMs(START),
    body: { ...closed, destination: null, reason: "buffer_full", lostEpoch: "epoch-0", fromSeq: 1, toSeq: 9, count: 9, byType: { state: 9 } },
  },
  receipt: {
    type: "receipt", id: id(9), rev: 1, start: unixMs(START),
    body: {
      ...closed, date: "2026-03-03", samples: { read: 86_400, late: 3 }, made: { state: 9, cycle: 4 }, ranges: [{ epoch: "epoch-1", fromSeq: 1, toSeq: 13 }],
      destinations: [{ name: "bridge", due: 13, delivered: 10, confirmed: 8, waiting: 2, dropped: { buffer_full: 1 } }], gaps: { count: 1, ms: 1_500 },
    },
  },
};

/** `count` state records with ids of their own, numbered from `from`. */
export function manyRecords(count: number, from = 1): readonly NewRecord[] {
  return Array.from({ length: count }, (_, index) => ({ ...SAMPLES.state, id: id(1_000_000 + from + index) }));
}
