/**
 * File systems that fill up, turn read-only or lose their files under a working buffer: real ones, mounted for the test
 * (which takes root; elsewhere only what needs no mount runs).
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Outbox } from "../../../agent/contract/outbox.ts";
import { commitOf, record } from "../records.ts";
import { memoryLog, numbers, open, temporaryDirectory } from "../support.ts";

const many = (from: number, count: number, bytes = 100): ReturnType<typeof record>[] =>
  Array.from({ length: count }, (_, i) => record(from + i, "cycle", { n: from + i, text: "x".repeat(bytes) }));
const idsOf = (outbox: Outbox): readonly string[] => outbox.pending("bridge", 0, 100_000).filter(({ type }) => type !== "loss").map(({ id }) => id);
const expected = (count: number, from = 1): readonly string[] => many(from, count, 0).map(({ id }) => id);
const until = async (condition: () => boolean): Promise<void> => {
  for (const end = Date.now() + 15_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 5)))
    if (Date.now() > end) throw new Error("not within 15 s");
};
const losses = (outbox: Outbox): object[] => outbox.pending("bridge", 0, 100_000).filter(({ type }) => type === "loss").map(({ body }) => JSON.parse(body) as object);

interface Disk { readonly at: string; readonly image: string }
const mount = (...args: string[]): void => void execFileSync("mount", args);
/** A file system of its own; ext4 on a file, so that it can be made to fail like a card. */
function mounted(type: "tmpfs" | "ext4", megabytes: number): Disk {
  const folder = temporaryDirectory();
  const [at, image] = [join(folder, "disk"), join(folder, "image")];
  mkdirSync(at);
  if (type === "tmpfs") mount("-t", "tmpfs", "-o", `size=${megabytes}m`, "cellgate-test", at);
  else {
    execFileSync("truncate", ["-s", `${megabytes}M`, image]);
    execFileSync("mkfs.ext4", ["-q", "-F", image], { env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` } });
    mount("-o", "loop,errors=remount-ro", image, at);
  }
  onTestFinished(() => void execFileSync("umount", ["-l", at]));
  return { at, image };
}
function canMount(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0 || !existsSync("/sys/fs/ext4")) return false;
  try {
    for (const tool of ["mkfs.ext4", "chattr", "losetup"]) execFileSync("sh", ["-c", `PATH="$PATH:/usr/sbin:/sbin" command -v ${tool}`], { stdio: "ignore" });
    execFileSync("unshare", ["-m", "mount", "-t", "tmpfs", "-o", "size=64k", "cellgate-test", "/tmp"], { stdio: "ignore" });
    return true;
  } catch (cause) {
    if (cause instanceof Error) return false; // No mounts in here, or a tool is missing (e2fsprogs).
    throw cause;
  }
}

describe.runIf(canMount())("a file system", () => {
  it("that others fill to the last byte: every row is stored in the end, or a loss record names it", { timeout: 40_000 }, async () => {
    const { at } = mounted("tmpfs", 48);
    const dataDir = join(at, "data");
    const outbox = open({ dataDir });
    await outbox.commit(commitOf(many(1, 500)));
    const foreign = join(at, "foreign");
    for (let bytes = 48 * 1024 * 1024; bytes > 1_000;) {
      try {
        writeFileSync(foreign, Buffer.alloc(bytes), { flag: "a" });
      } catch {
        bytes = Math.floor(bytes / 2); // Until nothing fits any more.
      }
    }
    const commits = Array.from({ length: 40 }, (_, i) => outbox.commit(commitOf(many(501 + i * 10, 10, 2_000))));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(idsOf(outbox).length).toBeGreaterThan(0); // Reading goes on.
    rmSync(foreign);
    await Promise.all(commits);
    await until(() => outbox.status().condition.state === "ok");
    await outbox.close();
    const again = open({ dataDir });
    const kept = new Set(numbers(again));
    const lost = losses(again) as readonly { readonly fromSeq: number; readonly toSeq: number }[];
    const missing = Array.from({ length: again.status().lastSeq }, (_, i) => i + 1).filter((seq) => !kept.has(seq));
    expect(again.status().lastSeq).toBe(900 + lost.length);
    expect(missing.filter((seq) => lost.filter(({ fromSeq, toSeq }) => fromSeq <= seq && seq <= toSeq).length !== 1)).toEqual([]);
    await again.close(); // Before its file system goes.
  });

  it("that a failing card turned read-only: commits are held, what is stored is given out, and nothing stored is lost", { timeout: 30_000 }, async () => {
    const { at, image } = mounted("ext4", 32);
    const dataDir = join(at, "data");
    const outbox = open({ dataDir });
    await outbox.commit(commitOf(many(1, 50), { checkpoint: { key: "A", json: "50" } }));
    const loop = execFileSync("losetup", ["-j", image], { encoding: "utf8" }).split(":")[0]?.split("/").at(-1) ?? "";
    writeFileSync(`/sys/fs/ext4/${loop}/trigger_fs_error`, "test"); // What the kernel does when the card answers with errors.
    const held = outbox.commit(commitOf(many(51, 5), { checkpoint: { key: "A", json: "55" } }));
    await until(() => outbox.status().condition.state === "degraded");
    expect(outbox.status().condition).toMatchObject({ fault: "read-only", heldRecords: 5, message: expect.stringContaining("remount") as string });
    expect(idsOf(outbox)).toEqual(expected(50));
    outbox.settle("bridge", { accepted: [1, 2], rejected: [] });
    await new Promise((resolve) => setTimeout(resolve, 1_000)); // Two more tries.
    expect(numbers(outbox, "bridge", 0, 1)).toEqual([3]);
    const [rejected] = await Promise.allSettled([held, outbox.close()]);
    expect(rejected).toMatchObject({ status: "rejected", reason: { fault: "read-only" } });
    execFileSync("umount", [at]);
    mount("-o", "loop", image, at);
    const again = open({ dataDir });
    expect(again.checkpoint("A")).toBe("50");
    expect(idsOf(again)).toEqual(expected(50));
    await again.close();
  });

  it("on which we may no longer write: commits are held, and stored once we may again", { timeout: 30_000 }, async () => {
    const { at } = mounted("ext4", 32);
    const dataDir = join(at, "data");
    const outbox = open({ dataDir });
    await outbox.commit(commitOf(many(1, 50)));
    const files = readdirSync(dataDir).filter((name) => /\.db(-wal)?$/.test(name)).map((name) => join(dataDir, name));
    execFileSync("chattr", ["+i", ...files]);
    const held = outbox.commit(commitOf(many(51, 5)));
    await until(() => outbox.status().condition.state === "degraded");
    expect(outbox.status().condition).toMatchObject({ fault: "read-only", message: expect.stringMatching(/chown, chmod/) as string });
    execFileSync("chattr", ["-i", ...files]);
    expect(await held).toBe(55);
    expect(idsOf(outbox)).toEqual(expected(55));
    expect(outbox.status().condition).toEqual({ state: "ok" });
    await outbox.close();
  });
});

describe("files that vanish under a working buffer", () => {
  const started = async (): Promise<{ readonly dataDir: string; readonly outbox: Outbox; readonly log: ReturnType<typeof memoryLog> }> => {
    const dataDir = join(temporaryDirectory(), "data");
    const log = memoryLog();
    const outbox = open({ dataDir, log });
    await outbox.commit(commitOf(many(1, 100), { checkpoint: { key: "A", json: "100" } }));
    outbox.settle("bridge", { accepted: Array.from({ length: 40 }, (_, i) => i + 1), rejected: [] });
    await outbox.commit(commitOf(many(101, 10), { checkpoint: { key: "A", json: "110" } }));
    return { dataDir, outbox, log };
  };
  /** The next commit notices; what was unsettled, and the commit itself, are in the new file. */
  async function replacedBy(outbox: Outbox, dataDir: string): Promise<Outbox> {
    const began = performance.now();
    await expect(outbox.commit(commitOf(many(111, 5), { checkpoint: { key: "A", json: "115" } }))).rejects.toMatchObject({ fault: "replaced" });
    expect(await outbox.replaced).toMatchObject({ fault: "replaced", message: expect.stringContaining("while in use") as string });
    expect(() => outbox.pending("bridge", 0, 1)).toThrow(expect.objectContaining({ fault: "replaced" }) as Error);
    await outbox.close();
    const again = open({ dataDir });
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(again.epoch).not.toBe(outbox.epoch);
    expect(again.checkpoint("A")).toBe("115");
    expect(idsOf(again)).toEqual(expected(75, 41));
    expect(losses(again)).toMatchObject([
      { reason: "buffer_corrupt", lostEpoch: outbox.epoch, fromSeq: 41, toSeq: 110, count: 0 }, { reason: "buffer_corrupt", lostEpoch: outbox.epoch, fromSeq: 111, toSeq: null, count: 0 },
    ]);
    expect(await again.commit(commitOf([record(1_000)]))).toBe(78);
    return again;
  }

  it("the database: noticed with the next commit, read out through the open file, begun anew", async () => {
    const { dataDir, outbox } = await started();
    rmSync(join(dataDir, "cellgate.db"));
    const again = await replacedBy(outbox, dataDir);
    expect(again.status()).toMatchObject({ fault: null, condition: { state: "ok" } });
  });
  it("the whole folder", async () => {
    const { dataDir, outbox } = await started();
    rmSync(dataDir, { recursive: true });
    await replacedBy(outbox, dataDir);
    expect(existsSync(join(dataDir, "quarantine"))).toBe(false); // There was nothing to set aside.
  });
  it("another file in the place of the database: it goes to quarantine untouched", async () => {
    const { dataDir, outbox } = await started();
    rmSync(join(dataDir, "cellgate.db"));
    writeFileSync(join(dataDir, "cellgate.db"), "somebody's notes");
    await replacedBy(outbox, dataDir);
    const [folder = ""] = readdirSync(join(dataDir, "quarantine"));
    expect(readFileSync(join(dataDir, "quarantine", folder, "cellgate.db"), "utf8")).toBe("somebody's notes");
  });
  it("an older copy put back while in use", async () => {
    const { dataDir, outbox } = await started();
    renameSync(join(dataDir, "cellgate.db"), join(dataDir, "copy"));
    writeFileSync(join(dataDir, "cellgate.db"), readFileSync(join(dataDir, "copy")));
    const again = await replacedBy(outbox, dataDir);
    expect(again.status()).toMatchObject({ fault: null, condition: { state: "ok" } });
  });
  it.each(["removed", "replaced"])("the log alone, %s: nothing is lost, the same file goes on", async (how) => {
    const { dataDir, outbox, log } = await started();
    rmSync(join(dataDir, "cellgate.db-wal"));
    if (how === "replaced") writeFileSync(join(dataDir, "cellgate.db-wal"), "not a log");
    expect(await outbox.commit(commitOf(many(111, 5)))).toBe(115);
    expect(idsOf(outbox)).toEqual(expected(75, 41));
    expect(outbox.status()).toMatchObject({ fault: null, condition: { state: "ok" } });
    expect(log.lines.map(({ fields }) => JSON.stringify(fields)).join()).toContain("cellgate.db-wal was removed or replaced while in use");
    await outbox.close();
    const again = open({ dataDir });
    expect(again.epoch).toBe(outbox.epoch);
    expect(idsOf(again)).toEqual(expected(75, 41));
  });
});
