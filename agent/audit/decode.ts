/** One line of a file → a fact and its place in the chain. Takes CloudEvents (as the broker delivers them) and bare `data`. */
import type { CycleKind, CycleOutcome, DowntimeCategory, MachineState } from "../contract/record.ts";
import type { Counter, Fact } from "./fact.ts";
import { Malformed, amount, amounts, flag, instant, isRow, orNull, row, rows, text, texts, whole, word, type Row } from "./fields.ts";

const STATES: readonly MachineState[] = ["RUNNING", "HELD", "PROGRAM_STOP", "WAITING", "READY", "ALARM", "ESTOP", "MANUAL", "OFF", "UNKNOWN"];
const KINDS: readonly CycleKind[] = ["production", "proveout", "warmup", "probe", "dryrun", "unknown"];
const OUTCOMES: readonly CycleOutcome[] = ["completed", "aborted", "interrupted", "unknown"];
const CATEGORIES: readonly DowntimeCategory[] = ["unplanned", "planned", "setup", "micro", "no_schedule", "unclassified"];

/** Where an envelope stands in its buffer's numbering. */
export interface Place {
  readonly epoch: string;
  readonly seq: number;
  readonly prev: number;
}
export interface Line {
  readonly fact: Fact;
  /** The record's data, as JSON text: what "one body" is judged by. */
  readonly body: string;
  readonly place: Place | null;
  /** What the envelope says otherwise than the record. */
  readonly envelopeProblem: string | null;
}

/** Throws `Malformed`. */
export function decodeLine(line: string): Line {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new Malformed(`not JSON: ${line.slice(0, 60)}`, { cause });
  }
  if (!isRow(value)) throw new Malformed("not a JSON object");
  const envelope = value["specversion"] === undefined ? null : value;
  const data = envelope === null ? value : row(envelope, "data");
  const fact = decodeFact(data);
  // What `replay` gives was never in a buffer, and has no number there.
  const numbered = envelope !== null && ["epoch", "seq", "prev"].some((key) => envelope[key] !== undefined);
  const place = !numbered ? null : { epoch: text(envelope, "epoch"), seq: whole(envelope, "seq"), prev: whole(envelope, "prev") };
  return { fact, body: JSON.stringify(data), place, envelopeProblem: envelope && contradiction(envelope, fact) };
}

function contradiction(envelope: Row, fact: Fact): string | null {
  if (envelope["id"] !== `${fact.id}:${fact.rev}`) return `the envelope's id is ${JSON.stringify(envelope["id"])}`;
  if (envelope["type"] !== `io.cellgate.${fact.type}.v1`) return `the envelope's type is ${JSON.stringify(envelope["type"])}`;
  return instant(envelope, "time") === fact.start ? null : `the envelope's time is ${text(envelope, "time")}`;
}

function decodeFact(data: Row): Fact {
  const type = text(data, "schema").replace(/\/1$/, "");
  const common = {
    id: text(data, "recordId"), rev: whole(data, "rev"), machine: orNull(text, row(data, "equipment"), "machine"),
    status: word(data, "status", ["open", "closed", "void"]),
    start: instant(data, "start"), end: orNull(instant, data, "end"), durationMs: orNull(whole, data, "durationMs"),
  };
  const read = READERS[type];
  if (!read) throw new Malformed(`schema is ${JSON.stringify(data["schema"])}, which this audit does not know`);
  return { ...common, ...read(data) } as Fact;
}

const counter = (of: Row, key: string): Counter => {
  const group = row(of, key);
  return { name: text(group, "name"), epoch: whole(group, "epoch"), from: orNull(whole, group, "from"), to: whole(group, "to") };
};
const given = (...ids: readonly (string | null)[]): readonly string[] => ids.filter((id) => id !== null);

const READERS: Readonly<Record<string, (data: Row) => object>> = {
  state: (data) => ({ type: "state", state: word(data, "state", STATES), unknownMs: orNull(whole, data, "unknownMs"), prevState: data["prevState"] === null ? null : word(data, "prevState", STATES) }),
  cycle: (data) => ({
    type: "cycle", kind: word(data, "cycleKind", KINDS), outcome: word(data, "outcome", OUTCOMES),
    elapsedMs: whole(data, "cycleElapsedMs"), inCycleMs: whole(data, "inCycleMs"), heldMs: whole(data, "heldMs"), unknownMs: whole(data, "unknownMs"),
    parts: whole(data, "partsDelta"), ofRecord: flag(data, "quantityOfRecord"), counter: orNull(counter, data, "counter"),
    names: [...texts(data, "alarmIds"), ...given(orNull(text, data, "restartOf"))],
  }),
  count: (data) => ({
    type: "count", counter: counter(data, "counter"), delta: whole(data, "delta"), reset: flag(data, "resetDetected"), rollover: flag(data, "rollover"),
    plausibility: word(data, "plausibility", ["ok", "suspect", "rejected"]), ofRecord: flag(data, "quantityOfRecord"), names: texts(data, "cycleIds"),
  }),
  downtime: (data) => ({
    type: "downtime", category: word(data, "category", CATEGORIES),
    segments: rows(data, "segments").map((one) => ({ start: instant(one, "from"), end: instant(one, "to"), ms: whole(one, "ms") })),
    names: given(orNull(text, data, "continues"), orNull((of, key) => text(row(of, key), "recordId"), data, "firstAlarm")),
  }),
  alarm: (data) => ({ type: "alarm", severity: text(data, "severity"), blocking: flag(data, "blocking"), raiseCount: whole(data, "raiseCount"), clearedBy: orNull(text, data, "clearedBy") }),
  connection: (data) => ({ type: "connection", source: text(data, "source"), kind: text(data, "kind"), lastGoodAt: orNull(instant, data, "lastGoodAt") }),
  summary: (data) => ({
    type: "summary", window: text(row(data, "window"), "shiftId"), stateMs: amounts(data, "stateMs"), categoryMs: amounts(data, "categoryMs"),
    calendarMs: whole(row(data, "basisMs"), "calendar"), scheduledMs: whole(row(data, "basisMs"), "scheduled"), counts: amounts(data, "counts"),
    kpis: Object.entries(row(data, "kpis")).map(([name, value]) => {
      if (!isRow(value)) throw new Malformed(`the ratio ${name} is not a group`);
      return { name, num: amount(value, "num"), den: amount(value, "den"), value: orNull(amount, value, "value") };
    }),
    coverage: orNull(amount, data, "coverage"),
  }),
  receipt: (data) => ({
    type: "receipt", date: text(data, "date"), tz: text(data, "tz"), made: amounts(data, "made"), gapMs: whole(row(data, "gaps"), "ms"), gapCount: whole(row(data, "gaps"), "count"),
    ranges: rows(data, "ranges").map((one) => ({ epoch: text(one, "epoch"), from: whole(one, "fromSeq"), to: whole(one, "toSeq") })),
    destinations: rows(data, "destinations").map((one) => ({
      name: text(one, "name"), due: whole(one, "due"), delivered: whole(one, "delivered"), confirmed: orNull(whole, one, "confirmed"), waiting: whole(one, "waiting"), dropped: amounts(one, "dropped"),
    })),
  }),
  loss: (data) => ({ type: "loss", lostEpoch: text(data, "lostEpoch"), fromSeq: orNull(whole, data, "fromSeq"), toSeq: orNull(whole, data, "toSeq") }),
};
