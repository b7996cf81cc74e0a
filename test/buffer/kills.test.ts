/** What happens when the process ends without being asked: real kills. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openOutbox } from "../../buffer/outbox.ts";
import { seeded } from "../support/seeded.ts";
import { numbers, open, options, temporaryDirectory } from "./support.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

describe("a kill", () => {
  it("loses nothing that was stored or published, and leaves no lock behind", { timeout: 60_000 }, async () => {
    const random = seeded(seed);
    const dataDir = temporaryDirectory();
    let before = 0;
    for (let kill = 0; kill < 8; kill++) {
      const child = spawn(process.execPath, [join(import.meta.dirname, "../power-cut/writer.ts"), dataDir, String(seed + kill), "1000000", "right"], { stdio: ["ignore", "ignore", "inherit"] });
      const exited = once(child, "exit");
      const marks = join(dataDir, "writer.marks");
      const enough = before + Math.floor(random() * 40_000);
      const size = (): number => (existsSync(marks) ? statSync(marks).size : 0);
      while (size() <= enough && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5));
      child.kill("SIGKILL");
      await exited;
      before = size();
      const said = readFileSync(marks, "utf8").split("\n").slice(0, -1).map((line) => Number(line.split(" ")[1]));
      const outbox = open({ dataDir, destinations: [{ name: "bridge" }, { name: "audit" }, { name: "cycles", types: ["cycle"] }] });
      const last = outbox.status().lastSeq;
      expect(last, `seed ${seed}`).toBeGreaterThanOrEqual(Math.max(0, ...said));
      expect(numbers(outbox, "audit", 0, last + 1), `seed ${seed}`).toEqual(Array.from({ length: last }, (_, i) => i + 1));
      expect(JSON.parse(outbox.checkpoint("VMC-3") ?? "{}")).toMatchObject({ last });
      await outbox.close();
      expect(existsSync(join(dataDir, "quarantine"))).toBe(false);
    }
  });

  it("of the holder frees the directory; while it lives another process is refused", { timeout: 20_000 }, async () => {
    const dataDir = temporaryDirectory();
    const child = spawn(process.execPath, [join(import.meta.dirname, "../power-cut/writer.ts"), dataDir, "1", "1000000", "right"], { stdio: ["ignore", "ignore", "inherit"] });
    const exited = once(child, "exit");
    while (!existsSync(join(dataDir, "writer.marks")) || statSync(join(dataDir, "writer.marks")).size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(() => openOutbox(options({ dataDir }))).toThrow(expect.objectContaining({ code: "store", fault: "locked", message: expect.stringContaining(dataDir) as string }) as Error);
    child.kill("SIGKILL");
    await exited;
    expect(open({ dataDir }).status().lastSeq).toBeGreaterThan(0);
  });
});
