/**
 * Records of one machine against the truth of the recording it played: states equal one by one, cycles to the
 * millisecond, parts step by step. Says every difference in words; none means equal.
 */
import { COUNTER_JOIN_MS } from "./cycles.ts";
import type { Truth } from "./truth.ts";

export type Data = Readonly<Record<string, unknown>>;

/**
 * What ends so shortly before the last stamp may still be open there: a cycle waits for its counter, and time that
 * nothing but the source's clock brings forward is believed a second late. It must be right if it is there.
 */
const UNSETTLED_MS = COUNTER_JOIN_MS + 1_001;

const iso = (at: number): string => new Date(at).toISOString();
const at = (data: Data, key: string): number => Date.parse(String(data[key]));
const typeOf = (data: Data): string => String(data["type"] ?? data["schema"]).replace(/\/\d+$/, "");

/**
 * `records`: data of the last revisions (with `type` or `schema`), of one machine. `unsettledMs`: how long before the
 * last stamp an end may be that is not concluded yet; 0 asks for everything.
 */
export function compareWithTruth(records: readonly Data[], truth: Truth, unsettledMs = UNSETTLED_MS): readonly string[] {
  const due = truth.until - unsettledMs;
  const standing = records.filter((data) => data["status"] !== "void");
  const of = (type: string): readonly Data[] => standing.filter((data) => typeOf(data) === type);
  return [
    ...states(of("state"), truth),
    ...unequal("cycle", cyclesIn(of("cycle")), truth.cycles.map((one) => ({ at: one.end, words: `${iso(one.start)} to ${iso(one.end)}, ${one.inCycleMs} ms in cycle, ${one.heldMs} held` })), due),
    ...unequal("part", partsIn(of("count")), truth.steps.filter(({ parts }) => parts > 0).map((one) => ({ at: one.at, words: `${one.parts} by ${iso(one.at)}, to ${one.to}` })), due),
  ];
}

interface Row {
  readonly at: number;
  readonly words: string;
}

const cyclesIn = (cycles: readonly Data[]): readonly Row[] => cycles
  .map((data) => ({ at: at(data, "end"), words: `${String(data["start"])} to ${String(data["end"])}, ${Number(data["inCycleMs"])} ms in cycle, ${Number(data["heldMs"]) + Number(data["unknownMs"])} held` }))
  .sort((one, other) => one.at - other.at);

const partsIn = (counts: readonly Data[]): readonly Row[] => counts
  .filter((data) => data["plausibility"] !== "rejected" && Number(data["delta"]) > 0)
  .map((data) => ({ at: at(data, "end"), words: `${Number(data["delta"])} by ${String(data["end"])}, to ${Number((data["counter"] as Data)["to"])}` }))
  .sort((one, other) => one.at - other.at);

/** As multisets of what they say; a true one may be absent where it could not have been concluded yet. */
function* unequal(what: string, ours: readonly Row[], theirs: readonly Row[], due: number): Generator<string, void, void> {
  const left = [...ours];
  for (const row of theirs) {
    const place = left.findIndex(({ words }) => words === row.words);
    if (place >= 0) left.splice(place, 1);
    else if (row.at <= due) yield `${what} missing: ${row.words}`;
  }
  for (const { words } of left) yield `${what} that was not: ${words}`;
}

function* states(records: readonly Data[], truth: Truth): Generator<string, void, void> {
  const ours = merged(records.map((data) => ({ start: at(data, "start"), doing: String(data["state"]) })).sort((one, other) => one.start - other.start));
  // Before the first word there may be UNKNOWN, and nothing else.
  const early = ours.filter(({ start, doing }) => start < truth.from && doing !== "UNKNOWN");
  for (const one of early) yield `state before anything was said: ${one.doing} from ${iso(one.start)}`;
  const inside = ours.filter(({ start }) => start >= truth.from && start <= truth.until);
  const length = Math.max(inside.length, truth.states.length);
  for (let place = 0; place < length; place += 1) {
    const [mine, its] = [inside[place], truth.states[place]];
    if (mine?.start === its?.start && mine?.doing === its?.doing) continue;
    const say = (one: { readonly start: number; readonly doing: string } | undefined): string => (one ? `${one.doing} from ${iso(one.start)}` : "nothing");
    yield `state ${place + 1} of ${truth.states.length} is ${say(mine)}, but was ${say(its)}`;
    return;
  }
}

/** Neighbours of one state are one interval: a change of mode may split a record, not the time. */
function merged<T extends { readonly doing: string }>(states: readonly T[]): readonly T[] {
  return states.filter(({ doing }, place) => states[place - 1]?.doing !== doing);
}
