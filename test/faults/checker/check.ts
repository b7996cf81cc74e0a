/**
 * The promise of delivery (design.md §1 P2, §5.3), checked from what was said and what arrived. For each destination:
 *   stored      every row reported stored and due was received, or is covered by exactly one loss record
 *   one body    no (id, revision) with two `data`, over all destinations and epochs
 *   order       first transmissions of a machine come in the order of their numbers, within a connection
 *   repeats     a row that comes again says so, whatever happened between
 *   chain       every `prev` is explained: received, or covered by a loss; nothing that is due lies between
 *   one row     (epoch, seq) names one row, and always the same one before it
 *   counted     a loss counts no fewer rows than are missing in its range, and (`exact`) no more than were due there
 * Shares no code with the agent.
 */
import { covers, lossesOf, type Loss } from "./losses.ts";
import type { ReceivedEvent, StoredRow } from "./logs.ts";

export interface Due {
  readonly name: string;
  /** Types due to it; null: all. Loss records always are. */
  readonly types: readonly string[] | null;
}
export interface Evidence {
  readonly destinations: readonly Due[];
  readonly stored: readonly StoredRow[];
  readonly received: readonly ReceivedEvent[];
  /**
   * Every row was written down when it was stored, because nothing was killed: then nothing else may arrive, and losses
   * are counted exactly. False: a kill may have come between the two.
   */
  readonly exact: boolean;
  /** Ids of which one revision must have arrived everywhere it is due, whatever became of rows: what the source told, by type. */
  readonly expected?: readonly { readonly id: string; readonly type: string }[];
}
export interface Verdict {
  readonly violations: readonly string[];
  /** Violations beyond those kept in words. */
  readonly more: number;
  /** Distinct rows reported stored; messages; rows due and not received, but covered by a loss; messages that came again. */
  readonly stored: number;
  readonly messages: number;
  readonly covered: number;
  readonly repeats: number;
}

const KEPT = 30;

export function check(evidence: Evidence): Verdict {
  const run = new Check(evidence);
  for (const due of evidence.destinations) run.destination(due);
  run.oneBody();
  return run.verdict();
}

interface Row {
  readonly id: string;
  readonly prev: number;
  readonly type: string;
}
const keyOf = (epoch: string, seq: number): string => `${epoch} ${seq}`;
const isDue = ({ types }: Due, type: string): boolean => types === null || type === "loss" || types.includes(type);

