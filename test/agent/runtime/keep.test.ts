/** Small texts beside the buffer: whole or not at all, over restarts. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keepIn } from "../../../agent/runtime/keep.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cellgate-keep-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("what was written is read, by another too; the newest stands, and nothing else is left lying about", async () => {
  const keep = keepIn(folder);
  expect(await keep.read("a.b_c-1")).toBeNull();
  await keep.write("a.b_c-1", "1\n");
  await keep.write("a.b_c-1", "2\n");
  expect([await keep.read("a.b_c-1"), await keepIn(folder).read("a.b_c-1"), await keep.read("other")]).toEqual(["2\n", "2\n", null]);
  expect(await readdir(join(folder, "kept"))).toEqual(["a.b_c-1"]);
});

test("what a cut left half written is not read, and is written over", async () => {
  const keep = keepIn(folder);
  await keep.write("n", "7");
  await writeFile(join(folder, "kept", "n.new"), "garb");
  expect(await keep.read("n")).toBe("7");
  await keep.write("n", "8");
  expect([await keep.read("n"), await readdir(join(folder, "kept"))]).toEqual(["8", ["n"]]);
});

test("a name that would lead elsewhere, or a text without end, is our mistake", async () => {
  const keep = keepIn(folder);
  for (const key of ["", "../x", "a/b", ".hidden", "a\0"]) {
    await expect(keep.write(key, "x")).rejects.toThrow("no name");
    await expect(keep.read(key)).rejects.toThrow("no name");
  }
  await expect(keep.write("n", "x".repeat(65_537))).rejects.toThrow("larger");
});
