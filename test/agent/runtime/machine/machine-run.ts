/**
 * One machine of the runtime, its source and its buffer, all moved by hand and without network or disk: for holes, cut
 * links and kills by the thousand. The source numbers its readings and keeps the newest of them, as an MTConnect agent
 * does. The buffer keeps what was synced; a kill takes the rest.
 */
import { createBoard } from "../../../../agent/runtime/link/board.ts";
import { DayBook } from "../../../../agent/runtime/account/day-book.ts";
import { Machine } from "../../../../agent/runtime/machine/machine.ts";
import type { MachineStatus } from "../../../../agent/runtime/machine/machine-status.ts";
import type { MachineSettings, SourceSettings } from "../../../../agent/config/model.ts";
import type { Batch, Cursor, Reading } from "../../../../agent/contract/observation.ts";
import type { NewRecord } from "../../../../agent/contract/record.ts";
import type { MachineRules } from "../../../../agent/contract/rules.ts";
import { rfc3339, unixMs, type UnixMs } from "../../../../agent/contract/time.ts";
import { machineDetector, type MachineDetectState } from "../../../../agent/detect/machine.ts";
import { testPorts, type TestPorts } from "../../../support/ports.ts";
import { HandClock, HandLedger, type Row } from "./by-hand.ts";

export const HOLD_MS = 600_000;
export const DAY_MS = 86_400_000;

export interface Promised {
  readonly time: UnixMs;
  readonly seq: number;
}

export interface RunOptions {
  readonly readings: readonly Reading[];
  readonly rules: MachineRules;
  /** Readings that the source keeps; default all. */
  readonly bufferSize?: number;
  readonly timePolicy?: SourceSettings["time"];
  /** The source's clock less ours. */
  readonly offsetMs?: number;
  readonly holdMs?: number;
  /** The source has no positions: each session begins with what is so now. */
  readonly forgets?: boolean;
}

