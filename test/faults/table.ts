/** What came of the runs, summed up per case, as a table for people: Markdown, so that it can stand in docs/reliability.md as it is. */
import type { FaultCase, Tally } from "./case.ts";

export class Row {
  readonly of: FaultCase;
  readonly planned: number;
  done = 0;
  violated = 0;
  #faults = 0;
  #stored = 0;
  #messages = 0;
  #repeats = 0;
  #covered = 0;
  #backMs: number | null = null;
  #ms = 0;
  readonly #notes = new Map<string, number>();

  constructor(of: FaultCase, planned: number) {
    this.of = of;
    this.planned = planned;
  }

  add(tally: Tally, ms: number): void {
    this.done++;
    this.violated += tally.violations.length > 0 ? 1 : 0;
    this.#faults += tally.faults;
    this.#stored += tally.stored;
    this.#messages += tally.messages;
    this.#repeats += tally.repeats;
    this.#covered += tally.covered;
    this.#ms += ms;
    if (tally.backMs !== undefined) this.#backMs = Math.max(this.#backMs ?? 0, tally.backMs);
    if (tally.note !== undefined) this.#notes.set(tally.note, (this.#notes.get(tally.note) ?? 0) + 1);
  }

  cells(): readonly string[] {
    const plain = (value: number): string => Math.round(value).toLocaleString("en");
    return [
      this.of.name, plain(this.done), plain(this.#faults), plain(this.#stored), plain(this.#messages), plain(this.#repeats), plain(this.#covered),
      this.#backMs === null ? "" : `${(this.#backMs / 1_000).toFixed(2)} s`, plain(this.violated), `${(this.#ms / 1_000).toFixed(0)} s`,
      [...this.#notes].map(([words, times]) => `${words} (${times})`).join("; "),
    ];
  }
}

const HEADS = ["case", "runs", "faults", "rows stored", "messages", "repeats", "covered by a loss", "longest until back", "violated", "time", "remarks"];

export function table(rows: readonly Row[]): readonly string[] {
  const cells = [HEADS, ...rows.map((row) => row.cells())];
  const widths = HEADS.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
  const line = (row: readonly string[], fill: (text: string, width: number, column: number) => string): string => `| ${row.map((text, column) => fill(text, widths[column] ?? 0, column)).join(" | ")} |`;
  const numeric = (column: number): boolean => column > 0 && column < HEADS.length - 1;
  const padded = (text: string, width: number, column: number): string => (numeric(column) ? text.padStart(width) : text.padEnd(width));
  return [line(HEADS, padded), line(HEADS, (_, width, column) => (numeric(column) ? `${"-".repeat(width - 1)}:` : "-".repeat(width))), ...cells.slice(1).map((row) => line(row, padded))];
}
