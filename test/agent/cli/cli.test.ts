/** The frame: which command, which options, which exit code, which words. */
import { PassThrough, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { CONFIG, JSON_OUTPUT, UsageError } from "../../../agent/cli/arguments.ts";
import { runCli, type Command } from "../../../agent/cli/cli.ts";
import { terminal, write } from "../../../agent/cli/terminal.ts";
import { versionCommand } from "../../../agent/cli/version.ts";
import { ConfigError, LinkError } from "../../../agent/contract/errors.ts";
import { run } from "./run.ts";

const command = (name: string, body: Command["run"], positionals: readonly string[] = []): Command =>
  ({ name, summary: `does ${name}`, positionals, options: { ...CONFIG, ...JSON_OUTPUT, speed: { kind: "value", value: "N", help: "how fast" } }, run: body });
const COMMANDS: readonly Command[] = [
  command("run", async (args, io) => {
    await write(io.stdout, JSON.stringify({ config: args.value("config"), speed: args.value("speed"), json: args.flag("json"), positionals: args.positionals }));
    return 0;
  }),
  command("replay", async (args, io) => {
    if (args.positionals[0] === undefined) throw new UsageError("which capture? name a file");
    await write(io.stdout, args.positionals.join(" "));
    return 1;
  }, ["CAPTURE"]),
  command("simulate mtconnect", () => Promise.resolve(0)),
  command("misconfigured", () => Promise.reject(new ConfigError(["cellgate.yaml:3: no such key"]))),
  command("unlinked", () => Promise.reject(new LinkError("refused", "never", "the broker refuses us"))),
  command("broken", () => Promise.reject(new TypeError("undefined is not a function"))),
  versionCommand({ version: "0.1.0", runtime: "24.21.0 linux x64" }),
];

describe("the command line", () => {
  it.each<[string[], object]>([
    [["run"], { config: "/etc/cellgate/cellgate.yaml", json: false, positionals: [] }],
    [["run", "--config", "a.yaml", "--json"], { config: "a.yaml", json: true, positionals: [] }],
    [["run", "--config=a.yaml", "--speed=-2"], { config: "a.yaml", speed: "-2", json: false, positionals: [] }],
    [["run", "--config", "-"], { config: "-", json: false, positionals: [] }],
  ])("%j reads its options", async (argv, seen) => {
    const { code, out } = await run(argv, COMMANDS);
    expect([code, JSON.parse(out)]).toEqual([0, seen]);
  });
  it("hands the command's exit code on, and its arguments", async () => {
    expect(await run(["replay", "day.capture"], COMMANDS)).toEqual({ code: 1, out: "day.capture", err: "" });
    expect(await run(["replay", "--json", "--", "--odd-name"], COMMANDS)).toMatchObject({ code: 1, out: "--odd-name" });
  });

  it.each<[string[], string]>([
    [["chek"], 'unknown command "chek"'],
    [["rnu"], 'unknown command "rnu"; did you mean run?'],
    [["run", "--confg", "x"], "unknown option --confg; did you mean --config?"],
    [["run", "-x"], "unknown option -x"],
    [["run", "--config"], "--config needs a value: --config FILE"],
    [["run", "--config", "--json"], "--config needs a value: --config FILE"],
    [["run", "--config="], "--config needs a value: --config FILE"],
    [["run", "--config", "a", "--config", "b"], "--config is given twice"],
    [["run", "--json=yes"], "--json takes no value"],
    [["run", "now"], 'unexpected argument "now": this command takes options only'],
    [["replay", "a", "b"], 'unexpected argument "b": after CAPTURE nothing follows'],
    [["replay"], "which capture? name a file"],
    [["simulate"], "simulate needs one more word\nCommands:\n  simulate mtconnect  does simulate mtconnect"],
    [["simulate", "modbus"], 'simulate needs another word than "modbus"\nCommands:\n  simulate mtconnect'],
    [["simulate", "mtconect"], 'simulate needs another word than "mtconect"; did you mean mtconnect?'],
    [["--json", "run"], "the command comes first, then its options"],
    [["run", "--__proto__"], "unknown option --__proto__"],
    [["__proto__"], 'unknown command "__proto__"'],
  ])("%j is misused: 2, in words", async (argv, words) => {
    const { code, out, err } = await run(argv, COMMANDS);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(words);
  });
  it("shows the usage of the command that was misused", async () => {
    expect((await run(["replay"], COMMANDS)).err).toBe("cellgate: which capture? name a file\nUsage: cellgate replay CAPTURE [OPTIONS]\nMore: cellgate replay --help\n");
  });

  it.each([[["--help"]], [["-h"]], [["help"]]])("%j lists the commands", async (argv) => {
    const { code, out, err } = await run(argv, COMMANDS);
    expect([code, err]).toEqual([0, ""]);
    for (const { name, summary } of COMMANDS) expect(out).toMatch(new RegExp(`^  ${name} +${summary}$`, "m"));
  });
  it("without a command lists them on standard error: 2", async () => {
    expect(await run([], COMMANDS)).toMatchObject({ code: 2, out: "" });
  });
  it.each([[["replay", "--help"]], [["replay", "x", "y", "-h"]], [["help", "replay"]]])("%j helps with one", async (argv) => {
    expect(await run(argv, COMMANDS)).toEqual({ code: 0, err: "", out: `does replay

Usage: cellgate replay CAPTURE [OPTIONS]

Options:
      --config FILE  the configuration file (default /etc/cellgate/cellgate.yaml)
      --json         print JSON instead of text
      --speed N      how fast
  -h, --help         show this help
` });
  });

  it("helps with a group of commands", async () => {
    expect(await run(["simulate", "--help"], COMMANDS)).toEqual({ code: 0, err: "", out: "Commands:\n  simulate mtconnect  does simulate mtconnect\n\nMore about one: cellgate COMMAND --help\n" });
  });
  it("says that it was stopped when it was, and takes it for no fault of its own: 1", async () => {
    const stopping = new AbortController();
    const long = command("long", async (_args, _io, signal) => {
      stopping.abort(new Error("stopped by SIGINT"));
      await Promise.resolve();
      signal.throwIfAborted();
      return 0;
    });
    expect(await run(["long"], [long], stopping.signal)).toEqual({ code: 1, out: "", err: "cellgate: stopped by SIGINT\n" });
  });
  it("says whose turn it is when a command fails", async () => {
    expect(await run(["misconfigured"], COMMANDS)).toEqual({ code: 2, out: "", err: "cellgate: cellgate.yaml:3: no such key\n" });
    expect(await run(["unlinked"], COMMANDS)).toEqual({ code: 1, out: "", err: "cellgate: the broker refuses us\n" });
    const broken = await run(["broken"], COMMANDS);
    expect(broken.code).toBe(1);
    expect(broken.err).toMatch(/^cellgate: this is a fault of cellgate; please report it[^]*TypeError: undefined is not a function\n +at /);
  });
  it("says its version", async () => {
    expect(await run(["version"], COMMANDS)).toMatchObject({ code: 0, out: "cellgate 0.1.0 (node 24.21.0 linux x64)\n" });
    expect((await run(["--version"], COMMANDS)).out).toContain("0.1.0");
    expect(JSON.parse((await run(["version", "--json"], COMMANDS)).out)).toEqual({ version: "0.1.0", runtime: "24.21.0 linux x64" });
  });
});

describe("writing", () => {
  it("ends without an error when the reader has gone", async () => {
    const gone = new Writable({ write(_chunk, _encoding, done) { done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" })); } });
    const written: boolean[] = [];
    const endless = command("tail", async (_args, io) => {
      while (written.at(-1) !== false) written.push(await write(io.stdout, "line\n"));
      return 0;
    });
    expect(await runCli(["tail"], [endless], { stdout: gone, stderr: new PassThrough(), outIsTerminal: false, errorIsTerminal: false }, new AbortController().signal)).toBe(0);
    expect(written).toEqual([false]);
  });
  it("says so when the output takes nothing: 1", async () => {
    const full = new Writable({ write(_chunk, _encoding, done) { done(Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" })); } });
    const stderr = new PassThrough();
    expect(await runCli(["--help"], [], { stdout: full, stderr, outIsTerminal: false, errorIsTerminal: false }, new AbortController().signal)).toBe(1);
    expect(String(stderr.read())).toBe("cellgate: the output cannot be written: ENOSPC: no space left on device, write\n");
  });
  it("waits for a slow reader", async () => {
    const slow: { taken?: () => void } = {};
    const stream = new Writable({ highWaterMark: 1, write(_chunk, _encoding, done) { slow.taken = done; } });
    const order: string[] = [];
    const writing = write(stream, "x").then(() => order.push("written"));
    await Promise.resolve();
    order.push("reader takes it");
    slow.taken?.();
    await writing;
    expect(order).toEqual(["reader takes it", "written"]);
  });
  it.each([[true, {}, true], [false, {}, false], [true, { NO_COLOR: "1" }, false], [true, { TERM: "dumb" }, false], [true, { NO_COLOR: "" }, true]])("terminal %j with %j: colours %j", (isTTY, env, colours) => {
    const stream = Object.assign(new PassThrough(), { isTTY });
    expect(terminal({ stdout: stream, stderr: stream, env }).outIsTerminal).toBe(colours);
  });
});
