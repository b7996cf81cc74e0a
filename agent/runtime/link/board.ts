/**
 * The current values a destination shows beside the ledger: the newest of each topic, for whoever connects.
 * Bounded by machines times names and record types; listeners are told once per turn of the event loop, however many values changed.
 */
import type { Board, Latest, Retained } from "../../contract/destination.ts";

export interface WritableBoard extends Board {
  put(value: Retained | Latest): void;
}

/** What a broker keeps: records travel in the ledger alone. */
export const retainedOf = (values: readonly (Retained | Latest)[]): readonly Retained[] => values.filter((value) => value.scope !== "record");

const keyOf = (value: Retained | Latest): string => {
  switch (value.scope) {
    case "record": return `record/${value.machine}/${value.record.type}`;
    case "live": return `live/${value.machine}/${value.name}`;
    case "health": return `health/${value.machine}`;
    case "heartbeat": return "heartbeat";
  }
};

export function createBoard(): WritableBoard {
  const values = new Map<string, Retained | Latest>();
  const listeners = new Set<(changed: readonly (Retained | Latest)[]) => void>();
  let changed = new Map<string, Retained | Latest>();
  const tell = (): void => {
    const now = [...changed.values()];
    changed = new Map();
    for (const listener of listeners) listener(now);
  };
  return {
    put(value) {
      const key = keyOf(value);
      values.set(key, value);
      if (changed.size === 0) queueMicrotask(tell);
      changed.set(key, value);
    },
    all: () => [...values.values()],
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
