/** An outbox in memory with the contract's semantics, but that a loss record is refused like any other: for tests of what reads one. Everything is synced at once. */
import type { Marking, Outbox, Outcome, StoredRecord } from "../../agent/contract/outbox.ts";
import { unixMs } from "../../agent/contract/time.ts";

export interface MemoryOutbox extends Outbox {
  readonly accepted: readonly number[];
  readonly rejected: Outcome["rejected"];
  /** Resolves when every record is settled; rejects after `timeoutMs`. */
  drained(timeoutMs?: number): Promise<void>;
}

/** A life of a buffer that has been opened before, unless it `isNew`. */
export function markingOf(epoch: string, life: string, isNew = false): Marking {
  let reached = 0;
  return { epoch, life, isNew, reach: (through) => (reached = Math.max(reached, through)) };
}
/** `marking`: default none, as for a buffer that is on no medium. */
export function memoryOutbox(epoch = "epoch-1", marking: Marking | null = null): MemoryOutbox {
  const rows: StoredRecord[] = [];
  const open = new Map<number, StoredRecord>();
  const accepted: number[] = [];
  const rejected: { readonly seq: number; readonly reason: string }[] = [];
  const arrivals = new Set<{ readonly after: number; readonly resolve: () => void }>();
  const settled = new Set<() => void>();
  /** Rows asked for again. */
  const again = new Map<number, StoredRecord>();
  let confirmedThrough: number | null = null;
  let sentThrough = 0;
  const outbox: MemoryOutbox = {
    epoch, accepted, rejected, replaced: new Promise(() => undefined),
    marking, heard: () => ({ isOlder: false, doubt: null }),
    checkpoint: () => null,
    commit({ machine, context, records, observedAt, late = false, clock = null }) {
      for (const { type, id, rev, start, body } of records) {
        const seq = rows.length + 1;
        const row: StoredRecord = { seq, prev: seq - 1, machine, type, id, rev, start, observedAt: unixMs(observedAt), late, clock: clock ?? null, context, body: JSON.stringify(body) };
        rows.push(row);
        open.set(seq, row);
      }
      for (const arrival of arrivals) if (rows.length > arrival.after) arrival.resolve();
      return Promise.resolve(rows.length);
    },
    pending(_destination, after, limit) {
      const found: StoredRecord[] = [];
      if (after > 0) {
        for (let seq = after + 1; seq <= rows.length && found.length < limit; seq++) {
          const row = open.get(seq);
          if (row) found.push(row);
        }
        return found;
      }
      for (const row of open.values()) {
        if (found.length >= limit) break;
        found.push(row);
      }
      return found;
    },
    sendable: (destination, after, limit) => outbox.pending(destination, after, limit),
    sending(_destination, seq) {
      const isRepeat = seq <= sentThrough;
      sentThrough = Math.max(sentThrough, seq);
      return isRepeat;
    },
    replaying: (_destination, after, limit) => [...again.values()].filter(({ seq }) => seq > after).sort((a, b) => a.seq - b.seq).slice(0, limit),
    offerRefused: () => undefined,
    settle(_destination, outcome) {
      for (const seq of [...outcome.accepted, ...outcome.rejected.map((refusal) => refusal.seq)]) again.delete(seq);
      for (const seq of outcome.accepted) if (open.delete(seq)) accepted.push(seq);
      for (const refusal of outcome.rejected) if (open.delete(refusal.seq)) rejected.push(refusal);
      for (const look of settled) look();
    },
    confirm(_destination, of, through) {
      if (of !== epoch) return { ok: false, reason: `epoch ${of} is not this buffer's` };
      confirmedThrough = Math.max(confirmedThrough ?? 0, through);
      return { ok: true, rows: through };
    },
    replay(_destination, of, from, to) {
      if (of !== epoch) return { ok: false, reason: `epoch ${of} is not this buffer's` };
      const found = rows.filter(({ seq }) => seq >= from && seq <= to);
      for (const row of found) again.set(row.seq, row);
      for (const arrival of arrivals) arrival.resolve();
      return { ok: true, rows: found.length };
    },
    deadLetters: () => [],
    dropped: () => [],
    release: () => ({ ok: false, reason: "there is no such range" }),
    purge: () => ({ ok: false, reason: "there is no such range" }),
    history: (after, limit) => rows.filter(({ seq }) => seq > after).slice(0, limit),
    arrival(after, signal) {
      if (rows.length > after) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const finish = (then: () => void): void => {
          arrivals.delete(entry);
          signal.removeEventListener("abort", onAbort);
          then();
        };
        const onAbort = (): void => finish(() => reject(signal.reason instanceof Error ? signal.reason : new Error("aborted")));
        const entry = { after, resolve: () => finish(resolve) };
        arrivals.add(entry);
        signal.addEventListener("abort", onAbort, { once: true });
      });
    },
    status: () => ({
      epoch, lastSeq: rows.length, syncedSeq: rows.length, bytes: 0, budgetBytes: 1_000_000, freeBytes: null, fault: null, condition: { state: "ok" },
      destinations: [{
        name: "bridge", waiting: open.size, acknowledged: accepted.length, rejected: rejected.length, dead: rejected.length, lost: 0, lastDue: rows.length,
        confirmedThrough, isConfirming: confirmedThrough !== null, replaying: again.size, oldestWaitingAt: [...open.values()][0]?.observedAt ?? null,
      }],
    }),
    condition: () => ({ state: "ok" }),
    fault: () => null,
    synced: () => rows.length,
    close: () => Promise.resolve(),
    drained(timeoutMs = 45_000) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          settled.delete(look);
          reject(new Error(`${open.size} of ${rows.length} records still unsettled after ${timeoutMs} ms`));
        }, timeoutMs);
        const look = (): void => {
          if (open.size > 0) return;
          clearTimeout(timer);
          settled.delete(look);
          resolve();
        };
        settled.add(look);
        look();
      });
    },
  };
  return outbox;
}
