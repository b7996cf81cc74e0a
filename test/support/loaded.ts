/** A configuration from text, for tests: problems become the test's failure, in words. */
import { decodeConfiguration } from "../../agent/config/load.ts";
import type { Configuration } from "../../agent/config/model.ts";
import { DESTINATION_KINDS, SOURCE_KINDS } from "../../agent/registry.ts";

/** Of an MQTT destination: nothing waits for its window, so that a test need not either. */
export const NO_WINDOWS = "latency: {cycle: 0s, count: 0s, summary: 0s, receipt: 0s}";

export function loadedFrom(yaml: string): Configuration {
  const loaded = decodeConfiguration(yaml, "test.yaml", { sources: SOURCE_KINDS, destinations: DESTINATION_KINDS });
  if (!loaded.ok) throw new Error(loaded.problems.map((problem) => `${problem.line}: ${problem.path}: ${problem.found}; expected ${problem.expected}`).join("\n"));
  return loaded.configuration;
}
