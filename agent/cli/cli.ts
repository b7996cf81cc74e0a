/**
 * The command line's frame: finds the command, reads its options, shows help, turns errors into exit codes.
 *
 *   const code = await runCli(process.argv.slice(2), commands, terminal(process), signal);
 *   process.exitCode = code;
 *
 * Exit codes: 0 good, 1 failed, 2 usage or bad configuration. `ConfigError` and `UsageError` that a command throws
 * become 2 with their text; `LinkError` and `StoreError` 1 with their text; so do the signal's reason (Ctrl-C in the
 * middle) and an output that takes nothing (a full disk); anything else 1 with its stack: our bug.
 * A command returns its own exit code, writes results to stdout and everything else to stderr, and ends when the signal
 * aborts. Its table of options makes the parser and `--help`; `CONFIG` and `JSON_OUTPUT` are the shared ones.
 */
import { ConfigError, LinkError, StoreError } from "../contract/errors.ts";
import { nearest } from "../contract/shape.ts";
import { UsageError, optionLines, readArguments, type Arguments, type Options } from "./arguments.ts";
import { tolerateClosedReader, write, type Io } from "./terminal.ts";

export const GOOD = 0;
export const FAILED = 1;
export const MISUSED = 2;

export interface Command {
  /** One to three words: "run", "simulate mtconnect", "buffer dead release". */
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Positional arguments by name, in order: ["CAPTURE"]. All are optional for the frame; the command says what it misses. */
  readonly positionals: readonly string[];
  readonly options: Options;
  /** More for `--help`, after the options; ends without a newline. */
  readonly details?: string;
  run(args: Arguments, io: Io, signal: AbortSignal): Promise<number>;
}

export async function runCli(argv: readonly string[], commands: readonly Command[], io: Io, signal: AbortSignal): Promise<number> {
  const forget = tolerateClosedReader(io);
  try {
    return await dispatch(argv, commands, io, signal);
  } catch (error) {
    const [code, text] = verdict(error, signal);
    await write(io.stderr, `cellgate: ${text}\n`);
    return code;
  } finally {
    forget();
  }
}

async function dispatch(argv: readonly string[], commands: readonly Command[], io: Io, signal: AbortSignal): Promise<number> {
  const [first, second] = argv;
  if (first === "--version") return dispatch(["version"], commands, io, signal);
  if (first === "help" && second !== undefined) return dispatch([...argv.slice(1), "--help"], commands, io, signal);
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    await write(first === undefined ? io.stderr : io.stdout, overview(commands));
    return first === undefined ? MISUSED : GOOD;
  }
  const found = find(argv, commands);
  const group = found ? [] : commands.filter(({ name }) => name.startsWith(`${first} `));
  if (group.length > 0 && (second === "--help" || second === "-h")) {
    await write(io.stdout, `Commands:\n${commandLines(group)}\nMore about one: cellgate COMMAND --help\n`);
    return GOOD;
  }
  if (!found) throw unknownCommand(argv, commands, group);
  const { command, rest } = found;
  try {
    const args = readArguments(rest, command.options, command.positionals);
    if (args.flag("help")) {
      await write(io.stdout, help(command));
      return GOOD;
    }
    return await command.run(args, io, signal);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${error.message}\nUsage: ${usage(command)}\nMore: cellgate ${command.name} --help`, { cause: error });
    throw error;
  }
}

/** Longest name first: "simulate mtconnect" before "simulate". */
function find(argv: readonly string[], commands: readonly Command[]): { readonly command: Command; readonly rest: readonly string[] } | null {
  for (const words of [3, 2, 1]) {
    const command = commands.find(({ name }) => name.split(" ").length === words && name === argv.slice(0, words).join(" "));
    if (command) return { command, rest: argv.slice(words) };
  }
  return null;
}

function unknownCommand(argv: readonly string[], commands: readonly Command[], group: readonly Command[]): UsageError {
  const [first = "", second] = argv;
  if (group.length > 0) {
    const meant = second === undefined ? undefined : nearest(second, group.map(({ name }) => name.split(" ")[1] ?? ""));
    const needs = second === undefined || second.startsWith("-") ? "one more word" : `another word than ${JSON.stringify(second)}${meant === undefined ? "" : `; did you mean ${meant}?`}`;
    return new UsageError(`${first} needs ${needs}\nCommands:\n${commandLines(group).trimEnd()}`);
  }
  if (first.startsWith("-")) return new UsageError(`the command comes first, then its options: cellgate COMMAND ${first}\nCommands: cellgate --help`);
  const near = nearest(first, commands.flatMap(({ name }) => [name, name.split(" ")[0] ?? name]));
  return new UsageError(`unknown command ${JSON.stringify(first)}${near === undefined ? "" : `; did you mean ${near}?`}\nCommands: cellgate --help`);
}

function verdict(error: unknown, signal: AbortSignal): readonly [number, string] {
  if (signal.aborted && error === signal.reason) return [FAILED, error instanceof Error ? error.message : "stopped"];
  if (error instanceof ConfigError || error instanceof UsageError) return [MISUSED, error.message];
  if (error instanceof LinkError || error instanceof StoreError) return [FAILED, error.message];
  if (error instanceof Error && "syscall" in error && error.syscall === "write") return [FAILED, `the output cannot be written: ${error.message}`];
  return [FAILED, `this is a fault of cellgate; please report it with the text below.\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}`];
}

const usage = ({ name, positionals, options }: Command): string =>
  ["cellgate", name, ...positionals, ...(Object.keys(options).length > 0 ? ["[OPTIONS]"] : [])].join(" ");

function overview(commands: readonly Command[]): string {
  return `Cellgate reads machine controllers and sends true records of cycles and downtimes.\n\nUsage: cellgate COMMAND [OPTIONS]\n\nCommands:\n${commandLines(commands)}\nMore about one: cellgate COMMAND --help\nExit codes: 0 good, 1 failed, 2 usage or bad configuration\n`;
}

function commandLines(commands: readonly Command[]): string {
  const wide = Math.max(...commands.map(({ name }) => name.length));
  return commands.map(({ name, summary }) => `  ${name.padEnd(wide)}  ${summary}\n`).join("");
}

const help = (command: Command): string =>
  `${command.summary}\n\nUsage: ${usage(command)}\n\nOptions:\n${optionLines(command.options)}${command.details === undefined ? "" : `\n${command.details}\n`}`;
