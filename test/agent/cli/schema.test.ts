/** `cellgate schema` prints what editors and bridges read. */
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { describe, expect, it } from "vitest";
import { schemaCommand } from "../../../agent/cli/schema.ts";
import { GOOD, KINDS } from "../config/kinds.ts";
import { run } from "./run.ts";

const COMMANDS = [schemaCommand({ kinds: KINDS, records: () => ({ cycle: { type: "object" } }), asyncapi: () => ({ asyncapi: "3.0.0" }) })];
const printed = async (...options: string[]): Promise<unknown> => JSON.parse((await run(["schema", ...options], COMMANDS)).out) as unknown;

describe("cellgate schema", () => {
  it("prints the configuration's JSON Schema, which accepts a good file and refuses a bad one", async () => {
    const validate = new Ajv2020({ strict: false }).compile((await printed()) as object);
    expect(validate(parse(GOOD))).toBe(true);
    expect(validate(parse(GOOD.replace("url:", "uri:")))).toBe(false);
  });
  it("describes every key for the editor", async () => {
    const missing: string[] = [];
    const visit = (schema: unknown, path: string): void => {
      if (typeof schema !== "object" || schema === null) return;
      for (const [key, value] of Object.entries(schema)) {
        if (key === "properties") for (const [name, property] of Object.entries(value as Record<string, object>)) if (!("description" in property) && !("const" in property)) missing.push(`${path}.${name}`);
        visit(value, `${path}.${key}`);
      }
    };
    visit(((await printed()) as { properties: { machines: unknown } }).properties, "");
    // The test's own kinds leave some of theirs out.
    expect(missing.filter((path) => !path.startsWith(".destinations"))).toEqual([]);
  });
  it("prints the records' schemas and the topics' document", async () => {
    expect(await printed("--records")).toEqual({ cycle: { type: "object" } });
    expect(await printed("--asyncapi", "--json")).toEqual({ asyncapi: "3.0.0" });
    expect(await run(["schema", "--records", "--asyncapi"], COMMANDS)).toMatchObject({ code: 2, out: "" });
  });
});
