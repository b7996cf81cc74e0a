/**
 * What every outbox must do, shown against a small model: random commits, deliveries, refusals, closes and crashes, with
 * the same answers from both at every step. A crash may forget acknowledgements, never a row that was reported stored.
 */
import { expect } from "vitest";
import type { Commit, Outbox } from "../../agent/contract/outbox.ts";
import type { RecordType } from "../../agent/contract/record.ts";

export interface Subject {
  readonly outbox: Outbox;
  /** Ends it without its cooperation and opens it again on what is on the disk. */
  crash(): Promise<Outbox>;
  reopen(): Promise<Outbox>;
}
export interface Filter { readonly name: string; readonly types?: readonly RecordType[] }
interface Row { readonly seq: number; readonly id: string; readonly type: RecordType; readonly body: string }

/** The outbox in forty lines: arrays and sets. */
class Model {
  rows: Row[] = [];
  checkpoints = new Map<string, string>();
  readonly settled = new Map<string, Set<number>>();
  readonly filters: readonly Filter[];
  constructor(filters: readonly Filter[]) {
    this.filters = filters;
    for (const { name } of filters) this.settled.set(name, new Set());
  }
  commit({ records, checkpoint }: Commit): number {
    for (const { id, type, body } of records) this.rows.push({ seq: this.rows.length + 1, id, type, body: JSON.stringify(body) });
    if (checkpoint?.json) this.checkpoints.set(checkpoint.key, checkpoint.json);
    return this.rows.length;
  }
  due(name: string): readonly (Row & { readonly prev: number })[] {
    const types = this.filters.find((filter) => filter.name === name)?.types;
    let prev = 0;
    return this.rows.filter(({ type }) => !types || type === "loss" || types.includes(type)).map((row) => {
      const linked = { ...row, prev };
      prev = row.seq;
      return linked;
    });
  }
  pending(name: string, after: number, limit: number): readonly (Row & { readonly prev: number })[] {
    return this.due(name).filter(({ seq }) => seq > after && !this.settled.get(name)?.has(seq)).slice(0, limit);
  }
  settle(name: string, seqs: readonly number[]): void {
    for (const seq of seqs) this.settled.get(name)?.add(seq);
  }
  /** After a crash acknowledgements may be forgotten, from some row of the destination's chain on; which, the subject says. */
  forgetAcknowledgements(name: string, from: number): void {
    this.settled.set(name, new Set(this.due(name).map(({ seq }) => seq).filter((seq) => seq < from)));
  }
}

export type Step =
  | { readonly kind: "commit"; readonly commits: readonly Commit[] }
  | { readonly kind: "settle"; readonly destination: number; readonly picks: readonly boolean[] }
  | { readonly kind: "crash" } | { readonly kind: "reopen" };

export async function followModel(subject: Subject, filters: readonly Filter[], steps: readonly Step[]): Promise<void> {
  const model = new Model(filters);
  let outbox = subject.outbox;
  const { epoch } = outbox;
  for (const step of steps) {
    if (step.kind === "commit") {
      const stored = Promise.all(step.commits.map((commit) => outbox.commit(commit)));
      expect(await stored).toEqual(step.commits.map((commit) => model.commit(commit)));
    } else if (step.kind === "settle") {
      const { name } = filters[step.destination % filters.length] ?? { name: "" };
      const chosen = model.pending(name, 0, step.picks.length).filter((_, i) => step.picks[i]).map(({ seq }) => seq).reverse();
      outbox.settle(name, { accepted: chosen, rejected: [] });
      model.settle(name, chosen);
    } else {
      outbox = await (step.kind === "crash" ? subject.crash() : subject.reopen());
      for (const { name } of filters) {
        const [first] = outbox.pending(name, 0, 1);
        const [expected] = model.pending(name, 0, 1);
        // Never past what is not settled; a clean close forgets only what was settled ahead of the cursor.
        expect(first?.seq ?? Infinity).toBeLessThanOrEqual(expected?.seq ?? Infinity);
        if (step.kind === "reopen") expect(first?.seq).toBe(expected?.seq);
        model.forgetAcknowledgements(name, first?.seq ?? Infinity);
      }
    }
    agree(outbox, model, epoch);
  }
}

function agree(outbox: Outbox, model: Model, epoch: string): void {
  expect(outbox.epoch).toBe(epoch);
  const status = outbox.status();
  expect([status.lastSeq, status.syncedSeq, status.fault]).toEqual([model.rows.length, model.rows.length, null]);
  for (const { name } of model.filters) {
    const rows = outbox.pending(name, 0, 1_000).map(({ seq, prev, id, type, body }) => ({ seq, id, type, body, prev }));
    expect(rows).toEqual(model.pending(name, 0, 1_000));
    expect(status.destinations.find((destination) => destination.name === name)?.waiting).toBe(rows.length);
    const middle = rows[Math.floor(rows.length / 2)]?.seq ?? 0;
    expect(outbox.pending(name, middle, 3).map(({ seq }) => seq)).toEqual(model.pending(name, middle, 3).map(({ seq }) => seq));
  }
  for (const [key, json] of model.checkpoints) expect(outbox.checkpoint(key)).toBe(json);
}
