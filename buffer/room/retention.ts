/**
 * Lets go of delivered rows, from the oldest on: those older than the history that is kept for people and replays, and,
 * once the buffer is half full, those that every bridge has confirmed or every broker has had for long enough. Never a
 * row that a configured destination still needs; what else goes for want of room is buffer/room/room.ts's.
 * In slices, when idle, so that no commit waits long for it. When the clock is set forward while we run nothing goes by
 * age for as long as history is kept: rows that were learned before would look older than they are.
 */
import type { Clock, Instant } from "../../agent/contract/time.ts";
import type { Chain } from "../chain/chain.ts";
import { SLICE_ROWS, type Parts } from "./eviction.ts";

const CHECK_MS = 60_000;
/** A clock set by less makes nothing old. */
const FORWARD_MS = 60_000;
const DEFAULT_HISTORY_MS = 7 * 86_400_000;

export class Retention {
  readonly #clock: Clock;
  readonly #historyMs: number;
  #nextCheckMs = -Infinity;
  #looked: Instant;
  /** Until then, by time since boot, no row's age is believed. */
  #notByAgeBeforeMs = -Infinity;

  constructor({ clock, historyMs }: { readonly clock: Clock; readonly historyMs?: number }) {
    this.#clock = clock;
    this.#looked = clock.now();
    this.#historyMs = historyMs ?? DEFAULT_HISTORY_MS;
  }

  /** Deletes at most one slice. */
  slice(parts: Parts, isHalfFull: boolean): void {
    const { monoMs, unixMs } = this.#look();
    if (monoMs < this.#nextCheckMs && !isHalfFull) return;
    const { ledger } = parts.books;
    const first = ledger.firstSeq;
    const passed = Math.min(first + SLICE_ROWS - 1, parts.syncedSeq, ...parts.chains.map(doneThrough));
    const healed = isHalfFull ? Math.min(passed, ...parts.chains.map((chain) => (chain.isConfirming || isDone(chain, chain.confirmedThrough ?? 0) ? Infinity : parts.healed(chain)))) : 0;
    const old = passed >= first && monoMs >= this.#notByAgeBeforeMs && parts.space.observedAt(passed) <= unixMs - this.#historyMs ? passed : 0;
    const to = Math.max(healed, old);
    if (to >= first) forget(parts, to);
    else this.#nextCheckMs = monoMs + CHECK_MS;
  }

  #look(): Instant {
    const now = this.#clock.now();
    if (now.unixMs - this.#looked.unixMs - (now.monoMs - this.#looked.monoMs) > FORWARD_MS) this.#notByAgeBeforeMs = now.monoMs + this.#historyMs;
    this.#looked = now;
    return now;
  }
}

function forget({ books, space, chains, known, teller, deliveries }: Parts, to: number): void {
  const { ledger, tables, standing } = books;
  try {
    ledger.transaction(() => {
      deliveries.write(books, teller);
      ledger.setMeta("last", String(ledger.lastSeq)); // An emptied table must not start its numbers again.
      for (const chain of chains) if (chain.isDirty) chain.save(); // A cursor may never lie before what is left.
      space.removeRange(0, to);
      for (const chain of known) {
        tables.forgetDue(chain.id, to);
        tables.forgetDead(chain.id, to + 1);
        standing.forgetTold(chain.id, to + 1);
      }
    });
  } catch (cause) {
    for (const chain of known) chain.reload(ledger.lastSeq);
    throw cause;
  }
  deliveries.written();
  for (const chain of chains) chain.saved();
}

/** A destination that is done with all that was due has passed every row, wanted or not. */
const isDone = (chain: Chain, through: number): boolean => through >= chain.lastDue.seq;
function doneThrough(chain: Chain): number {
  const acknowledged = isDone(chain, chain.through) ? Infinity : chain.through;
  const confirmed = chain.isConfirming ? (chain.confirmedThrough ?? 0) : Infinity;
  return Math.min(acknowledged, isDone(chain, confirmed) ? Infinity : confirmed, chain.replays.first - 1, chain.owed.first - 1);
}