class Check {
  readonly #evidence: Evidence;
  readonly #violations: string[] = [];
  #more = 0;
  #covered = 0;
  #repeats = 0;
  readonly #stored = new Map<string, StoredRow>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
    for (const row of evidence.stored) {
      const known = this.#stored.get(keyOf(row.epoch, row.seq));
      if (known && (known.id !== row.id || known.rev !== row.rev)) this.#wrong(`row ${row.seq} was reported stored as ${known.id}:${known.rev} and as ${row.id}:${row.rev}`);
      this.#stored.set(keyOf(row.epoch, row.seq), row);
    }
  }

  destination(due: Due): void {
    const events = this.#evidence.received.filter(({ destination }) => destination === due.name);
    const losses = lossesOf(due.name, events);
    const rows = this.#rowsOf(due, events);
    this.#order(due, events);
    const held = new Set(events.map(({ id, rev }) => `${id}:${rev}`));
    const mayRefuse = losses.some(({ destination, reason }) => destination !== null && reason === "refused");
    for (const row of this.#stored.values()) {
      if (!isDue(due, row.type) || rows.has(keyOf(row.epoch, row.seq)) || held.has(`${row.id}:${row.rev}`)) continue;
      this.#explained(due, losses, row, "was reported stored");
      const covering = losses.filter((loss) => covers(loss, row));
      // What counts no row as lost says that they come under other numbers. Refused there once more, they are named there.
      if (!mayRefuse && covering.length > 0 && covering.every(({ count }) => count === 0)) this.#wrong(`${due.name}: row ${row.seq} of ${row.epoch.slice(0, 8)} was to come under another number, and did not`);
    }
    this.#chain(due, rows, losses);
    for (const loss of losses) this.#counted(due, loss, rows, held);
    const ids = new Set(events.map(({ id }) => id));
    for (const { id, type } of this.#evidence.expected ?? [])
      if (losses.length === 0 && isDue(due, type) && !ids.has(id)) this.#wrong(`${due.name}: ${type} ${id} never arrived, and no loss is recorded`);
    if (this.#evidence.exact) for (const [key, row] of rows) if (row.type !== "loss" && !this.#stored.has(key)) this.#wrong(`${due.name}: row ${key} arrived and was never reported stored`);
  }

  oneBody(): void {
    const bodies = new Map<string, string>();
    for (const { id, rev, data, destination } of this.#evidence.received) {
      const known = bodies.get(`${id}:${rev}`);
      if (known !== undefined && known !== data) this.#wrong(`${destination}: two bodies under ${id}:${rev}:\n    ${known}\n    ${data}`);
      bodies.set(`${id}:${rev}`, known ?? data);
    }
  }

  verdict(): Verdict {
    return {
      violations: this.#violations, more: this.#more, stored: this.#stored.size, messages: this.#evidence.received.length,
      covered: this.#covered, repeats: this.#repeats,
    };
  }

  /** What arrived, by row; says when one number named two. */
  #rowsOf(due: Due, events: readonly ReceivedEvent[]): ReadonlyMap<string, Row> {
    const rows = new Map<string, Row>();
    for (const { epoch, seq, prev, id, rev, type, replay, connection } of events) {
      const key = keyOf(epoch, seq);
      const name = `${id}:${rev}`;
      const known = rows.get(key);
      if (known) this.#repeats++;
      if (known && !replay) this.#wrong(`${due.name}: row ${seq} came again, in connection ${connection}, without saying that it is a replay`);
      if (known && (known.id !== name || known.prev !== prev)) this.#wrong(`${due.name}: row ${seq} was ${known.id} after ${known.prev}, and is ${name} after ${prev}`);
      const stored = this.#stored.get(key);
      if (stored && `${stored.id}:${stored.rev}` !== name) this.#wrong(`${due.name}: row ${seq} was stored as ${stored.id}:${stored.rev}, and arrived as ${name}`);
      if (!isDue(due, type)) this.#wrong(`${due.name}: row ${seq} is a ${type}, which is not due to it`);
      if (!known) rows.set(key, { id: name, prev, type });
    }
    return rows;
  }

  #order(due: Due, events: readonly ReceivedEvent[]): void {
    const last = new Map<string, number>();
    for (const { replay, connection, epoch, source, seq } of events) {
      if (replay) continue;
      const key = `${connection} ${epoch} ${source}`;
      const before = last.get(key) ?? 0;
      if (seq <= before) this.#wrong(`${due.name}: row ${seq} of ${source} came after row ${before} in connection ${connection}, without saying that it is a replay`);
      last.set(key, Math.max(before, seq));
    }
  }

  #chain(due: Due, rows: ReadonlyMap<string, Row>, losses: readonly Loss[]): void {
    const byEpoch = new Map<string, number[]>();
    for (const key of rows.keys()) {
      const [epoch = "", seq = "0"] = key.split(" ");
      const numbers = byEpoch.get(epoch) ?? [];
      numbers.push(Number(seq));
      byEpoch.set(epoch, numbers);
    }
    for (const [epoch, numbers] of byEpoch) {
      numbers.sort((a, b) => a - b);
      let before = 0;
      for (const seq of numbers) {
        const prev = rows.get(keyOf(epoch, seq))?.prev ?? 0;
        if (prev >= seq) this.#wrong(`${due.name}: row ${seq} says that row ${prev} is before it`);
        if (prev < before) this.#wrong(`${due.name}: row ${seq} says that ${prev} is the one before it, but ${before} arrived and lies between`);
        if (prev > before) this.#explained(due, losses, { epoch, seq: prev, type: this.#stored.get(keyOf(epoch, prev))?.type ?? null }, `is before row ${seq}`);
        // Without a filter every number is due.
        if (due.types === null && before > 0) for (let hole = before + 1; hole < prev; hole++) this.#explained(due, losses, { epoch, seq: hole, type: this.#stored.get(keyOf(epoch, hole))?.type ?? null }, `lies before row ${seq}`);
        before = seq;
      }
    }
  }

  /** A row that is not here: exactly one loss must say so. What is told of a whole file (destination null) stands back where a destination's own loss names the row. */
  #explained(due: Due, losses: readonly Loss[], row: { readonly epoch: string; readonly seq: number; readonly type: string | null }, why: string): void {
    const all = losses.filter((loss) => covers(loss, row));
    const own = all.filter(({ destination }) => destination !== null);
    const covering = own.length > 0 ? own : all;
    const key = `${due.name} ${row.epoch} ${row.seq}`;
    if (this.#explainedRows.has(key)) return;
    this.#explainedRows.add(key);
    const what = `${due.name}: row ${row.seq} of ${row.epoch.slice(0, 8)} (${row.type ?? "type unknown"}) ${why}`;
    // A row whose type we do not know may lie in the ranges of several classes.
    if (covering.length === 0) this.#wrong(`${what}, did not arrive, and no loss covers it`);
    else if (covering.length > 1 && row.type !== null) this.#wrong(`${what}, and ${covering.length} losses cover it: ${covering.map(({ id, rev }) => `${id}:${rev}`).join(", ")}`);
    else this.#covered++;
  }
  readonly #explainedRows = new Set<string>();

  #counted(due: Due, loss: Loss, rows: ReadonlyMap<string, Row>, held: ReadonlySet<string>): void {
    if (loss.count === null) return;
    const sum = [...loss.byType.values()].reduce((total, count) => total + count, 0);
    if (loss.byType.size > 0 && sum !== loss.count) this.#wrong(`${due.name}: the loss ${loss.id}:${loss.rev} counts ${loss.count} rows, and ${sum} by type`);
    const [dueThere, missing] = [new Map<string, number>(), new Map<string, number>()];
    for (const row of this.#stored.values()) {
      if (!isDue(due, row.type) || !covers(loss, row)) continue;
      dueThere.set(row.type, (dueThere.get(row.type) ?? 0) + 1);
      if (!rows.has(keyOf(row.epoch, row.seq)) && !held.has(`${row.id}:${row.rev}`)) missing.set(row.type, (missing.get(row.type) ?? 0) + 1);
    }
    for (const [type, count] of loss.byType) {
      if (count < (missing.get(type) ?? 0)) this.#wrong(`${due.name}: the loss ${loss.id}:${loss.rev} counts ${count} rows of ${type}, and ${missing.get(type) ?? 0} are missing in its range`);
      if (this.#evidence.exact && type !== "loss" && count > (dueThere.get(type) ?? 0)) this.#wrong(`${due.name}: the loss ${loss.id}:${loss.rev} counts ${count} rows of ${type}, and only ${dueThere.get(type) ?? 0} were due in its range`);
    }
  }

  #wrong(words: string): void {
    if (this.#violations.length < KEPT) this.#violations.push(words);
    else this.#more++;
  }
}
