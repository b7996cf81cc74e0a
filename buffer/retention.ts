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
const DEFAULT_HISTORY_MS = 7 * 86_400_000;
export const DEFAULT_BUDGET_BYTES = 1024 ** 3;

export class Retention {
  readonly #clock: Clock;
  readonly #retentionMs: number;
  readonly #budgetBytes: number;
  #nextCheckMs = -Infinity;

  constructor({ clock, historyMs, budgetBytes }: { readonly clock: Clock; readonly historyMs?: number; readonly budgetBytes?: number }) {
    this.#clock = clock;
    this.#retentionMs = historyMs ?? DEFAULT_HISTORY_MS;
    this.#budgetBytes = budgetBytes ?? DEFAULT_BUDGET_BYTES;
  }

  /**
   * Deletes at most one slice of rows that are old enough, or beyond half the budget. `saveCursors` goes into its
   * transaction, because a cursor may never lie before what is left.
   */
  slice(ledger: Ledger, chains: readonly Chain[], saveCursors: () => void): void {
    const { monoMs, unixMs } = this.#clock.now();
    const isCrowded = usedBytes(ledger) > this.#budgetBytes / 2;
    if (monoMs < this.#nextCheckMs && !isCrowded) return;
    const to = sliceEnd(ledger, chains);
    if (to !== null && (isCrowded || observedAt(ledger, to) <= unixMs - this.#retentionMs)) forget(ledger, { to, chains, saveCursors });
    else this.#nextCheckMs = monoMs + CHECK_MS;
  }
  /** The disk is full: deletes a slice of what every destination has had, however young. False when there is none. */
  makeRoom(ledger: Ledger, chains: readonly Chain[], saveCursors: () => void): boolean {
    const to = sliceEnd(ledger, chains);
    if (to !== null) forget(ledger, { to, chains, saveCursors });
    return to !== null;
  }
}

/** Last row of the next slice that every destination has had; null when there is none. */
function sliceEnd(ledger: Ledger, chains: readonly Chain[]): number | null {
  const first = ledger.firstSeq;
  const to = Math.min(first + SLICE_ROWS - 1, ledger.lastSeq, ...chains.map((chain) => passedThrough(chain)));
  return to >= first ? to : null;
}
const observedAt = ({ db }: Ledger, seq: number): number => db.prepare<[number], number>("SELECT observed FROM record WHERE seq = ?").pluck().get(seq) ?? 0;

function forget(ledger: Ledger, { to, chains, saveCursors }: { readonly to: number; readonly chains: readonly Chain[]; readonly saveCursors: () => void }): void {
  ledger.transaction(() => {
    ledger.setMeta("last", String(ledger.lastSeq));
    saveCursors();
    ledger.db.prepare("DELETE FROM record WHERE seq <= ?").run(to);
    const forgetDue = ledger.db.prepare("DELETE FROM due WHERE destination = ? AND seq <= ?");
    for (const chain of chains) forgetDue.run(chain.id, to);
  });
  for (const chain of chains) chain.saved();
}

/** A destination that has settled all that was due has passed every row, wanted or not. */
const passedThrough = (chain: Chain): number => (chain.through >= chain.lastDue.seq ? Infinity : chain.through);

/** Pages in use: those deleted from are used again before the file grows. */
function usedBytes({ db }: Ledger): number {
  const ask = (name: string): number => db.pragma(name, { simple: true }) as number;
  return (ask("page_count") - ask("freelist_count")) * ask("page_size");
}
