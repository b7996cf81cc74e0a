/**
 * Lines of one session → readings, in order. What an adapter sends to everyone who connects, and whatever it stamps as
 * older than the connection, was so already: `initial`. Conditions are folded into sets (mtconnect.md §7), from nothing at
 * each connection, because each begins with all that is active.
 */
import type { Reading } from "../../agent/contract/observation.ts";
import { unixMs, type UnixMs } from "../../agent/contract/time.ts";
import { foldInto, type ConditionSets } from "../shared/mtconnect/conditions.ts";
import type { ChosenItem } from "../shared/mtconnect/items.ts";
import { detached } from "../shared/mtconnect/text.ts";
import { decodeValue } from "../shared/mtconnect/values.ts";
import type { Valued } from "../shared/points.ts";
import type { AdapterClock } from "./clock.ts";
import type { Stamp } from "./line.ts";
import type { Names, Said } from "./names.ts";
import type { Seen } from "./propose.ts";

/** More keys than any adapter has. */
const SEEN_LIMIT = 2_000;
const KEY_LIMIT = 256;
/** `0:DAY`: the value, and what reset it. */
const RESET = /:[A-Z_]+$/u;

export class Reader {
  readonly #names: Names;
  readonly #clock: AdapterClock;
  /** Without a prototype: keys are the adapter's. */
  readonly #sets = Object.create(null) as Record<string, ConditionSets[string]>;
  readonly #seen = new Map<string, Seen & { readonly isKnown: boolean }>();
  readonly #reported = new Set<string>();

  constructor(names: Names, clock: AdapterClock) {
    this.#names = names;
    this.#clock = clock;
  }

  get seen(): readonly (Seen & { readonly isKnown: boolean })[] { return [...this.#seen.values()]; }
  get strangers(): number { return [...this.#seen.values()].filter(({ isKnown }) => !isKnown).length; }

  /** `opening`: true while the adapter is still greeting us. A stamp that cannot be is left out: the reading is of now. */
  readings(fields: readonly string[], at: UnixMs | null, { said, opening, monoMs }: { readonly said: Said; readonly opening: boolean; readonly monoMs: number }): readonly Reading[] {
    const isDated = at !== null && !this.#clock.isAhead(at, monoMs);
    return this.#names.split(fields, said).flatMap(({ key, item, values, isKnown }): readonly Reading[] => {
      this.#note(key, { isCondition: values.length === 5, isKnown });
      if (item === null) return [];
      const identity = item.value === "condition" ? `${item.id}|${detached((values[1] ?? "").slice(0, KEY_LIMIT))}` : item.id;
      const isFirst = !this.#reported.has(identity);
      if (isFirst && this.#reported.size < SEEN_LIMIT) this.#reported.add(identity);
      const initial = (opening && isFirst) || (at !== null && this.#clock.isBefore(at));
      return [{
        kind: "reading", signal: item.signal, item: item.id, ...(item.path !== null && { path: item.path }),
        ...(isDated && { sourceTime: at }), ...(initial && { initial }), ...this.#valued(item, values),
      }];
    });
  }

  #note(key: string, told: { readonly isCondition: boolean; readonly isKnown: boolean }): void {
    if (this.#seen.has(key) || this.#seen.size >= SEEN_LIMIT || key.length > KEY_LIMIT) return;
    const own = detached(key);
    this.#seen.set(own, { key: own, ...told });
  }

  #valued(item: ChosenItem, values: readonly string[]): Valued {
    const [first = "", second = "", , , fifth = ""] = values;
    if (item.value !== "condition") {
      const text = item.signal === "message" && values.length === 2 ? second : first;
      const isNumber = item.value.kind === "integer" || item.value.kind === "number";
      return decodeValue(item.value, isNumber ? text.replace(RESET, "") : text, item);
    }
    // 2.3 on: `code:id`.
    const colon = second.indexOf(":");
    const [nativeCode, conditionId] = colon === -1 ? [second, null] : [second.slice(0, colon), second.slice(colon + 1)];
    return foldInto(this.#sets, { item, at: null, level: first, text: fifth, nativeCode, conditionId, type: null });
  }
}

/** A stamp as a time; null: the line has none, and is of now. `isRelative`: the adapter said that its clock began somewhere. */
export function timeOf(stamp: Stamp, clock: AdapterClock, { monoMs, isRelative }: { readonly monoMs: number; readonly isRelative: boolean }): UnixMs | null {
  switch (stamp.kind) {
    case "none": return null;
    case "relative": return unixMs(clock.absolute(stamp.ms, monoMs));
    case "time": return unixMs(isRelative ? clock.absolute(stamp.at, monoMs) : stamp.at);
  }
}
