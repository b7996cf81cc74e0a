/** `npm run demo` as a user runs it: the built agent, a broker, the simulated machine; a few seconds of it. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../deploy/demo/event.ts";
import { Ledger } from "../../deploy/demo/ledger.ts";
import { raiseStage } from "../../deploy/demo/stage.ts";

const ROOT = join(import.meta.dirname, "../..");
const built = existsSync(join(ROOT, "dist/cellgate.mjs"));
if (!built && process.env["CI"] === "true") throw new Error("dist/cellgate.mjs is not there: run npm run build first");

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
function demo(args: readonly string[], onLine?: (line: string, kill: (signal: NodeJS.Signals) => void) => void): Promise<Ended> {
  const child = spawn(process.execPath, ["deploy/demo/demo.ts", ...args], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    for (const line of text.split("\n")) onLine?.(line, (signal) => void child.kill(signal));
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve) => {
    child.once("close", (code) => {
      resolve({ code, stdout, stderr });
    });
  });
}

describe.skipIf(!built)("the demo", () => {
  it("shows three cycles and a downtime of the first twenty minutes, loses nothing, and prints only JSON with --json", async () => {
    const { code, stdout, stderr } = await demo(["--json", "--seconds", "4"]);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    const ledger = new Ledger();
    for (const line of lines.slice(0, -1)) {
      const event = decodeEvent(line);
      if (event === null) throw new Error(`not a record: ${line}`);
      ledger.take(event);
    }
    const before = (type: "cycle" | "downtime"): number => ledger.of(type).filter(({ data }) => Date.parse(String(data["end"])) % 86_400_000 < (6 * 60 + 20) * 60_000).length;
    expect([before("cycle"), before("downtime"), ledger.lost]).toEqual([3, 1, 0]);
    const { summary } = JSON.parse(lines.at(-1) ?? "") as { readonly summary: { readonly records: object; readonly parts: number } };
    expect(summary.records).toEqual({ received: lines.length - 1, duplicates: ledger.duplicates, lost: 0 });
    expect(summary.parts).toBeGreaterThanOrEqual(3);
    expect(stderr).toContain("cycle done: O1234");
  });

  it("ends with a summary when interrupted", async () => {
    let asked = false;
    const { code, stdout } = await demo([], (line, kill) => {
      if (asked || !line.includes("cycle done")) return;
      asked = true;
      kill("SIGINT");
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/records received, \d+ duplicates, 0 lost/u);
  });

  it.each(["the terminal is closed", "the reader goes away"] as const)("leaves nothing behind when %s", async (how) => {
    const folder = await mkdtemp(join(tmpdir(), "cellgate-demo-left-"));
    const child = spawn(process.execPath, ["deploy/demo/demo.ts"], { cwd: ROOT, stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, TMPDIR: folder } });
    child.stdout.once("data", () => {
      if (how === "the terminal is closed") child.kill("SIGHUP");
      else child.stdout.destroy();
    });
    const ended = await new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        resolve(signal ?? code);
      });
    });
    expect([ended, await readdir(folder)]).toEqual([0, []]);
    await rm(folder, { recursive: true });
  });

  it("says what is wrong with its options", async () => {
    const { code, stdout, stderr } = await demo(["--fast"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("--fast is not an option of the demo");
  });
});

it("an agent that dies is noticed, with its last words", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cellgate-demo-test-"));
  const bundle = join(folder, "broken.mjs");
  await writeFile(bundle, 'console.error("no such luck"); process.exit(3);\n');
  const stage = await raiseStage({ speed: 480, seed: 1, bundle, onRecord: () => undefined, onProgram: () => undefined });
  const words = await stage.died;
  await stage.close();
  await rm(folder, { recursive: true, force: true });
  expect(words).toMatch(/exit code 3[\s\S]*no such luck/u);
  await expect(raiseStage({ speed: 480, seed: 1, bundle, onRecord: () => undefined, onProgram: () => undefined })).rejects.toThrow("build it first");
});
