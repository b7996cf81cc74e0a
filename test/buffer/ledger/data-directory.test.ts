/** A data directory nothing can be kept in: told at once, in words that help. */
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { lockDirectory } from "../../../buffer/ledger/connection.ts";

const folder = mkdtempSync(join(tmpdir(), "cellgate-data-dir-"));
writeFileSync(join(folder, "file"), "");
symlinkSync(join(folder, "unmounted", "disk"), join(folder, "link"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the data directory", () => {
  it("is made with all folders above it", () => {
    const path = join(folder, "a", "b", "c");
    lockDirectory(path).release();
    lockDirectory(path).release();
    expect(existsSync(path)).toBe(true);
  });

  it.each([["a file", "file"], ["below a file", "file/data"], ["a link that leads nowhere", "link"], ["below such a link", "link/data"]])("that is %s is refused", (_, name) => {
    const path = join(folder, name);
    expect(() => lockDirectory(path)).toThrow(`the data directory ${path} cannot be used: it, or a part of its path, is no folder but a file or a link that leads nowhere`);
  });

  it.runIf(process.platform === "linux")("where folders cannot be made is refused, not tried for ever", () => {
    expect(() => lockDirectory("/proc/cellgate/data")).toThrow("the data directory /proc/cellgate/data cannot be used");
  });
});
