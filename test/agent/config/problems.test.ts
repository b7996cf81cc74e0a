/**
 * Bad files and the text a technician sees: cases/NAME.yaml → cases/NAME.txt. A new mistake from the field is one more
 * pair. `UPDATE_CASES=1` writes the texts anew; read them before committing.
 */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { explain } from "../../../agent/config/explain.ts";
import { decodeConfiguration } from "../../../agent/config/load.ts";
import { HOST, KINDS } from "./kinds.ts";

const FOLDER = join(import.meta.dirname, "cases");
const NAMES = readdirSync(FOLDER).filter((file) => file.endsWith(".yaml")).map((file) => file.slice(0, -5));

describe("what a bad file is told", () => {
  it.each(NAMES)("%s", (name) => {
    const loaded = decodeConfiguration(readFileSync(join(FOLDER, `${name}.yaml`), "utf8"), `${name}.yaml`, KINDS, HOST);
    expect(loaded.ok, "only the case of warnings is a usable file").toBe(name === "warnings");
    const text = explain(loaded.ok ? loaded.warnings : loaded.problems, { colours: false });
    const file = join(FOLDER, `${name}.txt`);
    if (process.env["UPDATE_CASES"] === "1") writeFileSync(file, text);
    expect(text).toBe(readFileSync(file, "utf8"));
  });
});
