/**
 * What arrived at the broker, as a bridge keeps it: the last revision of each record, by the exact text of its `data`;
 * and what contradicts design.md §1 and §5.3 on the way. Shares no code with the agent.
 */
interface Kept {
  readonly type: string;
  readonly rev: number;
  readonly data: string;
}
interface Event {
  readonly id: string;
  readonly type: string;
  readonly epoch: string;
  readonly seq: number;
  readonly prev: number;
  readonly late?: boolean;
  readonly replay?: boolean;
  readonly data: { readonly recordId: string; readonly rev: number; readonly end: string | null };
}
interface Heartbeat {
  readonly completeThrough?: Readonly<Record<string, Readonly<Record<string, { readonly time: string; readonly epoch: string; readonly seq: number }>>>>;
}
interface Row {
  readonly id: string;
  readonly prev: number;
  /** When what it describes ended, of first revisions not marked late: what `completeThrough` promises something of. */
  readonly end: string | null;
}

/** Of the run, not of what is described (design.md P1). */
const OF_THE_RUN = new Set(["io.cellgate.connection.v1", "io.cellgate.loss.v1", "io.cellgate.receipt.v1"]);
const FAULTS_KEPT = 20;

export class Arrived {
  /** Messages, repeats included. */
  messages = 0;
  /** `performance.now()` of the newest. */
  newestMs = performance.now();
  readonly records = new Map<string, Kept>();
  readonly faults: string[] = [];
  readonly #texts = new Map<string, string>();
  readonly #rows = new Map<string, Map<number, Row>>();
  readonly #promises: { readonly time: string; readonly epoch: string; readonly seq: number }[] = [];
  readonly #newest = new Map<string, number>();

  take(text: string): void {
    this.messages += 1;
    this.newestMs = performance.now();
    const event = JSON.parse(text) as Event;
    const { recordId, rev } = event.data;
    const data = text.slice(text.indexOf(',"data":') + ',"data":'.length, -1);
    const known = this.#texts.get(event.id);
    if (known !== undefined && known !== data) this.#fault(`two bodies under one id and revision ${event.id}:\n    ${known}\n    ${data}`);
    this.#texts.set(event.id, data);
    if (event.id !== `${recordId}:${rev}`) this.#fault(`${event.id} carries revision ${rev} of ${recordId}`);
    if ((this.records.get(recordId)?.rev ?? 0) < rev) this.records.set(recordId, { type: event.type, rev, data });
    this.#row(event);
  }

  /** The agent's retained heartbeat. */
  heard(text: string): void {
    const { completeThrough = {} } = JSON.parse(text) as Heartbeat;
    for (const machines of Object.values(completeThrough)) this.#promises.push(...Object.values(machines));
  }

  #row({ epoch, seq, prev, id, late, replay, data }: Event): void {
    const rows = this.#rows.get(epoch) ?? new Map<number, Row>();
    this.#rows.set(epoch, rows);
    const before = rows.get(seq);
    if (before && (before.id !== id || before.prev !== prev)) this.#fault(`row ${seq} was ${before.id} after ${before.prev}, and is ${id} after ${prev}`);
    if (before && replay !== true) this.#fault(`row ${seq} came again, and does not say that it is a replay`);
    // What comes for the first time comes in order: whoever repeats begins with the oldest that was not acknowledged.
    const newest = this.#newest.get(epoch) ?? 0;
    if (!before && seq < newest) this.#fault(`row ${seq} came for the first time after row ${newest}`);
    if (!before) rows.set(seq, { id, prev, end: data.rev === 1 && late !== true ? data.end : null });
    this.#newest.set(epoch, Math.max(newest, seq));
  }

  /** Last row of the one epoch there should be, with every row before it here. Call when all has arrived. */
  lastRow(): number {
    if (this.#rows.size !== 1) this.#fault(`${this.#rows.size} epochs instead of one: the buffer file was lost or replaced`);
    let last = 0;
    for (const rows of this.#rows.values()) {
      last = Math.max(0, ...rows.keys());
      for (let seq = last; seq > 0;) {
        const row = rows.get(seq);
        if (!row) this.#fault(`row ${seq} is missing`);
        seq = row?.prev ?? seq - 1;
      }
    }
    this.#keptPromises();
    return last;
  }

  /** Whoever held the chain through `seq` got no further first revision that ended at or before `time`. */
  #keptPromises(): void {
    for (const { time, epoch, seq: through } of this.#promises)
      for (const [seq, { id, end }] of this.#rows.get(epoch) ?? [])
        if (seq > through && end !== null && end <= time) this.#fault(`row ${seq} (${id}) ends at ${end}, and completeThrough promised ${time} with row ${through}`);
  }

  #fault(words: string): void {
    if (this.faults.length < FAULTS_KEPT) this.faults.push(words);
  }
}

export interface Comparison {
  /** Records of the uninterrupted run, and how many of them the other holds byte for byte. */
  readonly expected: number;
  readonly identical: number;
  /** Missing, different or surplus; in words. */
  readonly differences: readonly string[];
}

export function compare(uninterrupted: Arrived, killed: Arrived): Comparison {
  const [one, other] = [uninterrupted.records, killed.records].map((records) => new Map([...records].filter(([, { type }]) => !OF_THE_RUN.has(type)))) as [Map<string, Kept>, Map<string, Kept>];
  const differences: string[] = [];
  let identical = 0;
  for (const [id, { data }] of one) {
    const found = other.get(id);
    if (found?.data === data) identical += 1;
    else differences.push(found ? `different:\n    ${data}\n    ${found.data}` : `missing after the kills:\n    ${data}`);
  }
  for (const [id, { data }] of other) if (!one.has(id)) differences.push(`only after the kills:\n    ${data}`);
  return { expected: one.size, identical, differences };
}
