/** `cellgate simulate mtconnect`: serves until its signal aborts, and says what is wrong with what it was given. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { simulateCommand } from "../../../agent/cli/simulate.ts";
import { running, type Running } from "../cli/run.ts";

const run = (...args: readonly string[]): Running => running(["simulate", "mtconnect", ...args], [simulateCommand]);

it("serves the shift, and stops when told to", async () => {
  const running = run("--port", "0", "--device", "LATHE-1", "--speed", "60", "--schema", "2.0", "--json");
  await expect.poll(() => running.text.out, { interval: 5 }).toContain("}\n");
  const { url, devices } = JSON.parse(running.text.out) as { readonly url: string; readonly devices: readonly string[] };
  expect(devices).toEqual(["LATHE-1"]);
  const current = await (await fetch(`${url}/LATHE-1/current`)).text();
  expect(current).toContain('xmlns="urn:mtconnect.org:MTConnectStreams:2.0"');
  expect(current).toContain(">AUTOMATIC<");
  running.stop();
  expect(await running.code).toBe(0);
  await expect(fetch(url)).rejects.toThrow("fetch failed");
});

it("serves SHDR text with its model, all at once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cellgate-simulate-"));
  const [log, model] = [join(folder, "log.txt"), join(folder, "devices.xml")];
  await writeFile(log, "2026-01-05T06:00:00Z|exec|ACTIVE|nothing|1\n2026-01-05T06:05:00Z|exec|READY\n");
  await writeFile(model, '<Device name="M" uuid="u" id="m"><DataItems><DataItem category="EVENT" id="e" name="exec" type="EXECUTION"/></DataItems></Device>');
  const running = run("--port", "0", "--script", log, "--devices", model, "--speed", "all", "--json");
  await expect.poll(() => running.text.err, { interval: 5 }).toContain('item "nothing" is not in the device model (1)');
  const { url } = JSON.parse(running.text.out) as { readonly url: string };
  const sample = await (await fetch(`${url}/sample`)).text();
  expect([...sample.matchAll(/<Execution [^>]+>(\w+)/gu)].map(([, value]) => value)).toEqual(["ACTIVE", "READY"]);
  running.stop();
  expect(await running.code).toBe(0);
  await rm(folder, { recursive: true });
});

it.each([
  [["--speed", "fast"], '--speed is "fast"; it must be a number, at least 0.001'],
  [["--speed", "all"], "--speed all is for recordings"],
  [["--schema", "9.9"], 'schema "9.9" is not an MTConnect version'],
  [["--script", "/no/such/file"], "/no/such/file cannot be read"],
  [["--script", import.meta.filename], "SHDR text needs the machine's device model: --devices FILE"],
])("refuses %j with the remedy", async (args, words) => {
  const { code, text } = run("--port", "0", ...args);
  expect(await code).toBe(2);
  expect(text.err).toContain(words);
});
