/**
 * What every outbox must do, shown against a small model that shares nothing with it: random commits, deliveries,
 * refusals, confirmations, replays, dead letters, closes and crashes, in a room too small for all of it. What is given up
 * is the outbox's choice; that it is told, once, is checked:
 *
 *   for every destination: due = settled ∪ still to be delivered ∪ covered by exactly one loss record (its last revision)
 *
 * and where a bridge confirms, what it has not confirmed is kept or covered. A crash may forget acknowledgements,
 * confirmations and wishes for repeats, never a row that was reported stored, nor a loss. The model holds what can still
 * change; rows that have left the outbox, settled or covered, are forgotten by it too.
 */
import { expect } from "vitest";
import type { Commit, DestinationBacklog, LedgerRow, Outbox, StoredRecord } from "../../agent/contract/outbox.ts";
import type { RecordType } from "../../agent/contract/record.ts";

export interface Subject {
  readonly outbox: Outbox;
  /** Ends it without its cooperation and opens it again on what is on the disk. */
  crash(): Promise<Outbox>;
  reopen(): Promise<Outbox>;
}
export interface ModelDestination {
  readonly name: string;
  readonly types?: readonly RecordType[];
  readonly confirm?: boolean;
}
/** `picks`: what happens to the first rows that there are. */
export type Pick = "leave" | "accept" | "refuse";
export type Step =
  | { readonly kind: "commit"; readonly commits: readonly Commit[] }
  | { readonly kind: "settle" | "resend"; readonly destination: number; readonly picks: readonly Pick[] }
  /** `back`: how many rows before the last settled one; below 0: beyond all that was sent. */
  | { readonly kind: "confirm"; readonly destination: number; readonly back: number; readonly isOtherEpoch: boolean }
  | { readonly kind: "replay"; readonly destination: number; readonly back: number; readonly rows: number }
  | { readonly kind: "release" | "purge"; readonly pick: number }
  | { readonly kind: "crash" | "reopen" };

interface Row { readonly seq: number; readonly id: string; readonly type: RecordType; readonly body: string }
interface DueRow extends Row { readonly prev: number }
interface LossTold { readonly row: number; readonly rev: number; readonly destination: string | null; readonly status: string; readonly reason: string; readonly fromSeq: number; readonly toSeq: number; readonly count: number; readonly byType: Readonly<Record<string, number>> }

/** One destination's half of the model. */
class Side {
  readonly name: string;
  readonly confirm: boolean;
  readonly #types: readonly RecordType[] | undefined;
  /** Due, and not yet forgotten by the outbox. */
  due: DueRow[] = [];
  dueEver = 0;
  #last = 0;
  settled = new Set<number>();
  refused = new Set<number>();
  /** Taken by hand from the dead letters, not yet sent again; and loss records that were refused: they are never dead. */
  released = new Set<number>();
  /** What became of these may not be on the disk yet: a crash makes them released again. */
  lately = new Set<number>();
  /** Loss records refused since, and those of which a crash may have forgotten it: they may only be asked for again. */
  refusedLately = new Set<number>();
  unsure = new Set<number>();
  /** All of it is on the disk. */
  stored(): void {
    this.lately.clear();
    this.refusedLately.clear();
  }
  again = new Set<number>();
  confirmed: number | null = null;
  /** Gone, acknowledged, before it began to confirm: no loss. */
  before: ReadonlySet<number> = new Set();

