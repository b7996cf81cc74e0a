/** What an adapter, or a recording of one, has said: keys with their last values, and what it told of itself. Bounded. */
import { namesOf, type Said } from "./names.ts";
import type { Line } from "./line.ts";
import type { Seen } from "./propose.ts";

/** More keys than any adapter has. */
const MOST_KEYS = 2_000;
const VALUE_LIMIT = 120;
/** So many lines without sense, and none with: it is no adapter. */
const STRANGE_LINES = 5;
const OURS: Said = { device: null, isConverted: false };
const NO_NAMES = namesOf({}, null);

export class Sayings {
  readonly #seen = new Map<string, Seen & { readonly value: string }>();
  #version: string | null = null;
  #heartbeat: string | null = null;
  #device: string | null = null;
  #strange = 0;
  #isAdapter = false;

  /** It has said something that only an adapter says: a stamp with items, or PONG. */
  get isAdapter(): boolean { return this.#isAdapter; }
  get isStrange(): boolean { return !this.#isAdapter && this.#strange >= STRANGE_LINES; }
  get version(): string | null { return this.#version; }
  /** "10000 ms". */
  get heartbeat(): string | null { return this.#heartbeat; }
  get device(): string | null { return this.#device; }
  get seen(): readonly (Seen & { readonly value: string })[] { return [...this.#seen.values()]; }

  take(line: Line): void {
    if (line.kind === "nothing") this.#strange += line.strange ? 1 : 0;
    else if (line.kind === "command") this.#command(line.name, line.value);
    else {
      // `a|b` without a stamp may be anything.
      this.#isAdapter ||= line.stamp.kind === "time";
      for (const { key, values } of NO_NAMES.split(line.fields, OURS)) {
        if (!this.#seen.has(key) && this.#seen.size >= MOST_KEYS) continue;
        const before = this.#seen.get(key);
        this.#seen.set(key, { key, isCondition: before?.isCondition === true || values.length === 5, value: values.join(" | ").slice(0, VALUE_LIMIT) });
      }
    }
  }

  #command(name: string, value: string): void {
    if (name === "pong") {
      this.#isAdapter = true;
      if (/^\d{1,8}$/u.test(value)) this.#heartbeat = `${value} ms`;
    } else if (name === "device" && value !== "") this.#device = value.slice(0, VALUE_LIMIT);
    else if (name === "adapterversion" && value !== "") this.#version = value.slice(0, VALUE_LIMIT);
    else this.#strange++;
  }
}
