/**
 * How long to wait before the next try: doubling from `firstMs` to `maximumMs`, each wait somewhere in the upper half
 * of its step, so that many agents do not knock at once after an outage and none knocks without a pause.
 * Pure: chance is handed in.
 */
export interface RetrySettings {
  readonly firstMs: number;
  readonly maximumMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Never ends. Begin a new series once a link has proved itself; until then go on with the same one. */
export function* retryDelays({ firstMs, maximumMs, random }: RetrySettings): Generator<number, never, void> {
  for (let stepMs = Math.min(firstMs, maximumMs); ; stepMs = Math.min(maximumMs, stepMs * 2)) yield Math.round(stepMs / 2 + (random() * stepMs) / 2);
}