export class Run {
  readonly ledger = new HandLedger();
  readonly promises: Promised[] = [];
  readonly ports: TestPorts;
  readonly #options: RunOptions;
  readonly #clock: HandClock;
  #machine: Machine<MachineDetectState>;
  #board = createBoard();
  /** What the source has said so far. */
  #said = 0;
  #now: number;
  #instance = "1";
  /** Readings before this one are gone. */
  #oldest = 0;
  /** Since the source's restart, if it had one. */
  #base = 0;
  /** Where the session of the driver is; null: there is none. */
  #session: number | null = null;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#now = (options.readings[0]?.sourceTime ?? 0) - 1;
    this.#clock = new HandClock(this.#now - (options.offsetMs ?? 0));
    this.ports = testPorts({ clock: this.#clock, network: this.#clock });
    this.#machine = this.#start();
  }

  get status(): MachineStatus { return this.#machine.status(); }
  get left(): number { return this.#options.readings.length - this.#said; }

  /** The machine says its next `count` readings, and all of their last instant; time passes to `waitMs` after, but not to the next. */
  says(count: number, waitMs = 0): void {
    const { readings, bufferSize = Infinity } = this.#options;
    this.#said = Math.min(readings.length, this.#said + count);
    while (this.#said > 0 && this.#said < readings.length && readings[this.#said]?.sourceTime === readings[this.#said - 1]?.sourceTime) this.#said += 1;
    this.#oldest = Math.max(this.#oldest, this.#said - bufferSize);
    const newest = readings[this.#said - 1]?.sourceTime ?? this.#now;
    const next = readings[this.#said]?.sourceTime ?? Infinity;
    this.passTo(Math.max(newest, Math.min(newest + waitMs, next - 1)));
  }

  /** Nothing goes on for more than a day after the last reading: all runs of a day end at one time. */
  passTo(at: number): void {
    this.#now = Math.max(this.#now, Math.min(at, (this.#options.readings.at(-1)?.sourceTime ?? 0) + DAY_MS));
    this.#clock.passTo(this.#now - (this.#options.offsetMs ?? 0));
    this.#noted();
  }
  passes(ms: number): void {
    const next = this.#options.readings[this.#said]?.sourceTime ?? Infinity;
    this.passTo(Math.min(this.#now + ms, next - 1));
  }

  /** The driver gives what the machine has said and it has not given, in batches of at most `size`; only `atMost` of them. */
  async reads(size: number, atMost = Infinity): Promise<void> {
    if (this.#session === null) await this.#connect();
    for (let given = 0; given < atMost && this.#session !== null; given += 1) {
      const from: number = this.#session;
      const to = Math.min(this.#said, from + size);
      await this.#take({ items: this.#options.readings.slice(from, to), ...this.#at(to), caughtUp: to === this.#said, sourceNow: unixMs(this.#now) });
      this.#session = to;
      if (to === this.#said) return;
    }
  }

  cut(): void {
    if (this.#session === null) return;
    this.#session = null;
    this.#machine.onLink({ state: "down", fault: "lost", message: "cut by hand", retryInMs: 0 });
    this.#noted();
  }

  /** -9: what was not synced is gone, and the agent starts again at once. */
  kill(): void {
    this.#session = null;
    this.ledger.lose();
    this.#clock.forget();
    this.#machine = this.#start();
  }

  /** An orderly stop, and a start after what `meanwhile` happens to the machine. */
  async stop(meanwhile = (): void => undefined): Promise<void> {
    this.ledger.lags = false;
    this.ledger.sync();
    await this.#machine.stop();
    this.#clock.forget();
    this.#session = null;
    meanwhile();
    this.#machine = this.#start();
  }

  /** The machine's agent restarts: another instance, and nothing of before. What is so it says anew, in the readings that follow. */
  sourceRestarts(): void {
    this.#instance = String(Number(this.#instance) + 1);
    this.#base = this.#said;
    this.#oldest = this.#said;
    this.cut();
  }

  live(name: string): unknown {
    for (const value of this.#board.all()) if (value.scope === "live" && value.name === name && "value" in value.payload) return value.payload.value;
    return undefined;
  }

  /** The newest record of a type, as live outputs are given it. */
  newest(type: NewRecord["type"]): NewRecord | null {
    for (const value of this.#board.all()) if (value.scope === "record" && value.record.type === type) return value.record;
    return null;
  }

  #start(): Machine<MachineDetectState> {
    const { rules, timePolicy = "source" } = this.#options;
    const source: SourceSettings = { kind: "by-hand", name: "by-hand", config: null, time: timePolicy, clockToleranceMs: 5_000, refillHoldMs: this.#options.holdMs ?? HOLD_MS, line: 1 };
    const settings: MachineSettings = { id: rules.machine, rules, sources: [source], line: 1 };
    this.#board = createBoard();
    return new Machine({ settings, source, context: "{}", detector: machineDetector, outbox: this.ledger, board: this.#board, book: new DayBook({ machine: settings.id, timezone: "UTC", destinations: [] }), clockTrust: { state: () => "assumed" }, ports: this.ports });
  }

  async #connect(): Promise<void> {
    const cursor = this.#machine.cursor();
    this.#machine.onLink({ state: "up", peer: "by hand" });
    if (cursor === null) {
      this.#session = this.#options.forgets === true ? this.#said : this.#oldest;
      await this.#take({ items: this.#lastValues(0, this.#session), ...this.#at(this.#session), caughtUp: this.#options.forgets === true, sourceNow: unixMs(this.#now) });
      return;
    }
    const next = Number(cursor["next"]);
    if (cursor["instance"] === this.#instance && next >= this.#oldest && next <= this.#said) {
      this.#session = next;
      return;
    }
    await this.#recover(cursor);
  }

  /** As protocols/mtconnect does: a gap, and the values as of what is left. */
  async #recover(cursor: Cursor): Promise<void> {
    const { readings } = this.#options;
    const overrun = cursor["instance"] === this.#instance;
    const first = this.#oldest;
    const to = readings[first]?.sourceTime ?? unixMs(this.#now);
    const seen = cursor["seen"];
    this.#session = first;
    await this.#take({
      items: [
        { kind: "gap", reason: overrun ? "position-jump" : "source-restarted", ...(typeof seen === "number" && { from: unixMs(seen), ...(to >= seen && { to }) }), ...(overrun && { missing: first - Number(cursor["next"]) }) },
        ...this.#lastValues(this.#base, first),
      ],
      ...this.#at(first), caughtUp: false, sourceNow: unixMs(this.#now),
    });
  }

  /** What was so before reading `end`, of those from `begin` on. */
  #lastValues(begin: number, end: number): readonly Reading[] {
    const last = new Map<string, Reading>();
    for (const one of this.#options.readings.slice(begin, end)) last.set(`${one.signal}|${one.item ?? ""}|${one.path ?? ""}`, one);
    return [...last.values()].map((one): Reading => ({ ...one, initial: true }));
  }

  #at(next: number): { readonly cursor?: Cursor } {
    if (this.#options.forgets === true) return {};
    const caughtUp = next === this.#said;
    return { cursor: { instance: this.#instance, next, seen: caughtUp ? this.#now : (this.#options.readings[next - 1]?.sourceTime ?? null) } };
  }

  async #take(batch: Batch): Promise<void> {
    // Through text, as from a device: what the detectors keep of it shares nothing with what they are given again.
    await this.#machine.take(JSON.parse(JSON.stringify(batch)) as Batch);
    this.#noted();
  }

  #noted(): void {
    const { complete } = this.#machine.status();
    if (complete !== null) this.promises.push(complete);
  }
}

/** What a bridge holds at last: id → body of the last revision, void ones and what is of the run aside (design.md P1). */
export function held(rows: readonly Row[], { withConnections = false } = {}): Map<string, string> {
  const last = new Map<string, NewRecord>();
  for (const { record } of rows) if ((last.get(record.id)?.rev ?? 0) < record.rev) last.set(record.id, record);
  const bodies = [...last.values()].filter(({ type, body }) => body.status !== "void" && (withConnections || (type !== "connection" && type !== "loss" && type !== "receipt")));
  return new Map(bodies.map(({ id, type, body }) => [id, `${type} ${JSON.stringify(body)}`]));
}

/** What contradicts design.md §1 and §5.3 within one run, in words. */
export function faults({ ledger: { rows }, promises }: Run): string[] {
  const found: string[] = [];
  const texts = new Map<string, string>();
  const revisions = new Map<string, number>();
  rows.forEach(({ record: { id, rev, type, body }, late }, index) => {
    const text = JSON.stringify(body);
    const key = `${id}:${rev}`;
    if ((texts.get(key) ?? text) !== text) found.push(`two bodies of ${type} ${key}`);
    texts.set(key, text);
    const before = revisions.get(id) ?? 0;
    if (rev > before + 1) found.push(`${type} ${id} goes from revision ${before} to ${rev}`);
    revisions.set(id, Math.max(before, rev));
    if (before > 0 || late || body.end === null) return;
    const broken = promises.find(({ time, seq }) => seq < index + 1 && body.end !== null && body.end <= rfc3339(time));
    if (broken) found.push(`${type} ${id} ends at ${body.end}, and ${rfc3339(broken.time)} was promised with row ${broken.seq}, before row ${index + 1}`);
  });
  return found;
}
