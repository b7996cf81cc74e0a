/** `cellgate check` on real files: exit code, words for people, JSON for programs. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { checkCommand } from "../../../agent/cli/check.ts";
import { runCli } from "../../../agent/cli/cli.ts";
import { GOOD, KINDS } from "../config/kinds.ts";
import { run } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "cellgate-check-"));
function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}
const good = file("good.yaml", GOOD.replace("site: lyon", "site: lyon\n  timezone: Europe/Paris").concat('    cycle: {parts_per_cycle: 2, ignore_programs: ["O9*"]}\n    downtime: {threshold: 90s}\n    shifts: {shifts: [{code: day, start: "06:00", end: "14:00"}]}\n'));
const bad = file("bad.yaml", GOOD.replace("id: VMC-3", "id: 0123").replace("site:", "sit:"));
const COMMANDS = [checkCommand(KINDS)];

describe("cellgate check", () => {
  it("says what a good file means: 0", async () => {
    expect(await run(["check", "--config", good], COMMANDS)).toEqual({ code: 0, err: "", out: `${good} is good.

agent cell-7 at lyon, Europe/Paris, production, data in /var/lib/cellgate

buffer
  room      at most 1 GiB; 5% of the disk stays free
  history   delivered records stay 7d while there is room

machine VMC-3
  source    mtconnect http://10.0.7.21:8082, time: auto
  cycle     2 parts a cycle, quantity: auto, 1 program rule
  downtime  after 90s, micro below 5m
  shifts    VMC-3 (day 06:00 to 14:00; Europe/Paris)

destination erp: mqtt
  VMC-3 → {site}/{machine}
` });
  });
  it("says what of the buffer and of a destination is not as by default", async () => {
    const own = file("own.yaml", `${GOOD.replace("name: erp", "name: erp\n    types: [cycle, count]\n    limit: 100 MB\n    confirm: true")}buffer: {budget: 500 MB, keep_free: 2.5%, card: {endurance: 117 TB}}\n`);
    const { code, out } = await run(["check", "--config", own], COMMANDS);
    expect(code).toBe(0);
    expect(out).toContain("room      at most 500 MB; 2.5% of the disk stays free\n");
    expect(out).toContain("card      117 TB in 3650d: 32 GB may be written a day\n");
    expect(out).toContain("  gets only cycle, count, and records of loss\n  at most 100 MB may wait for it\n  its bridge confirms what it has stored\n");
  });
  it("says what is wrong with a bad one, on standard error: 2", async () => {
    const { code, out, err } = await run(["check", "--config", bad], COMMANDS);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(`${bad}:3:3: error in agent.sit\n`);
    expect(err).toContain(`${bad}:8:9: error in machines[0].id\n`);
    expect(err.endsWith(`\n2 problems in ${bad}\n`)).toBe(true);
  });
  it("shows warnings of a good file on standard error: 0", async () => {
    const warned = file("warned.yaml", `${GOOD}calendars: {week: {shifts: [{code: day, start: "06:00", end: "14:00"}]}}\n`);
    const { code, out, err } = await run(["check", "--config", warned], COMMANDS);
    expect(code).toBe(0);
    expect(err).toContain("warning in calendars.week");
    expect(out).toContain("is good.");
  });
  it("prints JSON for programs, problems included", async () => {
    const right = JSON.parse((await run(["check", "--json", "--config", good], COMMANDS)).out) as unknown;
    expect(right).toMatchObject({ ok: true, problems: [], configuration: { agent: { id: "cell-7" }, machines: [{ id: "VMC-3" }] } });
    const { code, out, err } = await run(["check", "--json", "--config", bad], COMMANDS);
    expect([code, err]).toEqual([2, ""]);
    expect(JSON.parse(out)).toMatchObject({ ok: false, file: bad, problems: [{ line: 3, column: 3, path: "agent.sit", nearest: "site" }, { line: 8, column: 9 }] });
  });
  it("names a file that is not there: 2", async () => {
    const { code, err } = await run(["check", "--config", join(folder, "absent.yaml")], COMMANDS);
    expect(code).toBe(2);
    expect(err).toContain("no such file");
  });
  it("uses colours on a terminal only", async () => {
    const stderr = new PassThrough();
    await runCli(["check", "--config", bad], COMMANDS, { stdout: new PassThrough(), stderr, outIsTerminal: true, errorIsTerminal: true }, new AbortController().signal);
    expect(String(stderr.read())).toContain("\u001b[31m^^^");
    expect((await run(["check", "--config", bad], COMMANDS)).err).not.toContain("\u001b");
  });
});
