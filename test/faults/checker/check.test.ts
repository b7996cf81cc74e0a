/** The checker itself: a run without fault passes, and each planted error is found, alone and by name. */
import { describe, expect, it } from "vitest";
import { check, type Evidence } from "./check.ts";
import { eventOf, type ReceivedEvent, type StoredRow } from "./logs.ts";

const EPOCH = "epoch-a";
const TYPES = ["state", "cycle", "count", "alarm"];
const typeOf = (seq: number): string => TYPES[seq % TYPES.length] ?? "state";
const machineOf = (seq: number): string => (seq % 3 === 0 ? "m2" : "m1");
const row = (seq: number): StoredRow => ({ epoch: EPOCH, seq, machine: machineOf(seq), type: typeOf(seq), id: `id-${seq}`, rev: 1 });
interface Changes { readonly prev?: number; readonly data?: object; readonly replay?: boolean; readonly connection?: string; readonly id?: string; readonly rev?: number; readonly type?: string }
function event(seq: number, { prev = seq - 1, data = { n: seq }, replay = false, connection = "1", id = `id-${seq}`, rev = 1, type = typeOf(seq) }: Changes = {}): ReceivedEvent {
  return eventOf({
    specversion: "1.0", id: `${id}:${rev}`, source: `cellgate/v1/${machineOf(seq)}`, type: `io.cellgate.${type}.v1`, epoch: EPOCH, seq, prev,
    ...(replay && { replay }), data: { schema: `${type}/1`, recordId: id, rev, ...data },
  }, { destination: "bridge", connection });
}
interface Told { readonly from: number | null; readonly to: number | null; readonly byType: Readonly<Record<string, number>>; readonly count?: number | null; readonly status?: string; readonly rev?: number; readonly id?: string; readonly destination?: string | null; readonly prev?: number }
const loss = (seq: number, { from, to, byType, status = "closed", rev = 1, id = "loss-1", destination = "bridge", prev, ...told }: Told): ReceivedEvent => event(seq, {
  id, rev, type: "loss", ...(prev !== undefined && { prev }),
  data: { status, destination, reason: "buffer_full", lostEpoch: EPOCH, fromSeq: from, toSeq: to, byType, count: told.count === undefined ? Object.values(byType).reduce((a, b) => a + b, 0) : told.count },
});
const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const evidence = (changes: Partial<Evidence> = {}): Evidence =>
  ({ destinations: [{ name: "bridge", types: null }], stored: numbers(1, 12).map(row), received: numbers(1, 12).map((seq) => event(seq)), exact: true, ...changes });
const wrong = (changes: Partial<Evidence>): readonly string[] => check(evidence(changes)).violations;
const without = (...gone: readonly number[]): ReceivedEvent[] => numbers(1, 12).filter((seq) => !gone.includes(seq)).map((seq) => event(seq));

describe("the checker passes", () => {
  it("a run in which all arrived, once or more often", () => {
    expect(wrong({})).toEqual([]);
    expect(check(evidence({ received: [...without(), event(3, { replay: true }), event(4, { connection: "2", replay: true })] }))).toMatchObject({ violations: [], repeats: 2, covered: 0 });
  });

  it("a hole that one loss covers, by its last revision", () => {
    const told = [loss(13, { from: 5, to: 5, byType: { cycle: 1 } }), loss(14, { from: 5, to: 7, byType: { cycle: 1, count: 1, alarm: 1 }, rev: 2, prev: 13 })];
    expect(check(evidence({ received: [...without(5, 6, 7), ...told] }))).toMatchObject({ violations: [], covered: 3 });
  });

  it("what a broken buffer left, under a loss without an end", () => {
    expect(wrong({ received: [...numbers(1, 8).map((seq) => event(seq)), loss(13, { from: 9, to: null, byType: {}, count: null, prev: 12 })] })).toEqual([]);
  });

  it("a row that a loss of the destination's own names, and one of the whole file: its own counts", () => {
    const told = [loss(13, { from: 6, to: 6, byType: { count: 1 } }), loss(14, { id: "loss-2", destination: null, from: 5, to: null, byType: {}, count: null, prev: 13 })];
    expect(check(evidence({ received: [...without(6), ...told] }))).toMatchObject({ violations: [], covered: 1 });
  });

  it("a filtered destination, and rows that a kill left unmarked", () => {
    const cycles = numbers(1, 12).filter((seq) => typeOf(seq) === "cycle");
    expect(wrong({ destinations: [{ name: "bridge", types: ["cycle"] }], received: cycles.map((seq, at) => event(seq, { prev: cycles[at - 1] ?? 0 })) })).toEqual([]);
    expect(wrong({ exact: false, received: [...without(), event(13)] })).toEqual([]);
  });
});

