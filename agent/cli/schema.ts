/** `cellgate schema`: JSON Schemas of the configuration and of the records, and the AsyncAPI document of the topics. */
import type { Kinds } from "../config/kinds.ts";
import { configurationSchema } from "../config/json-schema.ts";
import { UsageError } from "./arguments.ts";
import { GOOD, type Command } from "./cli.ts";
import { write } from "./terminal.ts";

export interface SchemaSources {
  readonly kinds: Kinds;
  /** JSON Schemas of the records, by record type. */
  readonly records: () => unknown;
  /** The AsyncAPI 3 document of the topics. */
  readonly asyncapi: () => unknown;
}

export const schemaCommand = ({ kinds, records, asyncapi }: SchemaSources): Command => ({
  name: "schema",
  summary: "print the JSON Schema of the configuration file or of the records",
  positionals: [],
  options: {
    records: { kind: "flag", help: "the JSON Schemas of the records, by type" },
    asyncapi: { kind: "flag", help: "the AsyncAPI 3 document of the topics" },
    json: { kind: "flag", help: "JSON, which it is in any case" },
  },
  details: "Without an option: the JSON Schema of the configuration. In an editor with a YAML language server, the first line\n  # yaml-language-server: $schema=./cellgate.schema.json\nof cellgate.yaml names the file it was saved to.",
  async run(args, io) {
    if (args.flag("records") && args.flag("asyncapi")) throw new UsageError("--records and --asyncapi print two documents; take one at a time");
    const document = args.flag("records") ? records() : args.flag("asyncapi") ? asyncapi() : configurationSchema(kinds);
    await write(io.stdout, `${JSON.stringify(document, null, 2)}\n`);
    return GOOD;
  },
});
