/** `cellgate record`: what a machine says, raw, into a capture file that `replay` turns into the same records each time. */
import type { WriteStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import { finished } from "node:stream/promises";
import type { Kinds } from "../config/kinds.ts";
import { placeOf, type SourceSettings } from "../config/model.ts";
import { StoreError } from "../contract/errors.ts";
import type { Ports } from "../contract/ports.ts";
import type { Driver, Place } from "../contract/source.ts";
import { captureHead, captureLine } from "../runtime/capture.ts";
import { CONFIG, positive, UsageError } from "./arguments.ts";
import { FAILED, GOOD, type Command } from "./cli.ts";
import { chosenMachine, configuration, MACHINE } from "./configured.ts";
import { watchSource } from "./session.ts";
import { write } from "./terminal.ts";

export interface RecordParts {
  readonly kinds: Kinds;
  ports(): Ports;
  driver(source: SourceSettings, ports: Ports, place: Place): Driver;
}

const PROGRESS_MS = 5_000;

export const recordCommand = (parts: RecordParts): Command => ({
  name: "record",
  summary: "record what a machine says into a capture file",
  positionals: [],
  options: {
    ...CONFIG, ...MACHINE,
    out: { kind: "value", value: "FILE", help: "the capture to write (default MACHINE.capture); an existing file is not touched" },
    seconds: { kind: "value", value: "N", help: "stop after N seconds (default: at Ctrl-C)" },
    "maximum-mb": { kind: "value", value: "N", help: "stop when the capture has N megabytes", default: "1024" },
  },
  details: "The capture holds observations as the driver read them: program names and alarm texts, but no password.",
  async run(args, io, signal) {
    const settings = await configuration(args.value("config") ?? "", parts.kinds, io);
    const { machine, source } = chosenMachine(settings, args);
    const file = args.value("out") ?? `${machine.id}.capture`;
    const limitBytes = positive(args.value("maximum-mb") ?? "", "--maximum-mb") * 1024 * 1024;
    const seconds = args.value("seconds");
    const limitMs = seconds === undefined ? null : positive(seconds, "--seconds") * 1_000;
    const ports = parts.ports();
    const out = await created(file);
    const deadline = limitMs === null ? null : ports.network.deadline(limitMs, signal);
    const tally = { bytes: 0, batches: 0, items: 0, saidMono: ports.network.now().monoMs };
    try {
      await watchSource({
        driver: parts.driver(source, ports, placeOf(settings)), ports, io,
        async take(batch, peer) {
          const line = captureLine({ batch, arrival: { source: source.name, received: ports.clock.now() } });
          const text = tally.batches === 0 ? captureHead({ machine: machine.id, source: source.name, kind: source.kind, peer }) + line : line;
          if (!(await write(out, text))) return false;
          tally.bytes += Buffer.byteLength(text);
          tally.batches += 1;
          tally.items += batch.items.length;
          const now = ports.network.now().monoMs;
          if (now - tally.saidMono > PROGRESS_MS) {
            tally.saidMono = now;
            await write(io.stderr, `${tally.items} observations, ${Math.ceil(tally.bytes / 1024)} KB\n`);
          }
          return tally.bytes < limitBytes;
        },
      }, deadline?.signal ?? signal);
    } catch (cause) {
      throw out.errored === null ? cause : unwritable(file, out.errored);
    } finally {
      deadline?.clear();
      await ended(file, out);
    }
    if (tally.batches === 0) {
      await rm(file);
      await write(io.stderr, `nothing was recorded, and ${file} was not kept\n`);
      return FAILED;
    }
    await write(io.stderr, `${file}: ${tally.items} observations in ${tally.batches} batches, ${Math.ceil(tally.bytes / 1024)} KB\n`);
    return GOOD;
  },
});

/** Never an existing file, and no waiting for a machine when nothing can be written. */
async function created(file: string): Promise<WriteStream> {
  try {
    const out = (await open(file, "wx")).createWriteStream();
    // Whoever writes hears of it; without a listener it would end the process.
    return out.on("error", () => undefined);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") throw new UsageError(`${file} is already there: choose another with --out`, { cause });
    throw new UsageError(`${file} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

async function ended(file: string, out: WriteStream): Promise<void> {
  if (out.errored !== null) return;
  out.end();
  await finished(out).catch((cause: unknown) => {
    throw unwritable(file, cause);
  });
}

const unwritable = (file: string, cause: unknown): StoreError =>
  new StoreError("io", `${file} cannot be written any further: ${cause instanceof Error ? cause.message : String(cause)}. What is in it up to here can be replayed.`, { cause });
