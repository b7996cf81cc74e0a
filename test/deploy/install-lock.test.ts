/** Installs in one folder take turns, also after one was killed: real processes on a real lock. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const MODULE = pathToFileURL(resolve(import.meta.dirname, "../../deploy/install-lock.mjs")).href;
/** Writes "in" and "out" around a task of 40 ms. */
const PROGRAM = `
  import { appendFileSync } from "node:fs";
  import { whileLocked } from ${JSON.stringify(MODULE)};
  const [lock, log] = process.argv.slice(1);
  await whileLocked(lock, async () => {
    appendFileSync(log, "in\\n");
    await new Promise((resolve) => setTimeout(resolve, 40));
    appendFileSync(log, "out\\n");
  }, () => console.log("waits"));
`;

let folder = "";
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "cellgate-lock-"))));
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** That many processes at once; `waits` is called when one of them has to. */
const contend = (count: number, waits = (): void => undefined): Promise<readonly (number | null)[]> => Promise.all(Array.from({ length: count }, () => new Promise<number | null>((done, fail) => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM, join(folder, "lock"), join(folder, "log")], { stdio: ["ignore", "pipe", "inherit"] });
  child.stdout.once("data", waits);
  child.once("error", fail);
  child.once("exit", (code) => {
    done(code);
  });
})));
const turns = (): readonly string[] => readFileSync(join(folder, "log"), "utf8").trim().split("\n");
const alternating = (count: number): readonly string[] => Array.from({ length: count }, () => ["in", "out"]).flat();

/** A lock whose owner, called "dead", has not touched it for `ageSeconds`. */
function abandoned(ageSeconds: number): string {
  const lock = join(folder, "lock");
  mkdirSync(lock);
  writeFileSync(join(lock, "owner"), "dead");
  age(join(lock, "owner"), ageSeconds);
  return lock;
}
function age(path: string, seconds: number): void {
  const then = new Date(Date.now() - seconds * 1_000);
  utimesSync(path, then, then);
}

describe("the lock of the install", () => {
  it("lets one in at a time", async () => {
    expect(await contend(5)).toEqual([0, 0, 0, 0, 0]);
    expect(turns()).toEqual(alternating(5));
  });

  it("is taken over by exactly one when its owner died", async () => {
    abandoned(60);
    expect(await contend(4)).toEqual([0, 0, 0, 0]);
    expect(turns()).toEqual(alternating(4));
  });

  it("is taken over when the one who tried before died as well", async () => {
    const attempt = join(abandoned(60), "after-dead-1");
    mkdirSync(attempt);
    age(attempt, 60);
    expect(await contend(2)).toEqual([0, 0]);
    expect(turns()).toEqual(alternating(2));
  });

  it("is left alone while its owner lives", async () => {
    const lock = abandoned(5);
    let waits = (): void => undefined;
    const told = new Promise<void>((resolve) => (waits = resolve));
    const waiting = contend(1, waits);
    await told;
    expect(readFileSync(join(lock, "owner"), "utf8")).toBe("dead");
    rmSync(lock, { recursive: true });
    expect(await waiting).toEqual([0]);
    expect(turns()).toEqual(alternating(1));
  });
});
