/** Runs the command line in this process and collects what it writes. */
import { Writable } from "node:stream";
import { runCli, type Command } from "../../../agent/cli/cli.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function run(argv: readonly string[], commands: readonly Command[], signal: AbortSignal = new AbortController().signal): Promise<Ran> {
  const texts = { out: "", err: "" };
  const into = (name: "out" | "err"): Writable => new Writable({ write(chunk, _encoding, done) {
    texts[name] += String(chunk);
    done();
  } });
  const code = await runCli(argv, commands, { stdout: into("out"), stderr: into("err"), outIsTerminal: false, errorIsTerminal: false }, signal);
  return { code, ...texts };
}
