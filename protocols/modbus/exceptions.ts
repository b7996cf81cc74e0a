/** What a device says when it refuses (specification V1.1b3 §7; modbus.md §1), in words, and what follows from it. */

interface ExceptionRow {
  readonly words: string;
  /**
   * configuration: asking again soon is useless. passing: the next poll may be answered. absent: a gateway found no
   * device behind it, which is as good as silence.
   */
  readonly kind: "configuration" | "passing" | "absent";
  readonly source: string;
}

/** No exception of the protocol: the answer is numbered as ours and whole, and of another length than what was asked for. */
export const MISSHAPEN = -1;

const EXCEPTIONS: Readonly<Record<number, ExceptionRow>> = {
  [MISSHAPEN]: { words: "it answers with more or less than was asked for: is it the right table, and does it give so many at once?", kind: "configuration", source: "§6.3" },
  1: { words: "it does not know this function: is it the right table?", kind: "configuration", source: "§1" },
  2: { words: "it does not have this address: does its manual count from 1?", kind: "configuration", source: "§1" },
  3: { words: "it does not give so many at once, or not these together", kind: "configuration", source: "§1" },
  4: { words: "it reports a failure of its own", kind: "passing", source: "§1" },
  5: { words: "it has taken the request and needs longer", kind: "passing", source: "§1" },
  6: { words: "it is busy", kind: "passing", source: "§1" },
  8: { words: "its memory has a parity error", kind: "passing", source: "§1" },
  10: { words: "the gateway has no way to this unit: are its serial settings right?", kind: "absent", source: "§1" },
  11: { words: "the gateway got no answer from this unit", kind: "absent", source: "§1" },
};

export const exceptionOf = (code: number): ExceptionRow => EXCEPTIONS[code] ?? { words: "a reason that the specification does not list", kind: "passing", source: "§1" };
