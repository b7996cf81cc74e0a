/** The JSON Schema of the configuration file, for editors; made of the same shapes that decode it. */
import type { JsonSchema } from "../contract/shape.ts";
import { fileShape } from "./file-shape.ts";
import type { Kinds } from "./kinds.ts";

/** Draft 2020-12. Looser than `check` where a schema cannot say it: names that must differ, checks across keys. */
export const configurationSchema = (kinds: Kinds): JsonSchema => ({
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "urn:cellgate:configuration:1",
  title: "Cellgate configuration",
  ...fileShape(kinds).schema,
});
