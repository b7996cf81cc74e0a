/**
 * `cellgate replay CAPTURE`: the records a capture gives under a configuration, as fast as possible and the same each
 * time. `--what-if OTHER` runs a second configuration over it and shows only where the records differ.
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Kinds } from "../config/kinds.ts";
import type { Configuration } from "../config/model.ts";
import type { Detector } from "../contract/detector.ts";
import { ConfigError } from "../contract/errors.ts";
import type { NewRecord } from "../contract/record.ts";
import { contextOf } from "../runtime/agent.ts";
import { CaptureError, decodeHead, decodeLine, type Captured } from "../runtime/capture.ts";
import { recordLine, replay } from "../runtime/replay.ts";
import { CONFIG, UsageError, type Arguments } from "./arguments.ts";
import { FAILED, GOOD, type Command } from "./cli.ts";
import { chosenMachine, configuration, MACHINE } from "./configured.ts";
import { recordWords } from "./tail.ts";
import { write, type Io } from "./terminal.ts";

export interface ReplayParts<State> {
  readonly kinds: Kinds;
  readonly detector: Detector<State>;
}

export const replayCommand = <State>(parts: ReplayParts<State>): Command => ({
  name: "replay",
  summary: "turn a capture into records, the same each time",
  positionals: ["CAPTURE"],
  options: {
    ...CONFIG, ...MACHINE,
    "what-if": { kind: "value", value: "FILE", help: "a second configuration: print only records that differ" },
    words: { kind: "flag", help: "a line a person can read for each record, instead of JSON" },
  },
  details: "Prints one JSON object a line: every revision, in the order in which the agent would have stored it.\nWith --what-if each line begins with - (only the first configuration) or + (only the second).",
  async run(args, io) {
    const capture = args.positionals[0];
    if (capture === undefined) throw new UsageError("name the capture to replay");
    const first = await configuration(args.value("config") ?? "", parts.kinds, io);
    const otherFile = args.value("what-if");
    if (otherFile === undefined) return printAll(parts, { capture, settings: first, args, io });
    const other = await configuration(otherFile, parts.kinds, io);
    return printDifferences(parts, { capture, settings: first, args, io }, other);
  },
});

interface Task {
  readonly capture: string;
  readonly settings: Configuration;
  readonly args: Arguments;
  readonly io: Io;
}

async function printAll<State>(parts: ReplayParts<State>, task: Task): Promise<number> {
  const words = task.args.flag("words");
  for await (const line of recordsOf(parts, task)) if (!(await write(task.io.stdout, `${words ? recordWords(line) : line}\n`))) break;
  return GOOD;
}

/** Last revisions of both, compared by id: the memory needed is that of the records of one capture. */
async function printDifferences<State>(parts: ReplayParts<State>, task: Task, other: Configuration): Promise<number> {
  const [before, after] = [await lastRevisions(recordsOf(parts, task)), await lastRevisions(recordsOf(parts, { ...task, settings: other }))];
  const words = task.args.flag("words");
  const print = (mark: string, line: string): Promise<boolean> => write(task.io.stdout, `${mark} ${words ? recordWords(line) : line}\n`);
  let different = 0;
  for (const id of new Set([...before.keys(), ...after.keys()])) {
    const [one, two] = [before.get(id), after.get(id)];
    if (one === two) continue;
    different += 1;
    if (one !== undefined) await print("-", one);
    if (two !== undefined) await print("+", two);
  }
  await write(task.io.stderr, `${different} of ${new Set([...before.keys(), ...after.keys()]).size} records differ\n`);
  return different === 0 ? GOOD : FAILED;
}

async function lastRevisions(lines: AsyncIterable<string>): Promise<Map<string, string>> {
  const last = new Map<string, string>();
  for await (const line of lines) {
    const { data } = JSON.parse(line) as { readonly data: { readonly recordId: string } };
    last.set(data.recordId, line);
  }
  return last;
}

async function* recordsOf<State>({ detector }: ReplayParts<State>, { capture, settings, args }: Task): AsyncGenerator<string, void, void> {
  const { machine, source } = chosenMachine(settings, args);
  const context = contextOf(settings.agent, machine);
  const records: AsyncIterable<NewRecord> = replay({ settings: machine, source, detector }, captured(capture, source.name));
  for await (const record of records) yield recordLine(record, context, machine.id);
}

/** Reads a capture line by line. Throws ConfigError with file and line where it is damaged. */
async function* captured(file: string, source: string): AsyncGenerator<Captured, void, void> {
  const lines = createInterface({ input: createReadStream(file, "utf8"), crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  try {
    for await (const line of lines) {
      number += 1;
      if (number === 1) decodeHead(line);
      else if (line !== "") yield decodeLine(line, number, source);
    }
    if (number === 0) throw new CaptureError("line 1: the file is empty; captures are written by \"cellgate record\"");
  } catch (cause) {
    if (cause instanceof CaptureError) throw new ConfigError([`${file}: ${cause.message}`], { cause });
    if (cause instanceof Error && "syscall" in cause) throw new ConfigError([`${file} cannot be read: ${cause.message}`], { cause });
    throw cause;
  }
}
