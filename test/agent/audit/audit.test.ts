/** The audit finds nothing in a true hour, and each planted error by its rule. */
import { describe, expect, it } from "vitest";
import { auditRecords } from "../../../agent/audit/audit.ts";
import { RULES, type Rule } from "../../../agent/audit/finding.ts";
import { envelopes, id, validHour, type Data } from "./valid-hour.ts";

async function* lines(values: readonly unknown[]): AsyncGenerator<string, void, void> {
  for (const value of values) yield typeof value === "string" ? value : JSON.stringify(value);
}
const audit = (values: readonly unknown[]) => auditRecords(lines(values));

/** Last revision of a record in the list. */
function last(records: readonly Data[], name: string): Data {
  const found = records.findLast(({ recordId }) => recordId === id(name));
  if (!found) throw new Error(`no record ${name} in the valid hour`);
  return found;
}
const change = (records: Data[], name: string, fields: object): void => void Object.assign(last(records, name), fields);
const drop = (records: Data[], name: string): void => void records.splice(0, records.length, ...records.filter(({ recordId }) => recordId !== id(name)));
const group = (records: Data[], name: string, key: string): Record<string, number> => last(records, name)[key] as Record<string, number>;
const at = (time: string): string => `2026-03-03T${time}.000Z`;

/** What is wrong, how it comes about in the valid hour, and which rule must say so. */
const PLANTED: readonly (readonly [string, Rule, (records: Data[]) => void])[] = [
  ["a line cut short", "unreadable", (records) => void records.splice(3, 1, '{"schema":"state/1","rec' as unknown as Data)],
  ["a field that is missing", "unreadable", (records) => change(records, "c1", { heldMs: undefined })],
  ["a time in local form", "unreadable", (records) => change(records, "c1", { start: "2026-03-03T09:05:00+01:00" })],
  ["a random id", "id-form", (records) => change(records, "c2", { recordId: "6f9619ff-8b86-4011-b42d-00c04fc964ff" })],
  ["one revision with two bodies", "one-body", (records) => void records.push({ ...last(records, "c1"), toolChanges: 7 })],
  ["a revision that never came", "revision-hole", (records) => change(records, "d2", { rev: 3 })],
  ["a duration that is not end minus start", "interval", (records) => change(records, "d1", { durationMs: 899_999 })],
  ["open, with an end", "interval", (records) => change(records, "a1", { status: "open" })],
  ["two states at a time", "state-overlap", (records) => change(records, "s2", { end: at("08:07:30"), durationMs: 150_000 })],
  ["a hole between two states", "state-hole", (records) => change(records, "s5", { end: at("08:29:59"), durationMs: 899_000 })],
  ["a state left open for ever", "state-order", (records) => change(records, "s5", { status: "open", end: null, durationMs: null, unknownMs: null })],
  ["a state before that was another", "state-order", (records) => change(records, "s4", { prevState: "READY" })],
  ["UNKNOWN without a gap", "unknown-uncovered", (records) => drop(records, "g1")],
  ["a gap that ends too early", "unknown-uncovered", (records) => change(records, "g1", { end: at("08:39:00"), durationMs: 540_000 })],
  ["unknown time called known", "unknown-ms", (records) => change(records, "s6", { unknownMs: 0 })],
  ["parts of a cycle that do not add up", "cycle-sum", (records) => change(records, "c1", { heldMs: 59_999 })],
  ["a cycle one millisecond longer than start to end", "cycle-sum", (records) => change(records, "c2", { cycleElapsedMs: 600_001, inCycleMs: 600_001 })],
  ["two cycles at a time", "cycle-overlap", (records) => change(records, "c1", { end: at("08:46:00"), durationMs: 2_460_000, cycleElapsedMs: 2_460_000, heldMs: 1_320_000, unknownMs: 600_000 })],
  ["held time called in cycle", "cycle-state", (records) => change(records, "c1", { inCycleMs: 600_000, heldMs: 0 })],
  ["a part of an aborted cycle without a counter", "cycle-parts", (records) => change(records, "c1", { outcome: "aborted", counter: null })],
  ["a part of a warm-up", "cycle-parts", (records) => change(records, "c1", { cycleKind: "warmup" })],
  ["a part counted in the cycle and by the counter", "quantity-of-record", (records) => change(records, "c1", { quantityOfRecord: true })],
  ["a part counted nowhere", "quantity-of-record", (records) => change(records, "k1", { quantityOfRecord: false })],
  ["a delta that is not what the counter says", "count-sum", (records) => change(records, "k2", { delta: 2 })],
  ["a rejected count that counts", "count-sum", (records) => change(records, "k2", { plausibility: "rejected" })],
  ["a counter that jumps between two counts", "count-chain", (records) => change(records, "k2", { counter: { name: "part_count", epoch: 0, from: 14, to: 15 } })],
  ["downtime inside a gap", "downtime-unknown", (records) => change(records, "d1", { end: at("08:35:00"), durationMs: 1_200_000 })],
  ["downtime while running", "downtime-running", (records) => change(records, "d2", { end: at("08:46:00"), durationMs: 360_000 })],
  ["two downtimes at a time", "downtime-overlap", (records) => change(records, "d2", { start: at("08:20:00"), durationMs: 1_500_000 })],
  ["segments that leave a hole", "downtime-segments", (records) => change(records, "d1", { segments: [{ shiftId: null, from: at("08:15:00"), to: at("08:20:00"), ms: 300_000, planned: false }] })],
  ["a fault that does not block", "alarm", (records) => change(records, "a1", { blocking: false })],
  ["a cleared alarm that nothing cleared", "alarm", (records) => change(records, "a1", { clearedBy: null })],
  ["a gap that was last good after it began", "gap", (records) => change(records, "g1", { lastGoodAt: at("08:31:00") })],
  ["state times that do not fill the shift", "summary-sum", (records) => void (group(records, "sum", "stateMs")["READY"] = 1_799_999)],
  ["categories that do not fill the shift", "summary-sum", (records) => void (group(records, "sum", "categoryMs")["planned"] = 1)],
  ["a ratio that its terms do not give", "summary-sum", (records) => change(records, "sum", { kpis: { availability: { num: 1, den: 2, value: 0.6 } } })],
  ["coverage of time that nobody saw", "summary-sum", (records) => change(records, "sum", { coverage: 1 })],
  ["state times that the states do not say", "summary-states", (records) => void Object.assign(group(records, "sum", "stateMs"), { READY: 1_860_000, RUNNING: 1_080_000 })],
  ["a cycle that the summary forgot", "summary-counts", (records) => change(records, "sum", { counts: { cycles: 1, completed: 1, aborted: 0, interrupted: 0, unknown: 0, parts: 2 } })],
  ["a part that the summary forgot", "summary-counts", (records) => void (group(records, "sum", "counts")["parts"] = 1)],
  ["a receipt that does not add up", "receipt-sum", (records) => change(records, "rec", { destinations: [{ name: "erp", due: 30, delivered: 26, confirmed: 20, waiting: 3, dropped: { refused: 2 } }] })],
  ["more due than was made", "receipt-sum", (records) => void (group(records, "rec", "made")["state"] = 16)],
  ["more confirmed than delivered", "receipt-sum", (records) => change(records, "rec", { destinations: [{ name: "erp", due: 30, delivered: 25, confirmed: 26, waiting: 3, dropped: { refused: 2 } }] })],
  ["two receipts of one day", "receipt-key", (records) => void records.push({ ...last(records, "rec"), recordId: id("rec2") })],
  ["a receipt of another day than it says", "receipt-key", (records) => change(records, "rec", { date: "2026-03-02" })],
  ["an alarm that no record tells of", "reference", (records) => drop(records, "a1")],
];