describe("the checker finds", () => {
  it.each([
    ["a row that never arrived", { received: without(12) }, /row 12 .* no loss covers it/],
    ["a hole in the middle", { received: without(6) }, /row 6 .* no loss covers it/],
    ["a hole that only the chain shows", { stored: [], exact: false, received: without(6) }, /row 6 .* no loss covers it/],
    ["two bodies under one id and revision", { received: [...without(), event(4, { replay: true, data: { n: 5 } })] }, /two bodies under id-4:1/],
    ["disorder of a machine's first transmissions", { received: [event(1), event(4), event(2), ...numbers(3, 12).filter((seq) => seq !== 4).map((seq) => event(seq))] }, /row 2 .* came after row 4/],
    ["a repeat that does not say so", { received: [...without(), event(11)] }, /row 11 .* came after row 11/],
    ["a row under another number", { received: [...without(12), event(12, { id: "id-99" })] }, /was stored as id-12:1, and arrived as id-99:1/],
    ["two losses of a whole file for one row", { received: [...without(6), loss(13, { id: "l-1", destination: null, from: 6, to: 6, byType: {}, count: 1 }), loss(14, { id: "l-2", destination: null, from: 5, to: null, byType: {}, count: null, prev: 13 })] }, /row 6 .* 2 losses cover it/],
    ["a row that was to come under another number", { received: [...without(12), loss(13, { destination: null, from: 9, to: 12, byType: {}, count: 0, prev: 12 })] }, /row 12 .* was to come under another number, and did not/],
    ["a row that comes again on a later connection, unmarked", { received: [...without(), event(4, { connection: "2" })] }, /row 4 came again, in connection 2, without saying/],
    ["a number that names two rows", { stored: [], exact: false, received: [...without(), event(12, { replay: true, id: "id-99" })] }, /row 12 was id-12:1 after 11, and is id-99:1/],
    ["a chain that points past what arrived", { received: [...without(9), event(9, { prev: 6 })] }, /row 9 says that 6 is the one before it, but 8 arrived/],
    ["a chain that points forward", { stored: [], exact: false, received: [event(1, { prev: 3 })] }, /row 1 says that row 3 is before it/],
    ["a row nobody reported stored", { received: [...without(), event(13)] }, /row .*13 arrived and was never reported stored/],
    ["a loss of another type", { received: [...without(5), loss(13, { from: 5, to: 5, byType: { alarm: 1 } })] }, /row 5 .* no loss covers it/],
    ["a loss of another destination", { received: [...without(5), loss(13, { from: 5, to: 5, byType: { cycle: 1 }, destination: "other" })] }, /row 5 .* no loss covers it/],
    ["a void loss", { received: [...without(5), loss(13, { from: 5, to: 5, byType: { cycle: 1 } }), loss(14, { from: 5, to: 5, byType: { cycle: 1 }, rev: 2, status: "void" })] }, /row 5 .* no loss covers it/],
    ["an older revision that covers more than the last", { received: [...without(5, 6), loss(13, { from: 5, to: 6, byType: { cycle: 1, count: 1 } }), loss(14, { from: 5, to: 5, byType: { cycle: 1 }, rev: 2 })] }, /row 6 .* no loss covers it/],
    ["a row covered twice", { received: [...without(5), loss(13, { from: 5, to: 5, byType: { cycle: 1 } }), loss(14, { from: 4, to: 5, byType: { cycle: 1 }, id: "loss-2" })] }, /2 losses cover it/],
    ["a loss that counts too few", { received: [...without(5, 9), loss(13, { from: 5, to: 9, byType: { cycle: 1 } })] }, /counts 1 rows of cycle, and 2 are missing/],
    ["a loss that counts too many", { received: [...without(5), loss(13, { from: 5, to: 5, byType: { cycle: 2 } })] }, /counts 2 rows of cycle, and only 1 were due/],
    ["a loss that does not add up", { received: [...without(5), loss(13, { from: 5, to: 5, byType: { cycle: 1 }, count: 3 })] }, /counts 3 rows, and 1 by type/],
    ["a type that is not due", { destinations: [{ name: "bridge", types: ["cycle"] }], exact: false, stored: [], received: [event(1, { prev: 0 }), event(2, { prev: 1 })] }, /row 2 is a count, which is not due/],
    ["a fact that never came", { expected: [{ id: "id-77", type: "cycle" }] }, /cycle id-77 never arrived/],
    ["a row stored under two names", { stored: [...numbers(1, 12).map(row), { ...row(3), id: "id-33" }] }, /row 3 was reported stored as id-3:1 and as id-33:1/],
  ] satisfies readonly (readonly [string, Partial<Evidence>, RegExp])[])("%s", (_, changes, words) => {
    expect(wrong(changes).join("\n")).toMatch(words);
  });

  it("a message that is no event of ours", () => {
    expect(() => eventOf({ id: "a:1", type: "io.cellgate.cycle.v1", source: "s", epoch: EPOCH, seq: 1, prev: 0, data: { recordId: "b", rev: 1 } }, { destination: "bridge", connection: "1" })).toThrow(/carries revision 1 of b/);
    expect(() => eventOf({ type: "else" }, { destination: "bridge", connection: "1" })).toThrow(/data is no object/);
  });
});
