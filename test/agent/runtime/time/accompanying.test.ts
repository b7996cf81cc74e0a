/** A source that only ever tells what accompanies, and never that it has told all: what waits for its instant is bounded. */
import { expect, it } from "vitest";
import type { Batch, Reading } from "../../../../agent/contract/observation.ts";
import { monoMs, unixMs, type Instant } from "../../../../agent/contract/time.ts";
import { stampBatch } from "../../../../agent/runtime/time/stamp.ts";
import { initialStamp, type StampState } from "../../../../agent/runtime/time/stamp-state.ts";

const START = Date.UTC(2026, 0, 5, 6);
const received = (ms: number): Instant => ({ unixMs: unixMs(START + ms), monoMs: monoMs(ms), boot: "one" });
const SETTINGS = { machine: "VMC-3", source: "shdr", policy: "source", toleranceMs: 5_000 } as const;
const said = (signal: string, value: string | number, ms: number): Reading => ({ kind: "reading", signal, value, quality: "GOOD", sourceTime: unixMs(START + ms) });

function fed(batches: readonly (readonly Reading[])[]): { readonly state: StampState; readonly most: number; readonly given: readonly string[] } {
  let [state, most] = [initialStamp, 0];
  const given: string[] = [];
  for (const [place, items] of batches.entries()) {
    const batch: Batch = { items, caughtUp: false };
    const [next, events] = stampBatch(SETTINGS, state, batch, { source: "shdr", received: received(place) });
    state = next;
    most = Math.max(most, JSON.stringify(state).length);
    for (const event of events) if (event.kind === "observations") given.push(...event.items.map(({ signal, value, at }) => `${signal} ${JSON.stringify(value)} ${at - START}`));
  }
  return { state, most, given };
}

it.each([["of later stamps", 1], ["of one stamp", 0]] as const)("100,000 readings %s: bounded, none lost, in order", (_, step) => {
  const readings = Array.from({ length: 100_000 }, (__, number) => said("spindle_speed", number, 10 + number * step));
  const batches = Array.from({ length: 1_000 }, (__, place) => readings.slice(place * 100, place * 100 + 100));
  const { state, most, given } = fed([[said("execution", "ACTIVE", 5)], ...batches]);
  expect(most).toBeLessThan(1_000_000);
  const waiting = state.pending === null ? 0 : state.pending.items.length + state.pending.trailing.length;
  expect(given.length + waiting).toBe(100_001);
  expect(given[0]).toBe("execution \"ACTIVE\" 5");
  expect(given.slice(1)).toEqual(readings.slice(0, given.length - 1).map(({ value, sourceTime }) => `spindle_speed ${JSON.stringify(value)} ${Number(sourceTime) - START}`));
});

it("what became true at one instant stays together, with fewer readings beside it than a control has", () => {
  const beside = Array.from({ length: 1_500 }, (_, number) => said("spindle_speed", number, 5));
  const [, events] = stampBatch(SETTINGS, initialStamp, { items: [said("execution", "ACTIVE", 5), ...beside, said("controller_mode", "AUTOMATIC", 5)], caughtUp: true }, { source: "shdr", received: received(0) });
  expect(events.map((event) => (event.kind === "observations" ? event.items.length : 0))).toEqual([2, 1_500]);
});