/** The same for envelopes: what only they can show. */
const MISLAID: readonly (readonly [string, Rule, (events: Record<string, unknown>[]) => void])[] = [
  ["a row that was lost on the way", "chain", (events) => void events.splice(0, 1)],
  ["a record that the receipt knows nothing of", "receipt-rows", (events) => void Object.assign(events.at(-1)?.["data"] ?? {}, { made: { state: 16 }, destinations: [] })],
  ["two records in one row", "chain", (events) => void Object.assign(events[5] ?? {}, { seq: 5, prev: 4 })],
  ["an envelope of another record", "id-form", (events) => void Object.assign(events[5] ?? {}, { id: `${id("s1")}:9` })],
];

describe("audit", () => {
  it("finds nothing in a true hour, bare or in envelopes, in any order and repeated", async () => {
    const events = envelopes(validHour());
    for (const values of [validHour(), events, [...events, ...events].reverse(), validHour().reverse()]) {
      const report = await audit(values);
      expect(report.findings).toEqual([]);
      expect(report).toMatchObject({ good: true, lines: values.length, records: 19, machines: ["VMC-3"] });
    }
  });

  it.each(PLANTED)("finds %s", async (_, rule, plant) => {
    const records = validHour();
    plant(records);
    const report = await audit(records);
    expect(Object.keys(report.counts)).toContain(rule);
    expect(report.good).toBe(false);
  });

  it.each(MISLAID)("finds %s", async (_, rule, plant) => {
    const events = envelopes(validHour());
    plant(events);
    expect(Object.keys((await audit(events)).counts)).toContain(rule);
  });

  it("plants an error for every rule", () => {
    const planted = new Set([...PLANTED, ...MISLAID].map(([, rule]) => rule));
    expect(Object.keys(RULES).filter((rule) => !planted.has(rule as Rule))).toEqual([]);
  });

  it("takes a loss record's word for rows that are missing", async () => {
    const loss = { ...validHour()[0], schema: "loss/1", recordId: id("l1"), equipment: { machine: null }, destination: "erp", reason: "buffer_full", lostEpoch: "e1", fromSeq: 27, toSeq: 28, count: 2, byType: { state: 2 } };
    const [event] = envelopes([loss as unknown as Data]);
    const events = envelopes(validHour());
    const seq = events.length + 3;
    const covered = [...events, { ...event, seq, prev: seq - 1 }].map((one) => ({ ...one }));
    Object.assign(covered.at(-1)?.["data"] ?? {}, { fromSeq: events.length + 1, toSeq: events.length + 2 });
    expect((await audit(covered)).findings).toEqual([]);
    Object.assign(covered.at(-1)?.["data"] ?? {}, { lostEpoch: "another" });
    expect((await audit(covered)).counts).toEqual({ chain: 1 });
  });

  it("leaves what was voided out of every sum", async () => {
    const records = validHour();
    records.push({ ...last(records, "c2"), recordId: id("c3") }, { ...last(records, "c2"), recordId: id("c3"), rev: 2, status: "void" });
    expect((await audit(records)).findings).toEqual([]);
  });

  it("counts what it no longer lists", async () => {
    const report = await audit(Array.from({ length: 1_500 }, () => "{"));
    expect(report.findings).toHaveLength(1_000);
    expect(report.counts).toEqual({ unreadable: 1_500 });
  });
});
