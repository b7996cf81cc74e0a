/** `npm run` hands a program's standard output on as it is: it goes into files and pipes. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
/** Without what an outer `npm test` hands down: the folder's own settings must do it. */
const outside = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

it("puts nothing of npm's own before a program's output", async () => {
  const { stdout } = await promisify(execFile)("npm", ["run", "vitest", "--", "--version"], { cwd: ROOT, env: outside, timeout: 30_000 });
  expect(stdout).toMatch(/^vitest\/\d+\.\d+\.\d+ [^\n]+\n$/);
});
