/** A clock and a buffer for the machine of machine-run.ts, both moved by hand. */
import type { Ledger } from "../../../../agent/runtime/machine/machine-store.ts";
import { StoreError } from "../../../../agent/contract/errors.ts";
import type { Commit } from "../../../../agent/contract/outbox.ts";
import type { NewRecord } from "../../../../agent/contract/record.ts";
import { monoMs, unixMs, type Clock } from "../../../../agent/contract/time.ts";

export interface Row {
  readonly record: NewRecord;
  readonly late: boolean;
  readonly clock: Commit["clock"];
}

/** Time that passes only when told; timers run in order, at once. */
export class HandClock implements Clock {
  #now: number;
  #timers: { readonly dueMs: number; readonly task: () => void }[] = [];
  constructor(startMs: number) {
    this.#now = startMs;
  }
  now(): ReturnType<Clock["now"]> {
    return { unixMs: unixMs(this.#now), monoMs: monoMs(this.#now), boot: "by-hand" };
  }
  after(ms: number, task: () => void): () => void {
    const timer = { dueMs: this.#now + ms, task };
    this.#timers.push(timer);
    return () => void (this.#timers = this.#timers.filter((one) => one !== timer));
  }
  passTo(at: number): void {
    for (;;) {
      const [next] = this.#timers.filter(({ dueMs }) => dueMs <= at).sort((one, other) => one.dueMs - other.dueMs);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#now = Math.max(this.#now, next.dueMs);
      next.task();
    }
    this.#now = Math.max(this.#now, at);
  }
  /** The process whose timers they were is gone. */
  forget(): void {
    this.#timers = [];
  }
  sleep(): Promise<void> {
    return Promise.reject(new Error("nothing sleeps here"));
  }
  deadline(): ReturnType<Clock["deadline"]> {
    return { signal: new AbortController().signal, clear: () => undefined };
  }
}

/** Commits are in hand until synced: at once, or while `lags` when told, or when the next one waits. */
export class HandLedger implements Ledger {
  readonly epoch = "epoch-1";
  readonly rows: Row[] = [];
  readonly #checkpoints = new Map<string, string>();
  #inHand: { readonly commit: Commit; readonly resolve: (seq: number) => void }[] = [];
  lags = false;
  /** The disk takes nothing, and no more is held. */
  refuses = false;

  checkpoint(key: string): string | null {
    return this.#checkpoints.get(key) ?? null;
  }
  status(): ReturnType<Ledger["status"]> {
    return { lastSeq: this.rows.length };
  }
  condition(): ReturnType<Ledger["condition"]> {
    return { state: "ok" };
  }
  commit(commit: Commit): Promise<number> {
    if (this.refuses) return Promise.reject(new StoreError("io", "the disk takes nothing"));
    return new Promise((resolve) => {
      this.#inHand.push({ commit, resolve });
      // A first commit is waited for, and at most 16: they cannot lag for ever.
      if (!this.lags || this.#inHand.length > 8 || this.#checkpoints.size === 0) this.sync();
    });
  }
  sync(): void {
    for (const { commit, resolve } of this.#inHand) {
      for (const record of commit.records) this.rows.push({ record, late: commit.late ?? false, clock: commit.clock });
      for (const { key, json } of [...(commit.checkpoint ? [commit.checkpoint] : []), ...(commit.alsoCheckpoints ?? [])])
        if (json === null) this.#checkpoints.delete(key);
        else this.#checkpoints.set(key, json);
      resolve(this.rows.length);
    }
    this.#inHand = [];
  }
  lose(): void {
    this.#inHand = [];
  }
  get bytes(): number {
    return [...this.#checkpoints.values()].reduce((sum, { length }) => sum + length, 0);
  }
}
