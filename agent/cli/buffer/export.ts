/** `cellgate buffer export`: records as their destinations get them, into a file that is there whole or not at all. */
import { randomUUID } from "node:crypto";
import { createWriteStream, existsSync, type WriteStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { finished } from "node:stream/promises";
import type { BufferReader } from "../../contract/buffer-reader.ts";
import { StoreError } from "../../contract/errors.ts";
import type { StoredRecord } from "../../contract/outbox.ts";
import { RECORD_TYPES } from "../../contract/record.ts";
import { UsageError } from "../arguments.ts";
import { FAILED, GOOD, type Command } from "../cli.ts";
import { write, type Io } from "../terminal.ts";
import { COMMON, configured, oneOfNames, reading, type BufferParts } from "./parts.ts";
import { FILTERS, wantedRows, type Wanted } from "./peek.ts";
import { progress, toldOf, type Progress } from "./progress.ts";
import { sinceOf } from "./since.ts";
import { bytesWords, numberWords, recordsWords } from "./words.ts";

export const exportCommand = (parts: BufferParts): Command => ({
  name: "buffer export",
  summary: "write records of the buffer into a file, as they would be sent",
  positionals: [],
  options: {
    ...COMMON, ...FILTERS,
    destination: { kind: "value", value: "NAME", help: "as this destination gets them: with its prev; may be left out where there is one" },
    out: { kind: "value", value: "FILE", help: "the file to write, one CloudEvent a line; an existing file is not touched" },
  },
  details: "The file appears under its name only when it is whole. Reads the buffer only; the agent may run or not.\nIts lines are what `cellgate audit` reads, and what a bridge that lost records can be given by hand.\nExits 1 when a record could not be read: it is left out and named on standard error.",
  async run(args, io, signal) {
    const settings = await configured(parts, args, io);
    const [out, since, type] = [args.value("out"), args.value("since"), args.value("type")];
    if (out === undefined) throw new UsageError("name the file to write: --out FILE");
    if (type !== undefined) oneOfNames(type, RECORD_TYPES, "record type");
    const ports = parts.ports();
    const from = since === undefined ? undefined : sinceOf(since, ports.network.now().unixMs);
    return reading(parts, settings.agent.dataDir, async (reader) => {
      const destination = chosen(args.value("destination"), reader.destinations);
      const wanted: Wanted = { machine: args.value("machine"), type, destination, since: from };
      const told = progress(io, ports.network);
      const done = await toldOf(told, () => written({ reader, wanted, told, io, event: parts.event(settings, ports, reader.epoch, destination) }, out, signal));
      await write(io.stdout, args.flag("json") ? `${JSON.stringify({ file: out, epoch: reader.epoch, destination, ...done })}\n` : `${out}: ${recordsWords(done.records)}, ${bytesWords(done.bytes)}${done.damaged > 0 ? `; ${done.damaged} could not be read and are not in it` : ""}\n`);
      return done.damaged > 0 ? FAILED : GOOD;
    });
  },
});

function chosen(name: string | undefined, known: readonly string[]): string {
  if (name !== undefined) return oneOfNames(name, known, "destination in the buffer");
  const [only] = known;
  if (only === undefined || known.length > 1) throw new UsageError(`the buffer has ${known.length === 0 ? "no destination" : "several destinations: choose one with --destination"} (${known.join(", ")})`);
  return only;
}

interface Work {
  readonly reader: BufferReader;
  readonly wanted: Wanted;
  readonly told: Progress;
  readonly io: Io;
  readonly event: (record: StoredRecord) => string;
}
interface Done {
  readonly records: number;
  readonly bytes: number;
  readonly damaged: number;
}

/** Beside its place first, then renamed. */
async function written(work: Work, out: string, signal: AbortSignal): Promise<Done> {
  if (existsSync(out)) throw new UsageError(`${out} is already there: choose another with --out`);
  const draft = `${resolve(out)}.${randomUUID().slice(0, 8)}.part`;
  const stream = createWriteStream(draft, { flags: "wx", flush: true }).on("error", () => undefined);
  try {
    const done = await poured(work, stream, signal);
    stream.end();
    await finished(stream);
    await rename(draft, out);
    await syncFolder(dirname(resolve(out)));
    return done;
  } catch (cause) {
    stream.destroy();
    await rm(draft, { force: true });
    signal.throwIfAborted();
    if (cause instanceof Error && "syscall" in cause) throw new StoreError("io", `${out} cannot be written: ${cause.message}; choose a folder with room that this user may write to, with --out`, { cause });
    throw cause;
  }
}

async function poured({ reader, wanted, told, io, event }: Work, stream: WriteStream, signal: AbortSignal): Promise<Done> {
  const done = { records: 0, bytes: 0, damaged: 0 };
  const last = reader.lastSeq;
  for await (const { row, record } of wantedRows(reader, wanted, signal, (seq) => told.say(`${recordsWords(done.records)}, at row ${numberWords(seq)} of ${numberWords(last)}`))) {
    if (record === null) {
      done.damaged += 1;
      await write(io.stderr, `row ${row.seq} cannot be read and is left out\n`);
      continue;
    }
    const line = `${event(record)}\n`;
    if (!(await write(stream, line))) throw stream.errored ?? new Error("the file was closed");
    done.records += 1;
    done.bytes += Buffer.byteLength(line);
  }
  return done;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
