/** A configuration from text, for tests: problems become the test's failure, in words. */
import { decodeConfiguration } from "../../agent/config/load.ts";
import type { Configuration } from "../../agent/config/model.ts";
import { DESTINATION_KINDS, SOURCE_KINDS } from "../../agent/registry.ts";

export function loadedFrom(yaml: string): Configuration {
  const loaded = decodeConfiguration(yaml, "test.yaml", { sources: SOURCE_KINDS, destinations: DESTINATION_KINDS });
  if (!loaded.ok) throw new Error(loaded.problems.map((problem) => `${problem.line}: ${problem.path}: ${problem.found}; expected ${problem.expected}`).join("\n"));
  return loaded.configuration;
}
