/**
 * The metrics of a node or a device: their aliases, present values, which of them changed since they were last sent, and
 * the changes that could not be sent. Bounded: MOST_METRICS, and the history asked for; its oldest go first, counted.
 */
import type { Metric, MetricValue, Quality } from "./payload.ts";
import type { MetricRow } from "./vocabulary.ts";
import type { Update } from "./updates.ts";

/** With the whole vocabulary about a hundred are taken. */
const MOST_METRICS = 1_000;

interface Held {
  readonly row: MetricRow;
  readonly alias: number;
  value: MetricValue;
  quality: Quality;
  /** Null: never reported. */
  at: number | null;
  /** Rises with each change. */
  version: number;
}
interface Missed {
  readonly held: Held;
  readonly version: number;
  readonly value: MetricValue;
  readonly quality: Quality;
  readonly at: number;
}

export class MetricSet {
  /** By name in lower case: hosts may not tell names apart by case. */
  readonly #held = new Map<string, Held>();
  readonly #changed = new Set<Held>();
  readonly #nextAlias: () => number;
  readonly #historyLimit: number;
  #missed: Missed[] = [];
  #isNew = false;
  /** Changes that no history had room for, and metrics there were too many of. */
  dropped = 0;

  constructor(rows: readonly MetricRow[], nextAlias: () => number, historyLimit: number) {
    this.#nextAlias = nextAlias;
    this.#historyLimit = historyLimit;
    for (const row of rows) this.#declare(row);
    this.#isNew = false;
  }

  /** `isSent`: the change will be sent from `changes`; else it is kept as history. What is the same as before is no change. */
  take({ metric, datatype, unit, value, at, quality, isLoss }: Update, isSent: boolean): void {
    if (isLoss && !this.#held.has(metric.toLowerCase())) return;
    const held = this.#held.get(metric.toLowerCase()) ?? this.#declare({ metric, datatype, ...(unit !== undefined && { unit }) });
    if (!held || held.row.metric !== metric) return void this.dropped++;
    // The first value of an unknown point fixed its datatype: another kind of value is not known in it.
    const fits = held.row.datatype === datatype;
    const next = { value: fits ? value : null, quality: fits ? quality : "bad" } as const;
    if (held.at !== null && held.quality === next.quality && same(held.value, next.value)) return;
    Object.assign(held, next, { at, version: held.version + 1 });
    if (isSent) this.#changed.add(held);
    else this.#miss(held);
  }

  /** True when there is a metric that no birth has named: a new birth is due. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** All metrics with name, alias, datatype and present value; what was waiting as a change is in it, and is no history. */
  birth(now: number): readonly Metric[] {
    this.#changed.clear();
    this.#isNew = false;
    this.#missed = this.#missed.filter(({ version, held }) => version !== held.version);
    return inTime([...this.#held.values()].map(({ row, alias, value, quality, at }): Metric => ({
      name: row.metric, alias, timestamp: at ?? now, datatype: row.datatype, showsDatatype: true, value, quality, ...(row.unit !== undefined && { unit: row.unit }),
    })));
  }

  /** By alias, in the order of their times; nothing when nothing changed. */
  changes(now: number): readonly Metric[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return inTime(changed.map(({ row, alias, value, quality, at }) => dataOf({ row, alias, value, quality, at: at ?? now })));
  }

  /** Takes at most `limit` of the oldest changes that could not be sent. */
  history(limit: number): readonly Metric[] {
    return inTime(this.#missed.splice(0, limit).map(({ held, value, quality, at }): Metric => ({ ...dataOf({ ...held, value, quality, at }), isHistorical: true })));
  }

  get missed(): number {
    return this.#missed.length;
  }

  /** What was to be sent and cannot be any more becomes history. */
  interrupt(): void {
    for (const held of this.#changed) this.#miss(held);
    this.#changed.clear();
  }

  #miss(held: Held): void {
    const { version, value, quality, at } = held;
    if (this.#historyLimit === 0 || at === null) return void this.dropped++;
    this.#missed.push({ held, version, value, quality, at });
    if (this.#missed.length <= this.#historyLimit) return;
    this.#missed.shift();
    this.dropped++;
  }

  #declare(row: MetricRow): Held | null {
    if (this.#held.size >= MOST_METRICS) return null;
    const held: Held = { row, alias: this.#nextAlias(), value: null, quality: "stale", at: null, version: 0 };
    this.#held.set(row.metric.toLowerCase(), held);
    this.#isNew = true;
    return held;
  }
}

/** Good is the quality of what says none (Sparkplug 3.0 §6.4.9.1). */
const dataOf = ({ row, alias, value, quality, at }: Pick<Held, "row" | "alias" | "value" | "quality"> & { readonly at: number }): Metric => ({
  alias, timestamp: at, datatype: row.datatype, showsDatatype: false, value, ...(quality !== "good" && { quality }),
});

const inTime = (metrics: readonly Metric[]): readonly Metric[] => [...metrics].sort((a, b) => a.timestamp - b.timestamp);

const same = (one: MetricValue, other: MetricValue): boolean =>
  one === other || (typeof one === "object" && typeof other === "object" && one !== null && other !== null && JSON.stringify(one) === JSON.stringify(other));
