/** What is wrong with the disk at the moment, since when, and when it is tried again: for ever, at growing distances. */
import type { StoreError } from "../../agent/contract/errors.ts";
import type { Clock, UnixMs } from "../../agent/contract/time.ts";

const FIRST_RETRY_MS = 250;
const MAXIMUM_RETRY_MS = 30_000;
/** Without chance: one process holds the directory, nobody else knocks with it. */
function* retryDelays(): Generator<number, never, void> {
  for (let ms = FIRST_RETRY_MS; ; ms = Math.min(MAXIMUM_RETRY_MS, ms * 2)) yield ms;
}

export class Trouble {
  error: StoreError;
  readonly since: UnixMs;
  readonly #clock: Clock;
  readonly #delays = retryDelays();
  #waiting: AbortController | null = null;

  constructor(error: StoreError, clock: Clock) {
    this.error = error;
    this.#clock = clock;
    this.since = clock.now().unixMs;
  }

  /** Once: a try that is already due stays as it is. A sleep, not a timer: commits in hand keep the process alive. */
  retryLater(retry: () => Promise<void>): void {
    if (this.#waiting !== null) return;
    const waiting = this.#waiting = new AbortController();
    this.#clock.sleep(this.#delays.next().value, waiting.signal).then(() => {
      this.#waiting = null;
      return retry();
    }, () => undefined).catch(() => undefined); // Ended. And a try that fails tells so itself.
  }
  end(): void {
    this.#waiting?.abort();
    this.#waiting = null;
  }
}
