/**
 * What a bridge keeps of our records: the highest revision of each, and the proof that none is missing. Each record
 * names the row before it (`prev`); a name that never came is a hole (design.md §5.3). Grows with the shift, and ends with it.
 */
import type { RecordEvent } from "./event.ts";

export class Ledger {
  received = 0;
  /** Same id and revision again: QoS 1 allows it. */
  duplicates = 0;
  private readonly newest = new Map<string, RecordEvent>();
  private readonly ids = new Set<string>();
  private readonly rows = new Map<string, Set<number>>();
  private readonly named = new Map<string, Set<number>>();

  /** True when it is news: not a repeat. */
  take(event: RecordEvent): boolean {
    this.received++;
    setOf(this.rows, event.epoch).add(event.seq);
    if (event.prev > 0) setOf(this.named, event.epoch).add(event.prev);
    if (this.ids.has(event.id)) {
      this.duplicates++;
      return false;
    }
    this.ids.add(event.id);
    const key = String(event.data["recordId"]);
    const before = this.newest.get(key);
    if (before === undefined || Number(before.data["rev"]) < Number(event.data["rev"])) this.newest.set(key, event);
    return true;
  }
  /** Rows that others name as the one before them and that never came. */
  get lost(): number {
    let lost = 0;
    for (const [epoch, named] of this.named) for (const seq of named) if (this.rows.get(epoch)?.has(seq) !== true) lost++;
    return lost;
  }
  /** Last revision of each record of a type, void ones left out, in order of their start. */
  of(type: RecordEvent["type"]): RecordEvent[] {
    return [...this.newest.values()].filter((event) => event.type === type && event.data["status"] !== "void")
      .sort((a, b) => String(a.data["start"]).localeCompare(String(b.data["start"])));
  }
}

function setOf(sets: Map<string, Set<number>>, key: string): Set<number> {
  const found = sets.get(key) ?? new Set<number>();
  sets.set(key, found);
  return found;
}
