/**
 * A command's options as a table, from which parsing and `--help` both come. `node:util` parseArgs does the splitting;
 * the words of errors are ours, with the nearest option named.
 */
import { parseArgs } from "node:util";
import { nearest } from "../contract/shape.ts";

export interface Option {
  /** `flag` is true or false; `value` takes one text. */
  readonly kind: "flag" | "value";
  readonly help: string;
  /** How the value is named in the usage: FILE. */
  readonly value?: string;
  readonly short?: string;
  readonly default?: string;
}
export type Options = Readonly<Record<string, Option>>;

export interface Arguments {
  readonly positionals: readonly string[];
  flag(name: string): boolean;
  /** The option's text, its default, or undefined. */
  value(name: string): string | undefined;
}

/** The command line cannot be used: exit code 2. The text says what to write instead. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly code = "usage";
}

/** A number above 0 as an option's value. Throws UsageError. */
export function positive(text: string, option: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new UsageError(`${option} needs a number above 0, not ${JSON.stringify(text)}`);
  return value;
}

/** Every command has these. */
const HELP: Options = { help: { kind: "flag", short: "h", help: "show this help" } };
export const CONFIG: Options = { config: { kind: "value", value: "FILE", default: "/etc/cellgate/cellgate.yaml", help: "the configuration file" } };
export const JSON_OUTPUT: Options = { json: { kind: "flag", help: "print JSON instead of text" } };

/** Throws `UsageError` for an unknown option, a missing or unexpected value, and more positionals than `positionals`. */
export function readArguments(args: readonly string[], options: Options, positionals: readonly string[]): Arguments {
  const table: Options = { ...options, ...HELP };
  const { tokens } = parseArgs({
    args: [...args], strict: false, allowPositionals: true, tokens: true,
    options: Object.fromEntries(Object.entries(table).map(([name, { kind, short }]) => [name, { type: kind === "flag" ? "boolean" as const : "string" as const, ...(short !== undefined && { short }) }])),
  });
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const found: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") found.push(token.value);
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (!option) throw unknown(token.rawName, Object.keys(table));
    if (option.kind === "flag" && token.value !== undefined) throw new UsageError(`${token.rawName} takes no value`);
    if (option.kind === "flag") flags.add(token.name);
    // `--config --json` is a forgotten value, not a file of that name; `--config=--json` says otherwise.
    else if (token.value === undefined || token.value === "" || (!token.inlineValue && token.value.startsWith("-") && token.value !== "-")) throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${option.value ?? "VALUE"}`);
    else if (values.has(token.name)) throw new UsageError(`${token.rawName} is given twice`);
    else values.set(token.name, token.value);
  }
  const extra = found[positionals.length];
  if (extra !== undefined && !flags.has("help")) throw new UsageError(`unexpected argument ${JSON.stringify(extra)}${positionals.length === 0 ? ": this command takes options only" : `: after ${positionals.join(" ")} nothing follows`}`);
  return {
    positionals: found,
    flag: (name) => flags.has(name),
    value: (name) => values.get(name) ?? (Object.hasOwn(table, name) ? table[name]?.default : undefined),
  };
}

function unknown(given: string, known: readonly string[]): UsageError {
  const near = nearest(given.replace(/^-+/, ""), known);
  return new UsageError(`unknown option ${given}${near === undefined ? "" : `; did you mean --${near}?`}`);
}

/** One line per option, aligned. */
export function optionLines(options: Options): string {
  const rows = Object.entries({ ...options, ...HELP }).map(([name, { short, value, help, default: fallback }]) => [
    `${short === undefined ? "    " : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`,
    `${help}${fallback === undefined ? "" : ` (default ${fallback})`}`,
  ] as const);
  const wide = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(wide)}  ${right}\n`).join("");
}