  constructor({ name, types, confirm }: ModelDestination) {
    this.name = name;
    this.confirm = confirm ?? false;
    this.#types = types;
  }
  add(row: Row): void {
    if (this.#types && row.type !== "loss" && !this.#types.includes(row.type)) return;
    this.due.push({ ...row, prev: this.#last });
    this.#last = row.seq;
    this.dueEver++;
  }
  get isConfirming(): boolean { return this.confirm || this.confirmed !== null; }
  row(seq: number): DueRow | undefined {
    let [low, high] = [0, this.due.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const row = this.due[middle];
      if (!row || row.seq === seq) return row;
      if (row.seq < seq) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }
}

class Model {
  readonly sides: readonly Side[];
  readonly checkpoints = new Map<string, string>();
  readonly losses = new Map<string, LossTold>();
  readonly #rows = new Map<number, Row>();
  /** Loss records whose next revision spans them: one that was refused may be let go. */
  readonly replaced = new Set<number>();
  lastSeq = 0;

  constructor(destinations: readonly ModelDestination[]) {
    this.sides = destinations.map((destination) => new Side(destination));
  }
  side(name: string): Side {
    const side = this.sides.find((one) => one.name === name);
    if (!side) throw new Error(`no destination ${name}`);
    return side;
  }
  /** Rows as the outbox numbers them: ours, and between them the loss records it adds. */
  add(row: Row): void {
    if (row.seq !== this.lastSeq + 1) throw new Error(`row ${row.seq} follows row ${this.lastSeq}`);
    this.lastSeq = row.seq;
    this.#rows.set(row.seq, row);
    for (const side of this.sides) side.add(row);
  }
  known(seq: number): Row | undefined {
    return this.#rows.get(seq);
  }
  noteLoss({ seq, id, rev, body }: LedgerRow): void {
    const told = JSON.parse(body) as Omit<LossTold, "row" | "rev">;
    const before = this.losses.get(id);
    if (before && (before.rev > rev || (before.rev === rev && before.row > seq))) return;
    if (before && before.row < seq && told.status !== "void" && told.fromSeq <= before.row && before.row <= told.toSeq) this.replaced.add(before.row);
    this.losses.set(id, { ...told, row: seq, rev });
  }
  /** For rows asked for in order, from `from` on: only losses around a row are looked at, or rows and losses of a long run would multiply. */
  covering(name: string, from: number): (row: Row) => readonly LossTold[] {
    const all = [...this.losses.values()].filter((loss) => loss.destination === name && loss.status !== "void" && loss.toSeq >= from).sort((one, other) => one.fromSeq - other.fromSeq);
    let around: readonly LossTold[] = [];
    let begun = 0;
    return ({ seq, type }) => {
      const before = begun;
      while ((all[begun]?.fromSeq ?? Infinity) <= seq) begun++;
      if (begun > before || around.some(({ toSeq }) => toSeq < seq)) around = [...around, ...all.slice(before, begun)].filter(({ toSeq }) => toSeq >= seq);
      return around.filter(({ byType }) => byType[type] !== undefined);
    };
  }
  forget(before: number): void {
    for (const seq of this.#rows.keys()) {
      if (seq >= before) break;
      this.#rows.delete(seq);
      this.replaced.delete(seq);
    }
  }
}

const EVERYTHING = 1_000_000;
const CHECK_EVERY = 25;

/** Follows the steps; everything is compared now and then, and at the end. Returns what was seen, so that a test can say it saw enough. */
export async function followModel(subject: Subject, destinations: readonly ModelDestination[], steps: Iterable<Step>): Promise<{ readonly lost: number; readonly losses: number; readonly voided: number }> {
  const model = new Model(destinations);
  const walk: Walk = { model, subject, outbox: subject.outbox, epoch: subject.outbox.epoch, seen: 0 };
  let n = 0;
  for (const step of steps) {
    await take(walk, step);
    expect(walk.outbox.epoch).toBe(walk.epoch);
    if (++n % CHECK_EVERY === 0) await agree(walk);
  }
  await agree(walk);
  const told = [...model.losses.values()];
  return { lost: told.reduce((sum, { count }) => sum + count, 0), losses: told.length, voided: told.filter(({ status }) => status === "void").length };
}

interface Walk {
  readonly model: Model;
  readonly subject: Subject;
  readonly epoch: string;
  outbox: Outbox;
  /** Last row of the ledger that the model knows. */
  seen: number;
}

async function take(walk: Walk, step: Step): Promise<void> {
  const { model, subject } = walk;
  if (step.kind === "commit") {
    await Promise.all(step.commits.map((commit) => walk.outbox.commit(commit)));
    for (const side of model.sides) side.stored();
    for (const { checkpoint } of step.commits) if (checkpoint?.json) model.checkpoints.set(checkpoint.key, checkpoint.json);
    learn(walk);
  } else if (step.kind === "settle" || step.kind === "resend") settle(walk, step);
  else if (step.kind === "confirm") confirm(walk, step);
  else if (step.kind === "replay") replay(walk, step);
  else if (step.kind === "release" || step.kind === "purge") await bury(walk, step);
  else {
    if (step.kind === "reopen") learn(walk);
    walk.outbox = await (step.kind === "crash" ? subject.crash() : subject.reopen());
    learn(walk);
    adopt(walk, step.kind === "reopen");
  }
}

/** Takes over what the outbox has added to the ledger. */
function learn(walk: Walk): void {
  for (const row of walk.outbox.history(walk.seen, EVERYTHING)) {
    const { seq, id, type, body } = row;
    // A loss record that nobody had seen may be written over, but never moves.
    walk.model.add({ seq, id, type, body });
    if (type === "loss") walk.model.noteLoss(row);
    walk.seen = seq;
  }
}

function settle({ model, outbox }: Walk, step: Step & { readonly kind: "settle" | "resend" }): void {
  const side = model.sides[step.destination % model.sides.length];
  if (!side) return;
  const rows = step.kind === "settle" ? outbox.pending(side.name, 0, step.picks.length) : outbox.replaying(side.name, 0, step.picks.length);
  check(side, rows, step.kind === "resend");
  // One that nobody had seen may have been written over; once it has been told it may be given up too.
  for (const row of rows) if (row.type === "loss") model.noteLoss(row);
  const chosen = rows.flatMap(({ seq }, index) => {
    const pick = step.picks[index] ?? "leave";
    return pick === "leave" ? [] : [{ seq, pick }];
  }).reverse();
  const of = (pick: Pick): readonly number[] => chosen.filter((one) => one.pick === pick).map(({ seq }) => seq);
  outbox.settle(side.name, { accepted: of("accept"), rejected: of("refuse").map((seq) => ({ seq, reason: "0x87 not authorized" })) });
  for (const { seq, pick } of chosen) {
    side.settled.add(seq);
    side.again.delete(seq);
    if (side.released.delete(seq)) side.lately.add(seq);
    side.unsure.delete(seq);
    if (pick === "refuse" && side.row(seq)?.type === "loss") {
      side.released.add(seq);
      side.refusedLately.add(seq);
    } else if (pick === "refuse") side.refused.add(seq);
  }
}
/** Every row handed out is due, whole, in its place, in order, and not done with. */
function check(side: Side, rows: readonly StoredRecord[], isAgain: boolean): void {
  let before = 0;
  for (const { seq, id, type, prev, body } of rows) {
    const due = side.row(seq);
    const what = (): string => `row ${seq} of ${side.name}, ${marks(side, seq)}`;
    demand(seq > before, () => `${what()} comes after row ${before}`);
    demand(due !== undefined && due.id === id && due.type === type && due.prev === prev && (type === "loss" || due.body === body), () => `${what()} is ${JSON.stringify({ id, type, prev, body })} and should be ${JSON.stringify(due)}`);
    demand((side.settled.has(seq) && !side.released.has(seq)) === (isAgain && !side.released.has(seq)), () => `${what()} is handed out${isAgain ? " again" : ""}`);
    before = seq;
  }
}
function confirm({ model, outbox, epoch }: Walk, step: Step & { readonly kind: "confirm" }): void {
  const side = model.sides[step.destination % model.sides.length];
  if (!side) return;
  if (step.isOtherEpoch || step.back < 0) {
    const [of, through, why] = step.isOtherEpoch ? ["another", 1, "epoch"] : [epoch, model.lastSeq - step.back, "never sent"];
    expect(outbox.confirm(side.name, of, through)).toMatchObject({ ok: false, reason: expect.stringContaining(why) as string });
    return;
  }
  const held = side.due.filter(({ seq }) => side.settled.has(seq));
  const through = held.at(-1 - step.back)?.seq;
  // A bridge says so only when it holds everything due up to there: what it refused or was told lost it does not wait for.
  if (through === undefined || outbox.pending(side.name, 0, 1).some(({ seq }) => seq <= through) || [...side.released].some((seq) => side.row(seq)?.type !== "loss")) return;
  if (!side.isConfirming) {
    const kept = new Set(outbox.history(0, EVERYTHING).map(({ seq }) => seq));
    side.before = new Set(side.due.flatMap(({ seq }) => (kept.has(seq) ? [] : [seq])));
  }
  expect(outbox.confirm(side.name, epoch, through).ok).toBe(true);
  side.confirmed = Math.max(side.confirmed ?? 0, through);
}
function replay({ model, outbox, epoch }: Walk, step: Step & { readonly kind: "replay" }): void {
  const side = model.sides[step.destination % model.sides.length];
  const to = side?.due.filter(({ seq }) => side.settled.has(seq)).at(-1 - step.back)?.seq;
  if (!side || to === undefined) return;
  const from = Math.max(1, to - step.rows);
  if (!outbox.replay(side.name, epoch, from, to).ok) return;
  const kept = new Set(outbox.history(from - 1, to - from + 1).map(({ seq }) => seq));
  for (const { seq } of side.due) if (seq >= from && seq <= to && side.settled.has(seq) && kept.has(seq)) side.again.add(seq);
}
async function bury(walk: Walk, step: Step & { readonly kind: "release" | "purge" }): Promise<void> {
  const { model } = walk;
  const letters = walk.outbox.deadLetters(50);
  const letter = letters[step.pick % Math.max(1, letters.length)];
  if (!letter) return;
  if (step.kind === "purge") {
    expect(walk.outbox.purge(letter.destination, letter.fromSeq).ok).toBe(true);
    return;
  }
  const kept = new Set(walk.outbox.history(letter.fromSeq - 1, letter.toSeq - letter.fromSeq + 1).map(({ seq }) => seq));
  const answer = walk.outbox.release(letter.destination, letter.fromSeq);
  if (!answer.ok) return;
  const side = model.side(letter.destination);
  for (const seq of side.refused) if (seq >= letter.fromSeq && seq <= letter.toSeq && kept.has(seq)) {
    side.refused.delete(seq);
    side.released.add(seq);
  }
  await walk.outbox.commit({ machine: null, context: "{}", records: [], checkpoint: null, observedAt: 0 as Commit["observedAt"] });
  learn(walk);
}

/** After the end of a process: what the outbox still knows of acknowledgements may be less than was said, never more. */
function adopt({ model, outbox }: Walk, isClean: boolean): void {
  for (const side of model.sides) {
    const status = statusOf(outbox, side.name);
    expect(status.confirmedThrough ?? 0).toBeLessThanOrEqual(side.confirmed ?? 0);
    if (isClean) expect(status.confirmedThrough).toBe(side.confirmed);
    side.confirmed = status.confirmedThrough;
    const [first] = outbox.pending(side.name, 0, 1);
    const waiting = new Set(outbox.pending(side.name, 0, EVERYTHING).map(({ seq }) => seq));
    for (const seq of waiting) {
      side.settled.delete(seq);
      side.refused.delete(seq);
      side.released.delete(seq);
    }
    outbox.offerRefused(side.name);
    if (first && !isClean) for (const seq of side.again) if (seq >= first.seq) side.again.delete(seq);
    const again = new Set(outbox.replaying(side.name, 0, EVERYTHING).map(({ seq }) => seq));
    for (const seq of again) demand(side.again.has(seq) || side.released.has(seq) || !isClean, () => `row ${seq} of ${side.name} is sent again unasked, ${marks(side, seq)}`);
    for (const seq of again) {
      side.refused.delete(seq);
      if (side.lately.has(seq)) side.released.add(seq);
      if (!side.released.has(seq)) side.again.add(seq);
    }
    for (const seq of side.again) if (!again.has(seq) || side.released.has(seq)) side.again.delete(seq);
    if (!isClean) for (const seq of side.refusedLately) side.unsure.add(seq);
    side.stored();
  }
}
const statusOf = (outbox: Outbox, name: string): DestinationBacklog => {
  const status = outbox.status().destinations.find((one) => one.name === name);
  if (!status) throw new Error(`no status of ${name}`);
  return status;
};

/** Compares everything, and lets the model forget what the outbox has forgotten. */
async function agree(walk: Walk): Promise<void> {
  const { model, outbox } = walk;
  // What was refused is on the disk, and named, once a commit after it is.
  await outbox.commit({ machine: null, context: "{}", records: [], checkpoint: null, observedAt: 0 as Commit["observedAt"] });
  learn(walk);
  const kept = outbox.history(0, EVERYTHING);
  for (const row of kept) {
    if (row.type === "loss") model.noteLoss(row);
    else demand(row.body === model.known(row.seq)?.body, () => `row ${row.seq} is kept as ${row.body}`);
  }
  const status = outbox.status();
  expect([status.lastSeq, status.syncedSeq, status.fault]).toEqual([model.lastSeq, model.lastSeq, null]);
  const first = kept[0]?.seq ?? model.lastSeq + 1;
  const keptSeqs = new Set(kept.map(({ seq }) => seq));
  for (const side of model.sides) {
    side.stored();
    agreeOn(walk, side, keptSeqs);
  }
  for (const [key, json] of model.checkpoints) expect(outbox.checkpoint(key)).toBe(json);
  for (const side of model.sides) {
    side.due = side.due.filter(({ seq }) => seq >= first);
    for (const set of [side.settled, side.refused, side.again, side.released, side.unsure]) for (const seq of set) if (seq < first) set.delete(seq);
  }
  model.forget(first);
}

function agreeOn({ model, outbox }: Walk, side: Side, kept: ReadonlySet<number>): void {
  const pending = outbox.pending(side.name, 0, EVERYTHING);
  check(side, pending, false);
  outbox.offerRefused(side.name);
  const again = outbox.replaying(side.name, 0, EVERYTHING);
  check(side, again, true);
  const waiting = new Set(pending.map(({ seq }) => seq));
  const asked = new Set(again.map(({ seq }) => seq));
  const covering = model.covering(side.name, side.due[0]?.seq ?? 0);
  for (const seq of side.released) if (side.row(seq)?.type === "loss" && !asked.has(seq) && model.replaced.has(seq)) {
    side.released.delete(seq);
    side.refused.add(seq);
  }
  for (const row of side.due) {
    const told = covering(row);
    const what = (): string => `row ${row.seq} (${row.type}) of ${side.name}, ${marks(side, row.seq)}${kept.has(row.seq) ? " kept" : ""}: ${JSON.stringify(told)}`;
    demand(told.length <= 1, () => `${what()} is told lost more than once`);
    const isCovered = told.length === 1;
    const isSettled = side.settled.has(row.seq) && !side.refused.has(row.seq) && !side.released.has(row.seq);
    demand(isSettled || isCovered || waiting.has(row.seq) || asked.has(row.seq) || (row.type === "loss" && side.refused.has(row.seq)), () => `${what()} is neither delivered nor kept nor told lost`);
    demand(!isSettled || !side.isConfirming || row.seq <= (side.confirmed ?? 0) || side.before.has(row.seq) || isCovered || kept.has(row.seq), () => `${what()} is neither confirmed nor kept nor told lost`);
    demand(!side.again.has(row.seq) || side.refused.has(row.seq) || isCovered || asked.has(row.seq), () => `${what()} was asked for again and is not kept`);
  }
  agreeOnCounts({ model, outbox }, side, {
    pending: pending.length, released: again.filter(({ seq }) => side.released.has(seq)).length, letGo: again.filter((row) => row.type === "loss" && side.released.has(row.seq) && (model.replaced.has(row.seq) || side.unsure.has(row.seq) || covering(row).length > 0)).length,
  });
}
/** Thousands of rows are looked at: an `expect` for each would take most of the time. */
function demand(holds: boolean, otherwise: () => string): void {
  if (!holds) throw new Error(otherwise());
}
/** For the message of a failure. */
const marks = (side: Side, seq: number): string =>
  Object.entries({ settled: side.settled, refused: side.refused, released: side.released, again: side.again }).filter(([, seqs]) => seqs.has(seq)).map(([name]) => name).join(" ");

/** Counts add up: what was due is acknowledged, waits, was refused or was given up, and the loss records count the same. */
function agreeOnCounts({ model, outbox }: { readonly model: Model; readonly outbox: Outbox }, side: Side, there: { readonly pending: number; readonly released: number; readonly letGo: number }): void {
  const status = statusOf(outbox, side.name);
  const counted = (isFor: (loss: LossTold) => boolean): number =>
    [...model.losses.values()].filter((loss) => loss.destination === side.name && loss.status !== "void" && isFor(loss)).reduce((sum, { count }) => sum + count, 0);
  // Of refused loss records that are asked for again nobody can tell whether they were let go, or given up, before.
  expect(status.waiting, `waiting of ${side.name}`).toBeLessThanOrEqual(there.pending + there.released);
  expect(status.waiting, `waiting of ${side.name}`).toBeGreaterThanOrEqual(there.pending + there.released - there.letGo);
  expect(status.acknowledged + status.waiting + status.rejected + status.lost).toBe(side.dueEver);
  expect(counted(({ reason }) => reason === "buffer_full" || reason === "destination_limit"), `lost of ${side.name}`).toBe(status.lost);
  for (const loss of model.losses.values()) {
    if (loss.destination !== side.name || loss.status === "void") continue;
    demand(Object.values(loss.byType).reduce((sum, count) => sum + count, 0) === loss.count, () => `${JSON.stringify(loss)} does not add up`);
  }
}
