/** One machine from batches to findings: what is promised of the past while the present goes on. */
import { expect, test } from "vitest";
import type { Batch, Reading } from "../../../../agent/contract/observation.ts";
import { monoMs, rfc3339, unixMs } from "../../../../agent/contract/time.ts";
import { machineDetector } from "../../../../agent/detect/machine.ts";
import { createPipeline } from "../../../../agent/runtime/machine/pipeline.ts";
import { RULES, second } from "../../../support/timeline.ts";

const arrival = { source: "s", received: { unixMs: unixMs(0), monoMs: monoMs(0), boot: "b" } };
let position = 0;
const reading = (seconds: number, signal: string, value: string | number): Reading => ({ kind: "reading", signal, quality: "GOOD", value, sourceTime: second(seconds), instance: "1", position: (position += 1) });
const batch = (now: number, ...items: Reading[]): Batch => ({ items, caughtUp: true, sourceNow: second(now) });

test("the rest of an instant that comes in the next document is not behind what was promised", () => {
  const pipeline = createPipeline({ id: "M", rules: { ...RULES, cycle: { ...RULES.cycle, quantity: "counter" } } }, { name: "s", time: "source", clockToleranceMs: 5_000 }, machineDetector);
  let state = pipeline.initial();
  const take = (one: Batch): string[] => {
    const promised = pipeline.completeThrough(state);
    const [next, findings] = pipeline.batch(state, one, arrival);
    state = next;
    return findings.flatMap((finding) => (finding.kind === "record" && finding.record.rev === 1 && finding.record.body.end !== null && promised !== null && finding.record.body.end <= rfc3339(promised) ? [finding.record.type] : []));
  };
  const late = [
    batch(1, reading(1, "execution", "READY"), reading(1, "part_count", 1)), batch(10, reading(10, "execution", "ACTIVE")),
    batch(70, reading(70, "execution", "READY")), batch(70, reading(70, "part_count", 2)),
    // Parts of no cycle, at an instant already shown, and before it.
    batch(90, reading(90, "program", "O2")), batch(90, reading(90, "part_count", 3)), batch(91, reading(91, "program", "O3")), batch(91, reading(90.5, "part_count", 4)),
  ].flatMap(take);
  expect(late).toEqual([]);
  expect(pipeline.completeThrough(state)).toBe(second(91) - 1);
  take(batch(200));
  // What stamps lags its document by half a second, and an instant settles in one.
  expect(pipeline.completeThrough(state)).toBe(second(198.5));
});
