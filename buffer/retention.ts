/**
 * Lets go of old rows. A broker's acknowledgement alone does not free a row: it is kept for a window, so that a replay
 * can heal a broker that lost its queue, and beyond half the budget the oldest go before. Never a row that a configured
 * destination has not had. In slices, when idle, so that no commit waits long for it.
 */
import type { Clock } from "../agent/contract/time.ts";
import type { Chain } from "./chain.ts";
import type { Ledger } from "./ledger.ts";

const SLICE_ROWS = 1_000;
const CHECK_MS = 60_000;
const DEFAULT_RETENTION_MS = 72 * 3_600_000;
const DEFAULT_BUDGET_BYTES = 1024 ** 3;

export class Retention {
  readonly #clock: Clock;
  readonly #retentionMs: number;
  readonly #budgetBytes: number;
  #nextCheckMs = -Infinity;

  constructor({ clock, retentionMs, budgetBytes }: { readonly clock: Clock; readonly retentionMs?: number; readonly budgetBytes?: number }) {
    this.#clock = clock;
    this.#retentionMs = retentionMs ?? DEFAULT_RETENTION_MS;
    this.#budgetBytes = budgetBytes ?? DEFAULT_BUDGET_BYTES;
  }

  /** Deletes at most one slice; `saveCursors` goes into its transaction, because a cursor may never lie before what is left. */
  slice(ledger: Ledger, chains: readonly Chain[], saveCursors: () => void): void {
    const { monoMs, unixMs } = this.#clock.now();
    if (monoMs < this.#nextCheckMs) return;
    this.#nextCheckMs = monoMs + CHECK_MS;
    const first = ledger.firstSeq;
    const through = Math.min(ledger.lastSeq, ...chains.map((chain) => passedThrough(chain)));
    const to = Math.min(first + SLICE_ROWS - 1, through);
    if (to < first) return;
    const observed = ledger.db.prepare<[number], number>("SELECT observed FROM record WHERE seq = ?").pluck().get(to) ?? 0;
    if (observed > unixMs - this.#retentionMs && usedBytes(ledger) < this.#budgetBytes / 2) return;
    ledger.transaction(() => {
      ledger.setMeta("last", String(ledger.lastSeq));
      saveCursors();
      ledger.db.prepare("DELETE FROM record WHERE seq <= ?").run(to);
      const forget = ledger.db.prepare("DELETE FROM due WHERE destination = ? AND seq <= ?");
      for (const chain of chains) forget.run(chain.id, to);
    });
    for (const chain of chains) chain.saved();
    if (to - first + 1 === SLICE_ROWS) this.#nextCheckMs = -Infinity;
  }
}

/** A destination that has settled all that was due has passed every row, wanted or not. */
const passedThrough = (chain: Chain): number => (chain.through >= chain.lastDue.seq ? Infinity : chain.through);

/** Pages in use: those deleted from are used again before the file grows. */
function usedBytes({ db }: Ledger): number {
  const ask = (name: string): number => db.pragma(name, { simple: true }) as number;
  return (ask("page_count") - ask("freelist_count")) * ask("page_size");
}
