/** Runs the command line in this process and collects what it writes. */
import { Writable } from "node:stream";
import { runCli, type Command } from "../../../agent/cli/cli.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
/** A command that serves until it is told to stop. */
export interface Running {
  readonly code: Promise<number>;
  /** Written so far. */
  readonly text: { readonly out: string; readonly err: string };
  stop(): void;
}

export async function run(argv: readonly string[], commands: readonly Command[], signal: AbortSignal = new AbortController().signal): Promise<Ran> {
  const { code, text } = begin(argv, commands, signal);
  return { code: await code, ...text };
}

export function running(argv: readonly string[], commands: readonly Command[]): Running {
  const stopping = new AbortController();
  return { ...begin(argv, commands, stopping.signal), stop: () => { stopping.abort(new Error("stopped")); } };
}

function begin(argv: readonly string[], commands: readonly Command[], signal: AbortSignal): Pick<Running, "code" | "text"> {
  const text = { out: "", err: "" };
  const into = (name: "out" | "err"): Writable => new Writable({ write(chunk, _encoding, done) {
    text[name] += String(chunk);
    done();
  } });
  return { code: runCli(argv, commands, { stdout: into("out"), stderr: into("err"), outIsTerminal: false, errorIsTerminal: false }, signal), text };
}
