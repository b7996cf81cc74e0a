/** Who waits for the next synced row. Bounded by the destinations' delivery loops, one wait each. */
interface Waiter {
  readonly after: number;
  readonly wake: () => void;
  readonly fail: (error: Error) => void;
}

export class Waiting {
  readonly #waiters = new Set<Waiter>();

  /** Resolves once a row after `after` is synced; rejects when the signal aborts. Leaves no listener behind. */
  until(after: number, synced: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): Error => (signal.reason instanceof Error ? signal.reason : new Error("aborted", { cause: signal.reason }));
      if (signal.aborted) return reject(aborted());
      if (synced > after) return resolve();
      const leave = (): void => {
        this.#waiters.delete(waiter);
        signal.removeEventListener("abort", onAbort);
      };
      const onAbort = (): void => {
        leave();
        reject(aborted());
      };
      const waiter: Waiter = {
        after,
        wake: () => {
          leave();
          resolve();
        },
        fail: (error) => {
          leave();
          reject(error);
        },
      };
      this.#waiters.add(waiter);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
  /** While nothing can be read it is not known what waits: resolves when it can be again. */
  untilRecovered(signal: AbortSignal): Promise<void> {
    return this.until(-1, -1, signal);
  }
  recovered(): void {
    for (const waiter of this.#waiters) if (waiter.after === -1) waiter.wake();
  }
  /** Rows are asked for again: whoever waits looks. */
  wake(): void {
    for (const waiter of this.#waiters) waiter.wake();
  }
  reached(synced: number): void {
    for (const waiter of this.#waiters) if (synced > waiter.after) waiter.wake();
  }
  end(error: Error): void {
    for (const waiter of this.#waiters) waiter.fail(error);
  }
}
