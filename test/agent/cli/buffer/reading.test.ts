/** `cellgate buffer status | peek | export | verify` on a real buffer, without an agent: words, JSON, exit codes, nothing changed. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { auditRecords } from "../../../../agent/audit/audit.ts";
import { bench, hours } from "./buffer.ts";

const rows = (text: string): readonly Record<string, unknown>[] => text.trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);

describe("cellgate buffer status", () => {
  it("says what waits for whom and for how long it lasts, from the file of a stopped agent: 0", async () => {
    const own = bench();
    await own.filled(async (outbox) => {
      await hours(outbox, Date.now(), 100, 24);
      outbox.settle("bridge", { accepted: outbox.pending("bridge", 0, 2_000).map(({ seq }) => seq), rejected: [] });
    });
    const { code, out, err } = await own.cellgate("buffer", "status");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("from the file; the agent is stopped");
    expect(out).toMatch(/lasts {7}(\d+ days|more than 10 years) without any destination, at 2,\d{3} records a day/);
    expect(out).toContain("condition   ok");
    expect(out).toMatch(/Destination bridge\n {2}waiting {5}\[#+\.+\] 400 records, the oldest for \d/);
    expect(out).toContain("delivered   2,000 acknowledged; nothing confirmed yet (its bridge does not confirm");
    expect(out).toMatch(/Destination archive\n {2}waiting {5}\[#+\.+\] 240 records/);
    const json = JSON.parse((await own.cellgate("buffer", "status", "--json")).out) as unknown;
    expect(json).toMatchObject({ agent: "stopped", file: own.file, buffer: { lastSeq: 2_400, destinations: [{ name: "bridge", waiting: 400 }, { name: "archive", waiting: 240 }] }, lasting: { recordsPerDay: expect.any(Number) as number } });
  });
  it("does not make up a rate that it cannot know", async () => {
    const own = bench();
    await own.filled((outbox) => hours(outbox, Date.now(), 10, 1));
    expect((await own.cellgate("buffer", "status")).out).toContain("not known yet");
  });
  it("names the place where there is no buffer: 1", async () => {
    const own = bench();
    const { code, err } = await own.cellgate("buffer", "status");
    expect([code, err]).toEqual([1, `cellgate: there is no buffer at ${own.file}: the agent has not run with this configuration yet, or agent.data_dir is another\n`]);
  });
});

it("what is no file is said to be none: 1", async () => {
  const own = bench();
  mkdirSync(own.file, { recursive: true });
  expect(await own.cellgate("buffer", "status")).toMatchObject({ code: 1, err: expect.stringContaining(`${own.file} is no file`) as string });
});

describe("cellgate buffer peek", () => {
  it("shows records by time, machine and type, and what still waits for a destination", async () => {
    const own = bench();
    await own.filled(async (outbox) => {
      await hours(outbox, Date.now(), 10, 6);
      outbox.settle("archive", { accepted: [1], rejected: [] });
    });
    const lately = await own.cellgate("buffer", "peek", "--since", "90m", "--json");
    expect(rows(lately.out).map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, index) => 41 + index));
    const cycles = await own.cellgate("buffer", "peek", "--type", "cycle", "--json", "--limit", "3");
    expect(rows(cycles.out).map(({ seq, type }) => [seq, type])).toEqual([[1, "cycle"], [11, "cycle"], [21, "cycle"]]);
    expect(cycles.err).toContain("3 shown");
    const archive = await own.cellgate("buffer", "peek", "--destination", "archive", "--json");
    expect(rows(archive.out).map(({ seq, waiting }) => [seq, waiting])).toEqual([[1, false], [11, true], [21, true], [31, true], [41, true], [51, true]]);
    expect((await own.cellgate("buffer", "peek", "--machine", "other")).err).toBe("no record fits\n");
    expect((await own.cellgate("buffer", "peek", "--limit", "1")).out).toMatch(/^ +1 {2}2026-.*Z {2}VMC-3 {7}cycle {6}rev 1 {2}state RUNNING\n$/);
  });
  it.each([
    [["--since", "yesterday"], "--since needs a length of time such as 30m, 8h or 7d, or an instant"],
    [["--since", "2026-11-27"], "did you mean 2026-11-27T00:00:00Z?"],
    [["--limit", "0"], "--limit needs a whole number above 0"],
    [["--type", "cycl"], "there is no record type \"cycl\"; did you mean cycle?"],
    [["--destination", "brigde"], "did you mean bridge? (bridge, archive)"],
  ])("refuses %j in words: 2", async (words, said) => {
    const own = bench();
    await own.filled((outbox) => hours(outbox, Date.now(), 1, 1));
    const { code, err } = await own.cellgate("buffer", "peek", ...words);
    expect(code).toBe(2);
    expect(err).toContain(said);
  });
});

describe("cellgate buffer export", () => {
  it("writes what a destination gets, whole or not at all: 0", async () => {
    const own = bench();
    await own.filled((outbox) => hours(outbox, Date.now(), 300, 4));
    const out = join(own.folder, "archive.jsonl");
    const ran = await own.cellgate("buffer", "export", "--destination", "archive", "--out", out);
    expect(ran).toMatchObject({ code: 0, err: "" });
    const events = rows(readFileSync(out, "utf8"));
    expect(events.map(({ seq, prev }) => [seq, prev]).slice(0, 3)).toEqual([[1, 0], [11, 1], [21, 11]]);
    expect(events).toHaveLength(120);
    expect(events[0]).toMatchObject({ specversion: "1.0", source: "cellgate/v1/lyon/vmc-3", type: "io.cellgate.cycle.v1", replay: true, data: { schema: "cycle/1", rev: 1 } });
    // The audit reads the file; these bodies are not whole records, but the chain is.
    expect((await auditRecords((async function* () { yield* readFileSync(out, "utf8").split("\n"); })())).counts).not.toHaveProperty("chain");
    const again = await own.cellgate("buffer", "export", "--destination", "archive", "--out", out);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining("is already there")]);
    expect((await own.cellgate("buffer", "export", "--out", join(own.folder, "all"))).err).toContain("several destinations: choose one with --destination (bridge, archive)");
  });
  it("leaves nothing behind where it cannot write: 1", async () => {
    const own = bench();
    await own.filled((outbox) => hours(outbox, Date.now(), 1, 1));
    const ran = await own.cellgate("buffer", "export", "--destination", "bridge", "--out", join(own.folder, "absent", "file"));
    expect(ran.code).toBe(1);
    expect(ran.err).toContain("choose a folder with room");
  });
});

describe("cellgate buffer verify", () => {
  it("finds nothing in a whole buffer: 0", async () => {
    const own = bench();
    await own.filled((outbox) => hours(outbox, Date.now(), 300, 4));
    expect(await own.cellgate("buffer", "verify")).toEqual({ code: 0, err: "", out: `${own.file}: 1,200 records, all whole.\n` });
  });
  it("finds every flipped row, tells what matters, and changes nothing: 1", async () => {
    const own = bench();
    await own.filled(async (outbox) => {
      await hours(outbox, Date.now(), 300, 4);
      const had = outbox.pending("bridge", 0, 600);
      outbox.settle("bridge", { accepted: had.map(({ seq }) => seq), rejected: [] });
      outbox.settle("archive", { accepted: had.filter(({ type }) => type === "cycle").map(({ seq }) => seq), rejected: [] });
    });
    const db = new Database(own.file);
    for (const seq of [7, 601, 1_100]) db.prepare("UPDATE record SET body = replace(body, 'RUNNING', 'RUNNINF') WHERE seq = ?").run(seq);
    db.prepare("UPDATE due SET prev = 12 WHERE destination = 2 AND seq = 31").run();
    db.prepare("UPDATE checkpoint SET json = '{ }'").run();
    db.pragma("wal_checkpoint(TRUNCATE)");
    db.close();
    const before = readFileSync(own.file);
    const { code, out } = await own.cellgate("buffer", "verify", "--json");
    expect(code).toBe(1);
    const verdict = JSON.parse(out) as { readonly damage: readonly { readonly place: string; readonly seq: number | null; readonly matters: boolean }[] };
    expect(verdict.damage.map(({ place, seq, matters }) => [place, seq, matters])).toEqual(expect.arrayContaining([
      ["checkpoints", null, true], ["chain", 31, true], ["rows", 7, false], ["rows", 601, true], ["rows", 1_100, true],
    ]));
    expect((await own.cellgate("buffer", "verify")).out).toContain("run `cellgate buffer repair`");
    expect(readFileSync(own.file).equals(before)).toBe(true);
    expect(existsSync(join(own.dataDir, "cellgate.db-damaged"))).toBe(false);
  });
  it("says of a file that is no buffer what to do: 1", async () => {
    const own = bench();
    await own.filled((outbox) => hours(outbox, Date.now(), 1, 1));
    writeFileSync(own.file, "no database at all, but long enough to be looked at ".repeat(100));
    const { code, err } = await own.cellgate("buffer", "verify");
    expect(code).toBe(1);
    expect(err).toContain("cellgate buffer repair");
  });
});
