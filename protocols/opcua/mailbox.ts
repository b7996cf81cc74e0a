/**
 * From the library's push to the session's pull: what the server sent waits here, at most LIMIT messages. When more come
 * than are taken, the messages are folded into one with the newest value of each node, and it is known that some are lost.
 */
import type { LinkError } from "../../agent/contract/errors.ts";
import type { UnixMs } from "../../agent/contract/time.ts";
import type { WireValue } from "./values.ts";

/** One message of a subscription. */
export interface Notice {
  /** The server's clock when it sent it; null: it does not say. */
  readonly now: UnixMs | null;
  /** More is waiting at the server. */
  readonly more: boolean;
  readonly values: readonly { readonly handle: number; readonly wire: WireValue }[];
  /** The fields of each event, in the order they were asked for. */
  readonly events: readonly (readonly { readonly dataType: number; readonly value: unknown }[])[];
  /** Values lost before it here, because nobody took them in time. */
  readonly lost: number;
}

const LIMIT = 1_000;
/** Of the newest events, when messages are folded: alarms are refreshed after it. */
const EVENT_LIMIT = 1_000;

export class Mailbox {
  #waiting: Notice[] = [];
  #ended: LinkError | null = null;
  #wake: (() => void) | null = null;

  put(notice: Notice): void {
    if (this.#ended !== null) return;
    this.#waiting.push(notice);
    if (this.#waiting.length > LIMIT) this.#waiting = [folded(this.#waiting)];
    this.#wake?.();
  }

  /** Nothing comes after it; what waits is still given. */
  end(error: LinkError): void {
    this.#ended ??= error;
    this.#wake?.();
  }

  /** The next message. Rejects with the error that ended it, or with the signal's reason. Called by one at a time. */
  async next(signal: AbortSignal): Promise<Notice> {
    for (;;) {
      signal.throwIfAborted();
      const notice = this.#waiting.shift();
      if (notice !== undefined) return notice;
      if (this.#ended !== null) throw this.#ended;
      await this.#change(signal);
    }
  }

  async #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => {
      resolve();
    };
    this.#wake = wake;
    signal.addEventListener("abort", wake, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", wake);
      this.#wake = null;
    }
  }
}

function folded(notices: readonly Notice[]): Notice {
  const newest = new Map<number, WireValue>();
  for (const { values } of notices) for (const { handle, wire } of values) newest.set(handle, wire);
  const count = notices.reduce((sum, { values, lost }) => sum + values.length + lost, 0);
  const last = notices.at(-1);
  return {
    now: last?.now ?? null, more: last?.more ?? false, lost: count - newest.size,
    values: [...newest].map(([handle, wire]) => ({ handle, wire })), events: notices.flatMap(({ events }) => events).slice(-EVENT_LIMIT),
  };
}
