/** One measured figure: ours against a limit measured in the same run, or against a stated bound. */
export interface Figure {
  readonly figure: string;
  readonly ours: number;
  /** The raw limit in the same unit, or the bound. */
  readonly limit: number;
  /** ours / limit. */
  readonly ratio: number;
  readonly unit: string;
  readonly goal: string;
  readonly met: boolean;
}

/** Ours must reach `least` times a raw limit measured in the same run. */
export const atLeast = (figure: string, unit: string, ours: number, raw: { readonly limit: number; readonly least: number }): Figure =>
  ({ figure, unit, ours, limit: raw.limit, ratio: ours / raw.limit, goal: `at least ${raw.least} of raw`, met: ours / raw.limit >= raw.least });
/** Ours must stay within a bound. */
export const atMost = (figure: string, unit: string, ours: number, bound: number): Figure =>
  ({ figure, unit, ours, limit: bound, ratio: ours === 0 ? 0 : ours / bound, goal: `at most ${bound} ${unit}`, met: ours <= bound });
export const atLeastBound = (figure: string, unit: string, ours: number, bound: number): Figure =>
  ({ figure, unit, ours, limit: bound, ratio: ours / bound, goal: `at least ${bound} ${unit}`, met: ours >= bound });

export const percentile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
};
