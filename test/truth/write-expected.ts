/** Writes test/truth/expected/*.json from the recordings: run by hand when a rule changes, and read the difference. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { expectedFile, expectedText } from "./expected.ts";
import { RECORDINGS } from "./recordings.ts";
import { truthOf } from "./truth.ts";

for (const recording of RECORDINGS) {
  const truth = truthOf(recording);
  const file = expectedFile(recording.name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, expectedText(truth));
  const parts = truth.steps.reduce((sum, step) => sum + step.parts, 0);
  console.log(`${recording.name}: ${truth.cycles.length} cycles, ${parts} parts, ${truth.states.length} states, clamps ${JSON.stringify(truth.clamps)}`);
}
