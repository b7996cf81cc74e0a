/**
 * The k-th write or sync of a running buffer fails, for some k (test/faults goes through all of them): the error comes
 * from the system call itself, by strace. Whatever k, every commit is stored in the end, once, under the number reported.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { describeNeeding } from "../../support/needs.ts";
import { uuid } from "../records.ts";
import { open, temporaryDirectory } from "../support.ts";

const COMMITS = 40;
const WRITER = join(import.meta.dirname, "injected-writer.ts");

describeNeeding(["strace"], "a system call of the buffer that fails", () => {
  it.each([
    ["pwrite64", "EIO", "70"], ["pwrite64", "EIO", "90..97"], ["pwrite64", "ENOSPC", "75"], ["pwrite64", "ENOSPC", "80..83"],
    ["fdatasync", "EIO", "3"], ["fsync", "EIO", "6..9"],
    ["pread64", "EIO", "20"], ["pread64", "EIO", "60"],
  ])("%s with %s, at %s", { timeout: 60_000 }, async (call, error, when) => {
    const dataDir = temporaryDirectory();
    await open({ dataDir }).close(); // What fails is the work, not the making of the file.
    const args = ["-f", "-qq", "-o", "/dev/null", "--seccomp-bpf", "-e", `trace=${call}`, "-e", `inject=${call}:error=${error}:when=${when}`, process.execPath, WRITER, dataDir, String(COMMITS)];
    const { stdout } = await promisify(execFile)("strace", args, { timeout: 50_000 });
    const { numbers, faults } = JSON.parse(stdout) as { readonly numbers: readonly number[]; readonly faults: readonly string[] };
    expect(numbers).toEqual(Array.from({ length: COMMITS }, (_, i) => 2 * (i + 1)));
    const expected = error === "ENOSPC" ? "full" : call === "pread64" ? "corrupt" : "io"; // So SQLite tells a read that fails.
    expect([expected]).toEqual(expect.arrayContaining([...faults]));
    expect(existsSync(join(dataDir, "quarantine"))).toBe(false); // What is met once is read again.
    const outbox = open({ dataDir });
    expect(outbox.pending("bridge", 0, 1_000).map(({ seq, id }) => [seq, id])).toEqual(Array.from({ length: 2 * COMMITS }, (_, i) => [i + 1, uuid(i + 1)]));
    expect(outbox.checkpoint("A")).toBe(String(COMMITS));
  });
});
