/** docs/sparkplug.md names the test for each normative statement of the specification; here the two are held together. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../../..");
const titles = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".test.ts") && name !== "checklist.test.ts")
  .map((name) => ({ name, lines: readFileSync(join(import.meta.dirname, name), "utf8").split("\n").filter((line) => /^\s*test(\.each\(.*\))?\(/.test(line)) }));
const rows = [...readFileSync(join(root, "docs/sparkplug.md"), "utf8").matchAll(/^\| `([A-Za-z0-9_-]+)` \| `([a-z-]+\.test\.ts)` \|/gm)].map(([, id = "", file = ""]) => ({ id, file }));

test("every statement of the checklist stands in the title of a test, in the file that is named", () => {
  expect(rows.length).toBeGreaterThan(150);
  expect(rows.filter(({ id, file }) => !titles.some(({ name, lines }) => name === file && lines.some((line) => line.includes(`[${id}]`)))).map(({ id, file }) => `${id} in ${file}`)).toEqual([]);
});

test("every statement in a title stands in the checklist, once", () => {
  const listed = rows.map(({ id }) => id);
  const claimed = new Set(titles.flatMap(({ lines }) => lines.flatMap((line) => [...line.matchAll(/\[([a-z]+(?:-[A-Za-z0-9]+)+)\]/g)].map(([, id = ""]) => id))));
  expect([...claimed].filter((id) => !listed.includes(id))).toEqual([]);
  expect(listed.filter((id, at) => listed.indexOf(id) !== at)).toEqual([]);
});
