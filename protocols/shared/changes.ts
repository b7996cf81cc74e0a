/**
 * All values of a poll → only those that changed. An item's first value in a session is `initial`: it was so already when
 * we began to look. What was UNAVAILABLE from the start is still initial when its first value comes.
 */
import type { Reading } from "../../agent/contract/observation.ts";

/** One per session. Its memory is one reading per item, so it is bounded by what is configured. */
export class Changes {
  readonly #known = new Map<string, Reading>();

  /**
   * Those of `readings` whose value or quality is another than the last one given here, in their order. `sinceMs`: since
   * the poll before, in which they may have changed at any time; a reading that was last read longer ago says so itself.
   */
  of(readings: readonly Reading[], sinceMs?: number): readonly Reading[] {
    const changed: Reading[] = [];
    for (const reading of readings) {
      const key = `${reading.signal}|${reading.item ?? ""}|${reading.path ?? ""}`;
      const before = this.#known.get(key);
      if (before !== undefined && same(before, reading)) continue;
      const initial = before === undefined || (before.initial === true && before.quality === "UNAVAILABLE");
      const { initial: _, uncertaintyMs, ...rest } = reading;
      const mostMs = sinceMs === undefined ? uncertaintyMs : Math.max(sinceMs, uncertaintyMs ?? 0);
      const given: Reading = initial ? { ...rest, initial } : { ...rest, ...(mostMs !== undefined && { uncertaintyMs: mostMs }) };
      this.#known.set(key, given);
      changed.push(given);
    }
    return changed;
  }
}

/** Alarms are sets of small flat objects: their texts compare them. */
function same(one: Reading, other: Reading): boolean {
  if (one.quality !== other.quality) return false;
  if (typeof one.value === "object" && typeof other.value === "object") return JSON.stringify(one.value) === JSON.stringify(other.value);
  return Object.is(one.value, other.value);
}
