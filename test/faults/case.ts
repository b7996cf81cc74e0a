/** What a case of the fault harness is: a name, how often it runs, and one run in a folder and a process of its own, told by its seed alone. */
import type { Tool } from "../support/needs.ts";

export type Length = "short" | "long";

/** What makes a run, plain: it is handed to a process of its own. */
export interface Order {
  /** Of the case. */
  readonly name: string;
  /** Its own, empty; removed after a run without violation. */
  readonly folder: string;
  readonly seed: number;
  /** Which run of the case, from 0. */
  readonly index: number;
  readonly length: Length;
}
export interface Run extends Order {
  /** Numbers in [0, 1) from the seed. */
  readonly random: () => number;
}
export interface Tally {
  /** Faults done to it in this run. */
  readonly faults: number;
  readonly stored: number;
  readonly messages: number;
  /** Rows that a loss record stands for. */
  readonly covered: number;
  readonly repeats: number;
  /** Longest time from a start to service again; ms. Absent: not measured. */
  readonly backMs?: number;
  readonly violations: readonly string[];
  /** What a reader of the table should know, in a few words. */
  readonly note?: string;
}
export interface FaultCase {
  readonly name: string;
  /** One line: what is done, and to what. */
  readonly what: string;
  readonly needs?: readonly Tool[];
  /** How many runs there are; each has its own seed. */
  readonly runs: Readonly<Record<Length, number>>;
  /** A run that takes longer has failed; ms. */
  readonly longestMs: number;
  /** True: nothing else runs beside it, because what it shows is a matter of time. */
  readonly alone?: boolean;
  run(run: Run): Promise<Tally>;
}
