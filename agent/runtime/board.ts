/**
 * The retained values a destination shows beside the ledger: the newest of each topic, for whoever connects.
 * Bounded by machines times names; listeners are told once per turn of the event loop, however many values changed.
 */
import type { Retained } from "../contract/destination.ts";
import type { Board } from "./deliver.ts";

export interface WritableBoard extends Board {
  put(value: Retained): void;
}

const keyOf = (value: Retained): string => {
  switch (value.scope) {
    case "live": return `live/${value.machine}/${value.name}`;
    case "health": return `health/${value.machine}`;
    case "heartbeat": return "heartbeat";
  }
};

export function createBoard(): WritableBoard {
  const values = new Map<string, Retained>();
  const listeners = new Set<(changed: readonly Retained[]) => void>();
  let changed = new Map<string, Retained>();
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
