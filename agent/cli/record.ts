/** `cellgate record`: what a machine says, raw, into a capture file that `replay` turns into the same records each time. */
import { createWriteStream, existsSync } from "node:fs";
import { finished } from "node:stream/promises";
import type { Kinds } from "../config/kinds.ts";
import type { SourceSettings } from "../config/model.ts";
import type { Ports } from "../contract/ports.ts";
import type { Driver } from "../contract/source.ts";
import { captureHead, captureLine } from "../runtime/capture.ts";
import { CONFIG, UsageError } from "./arguments.ts";
import { GOOD, type Command } from "./cli.ts";
import { chosenMachine, configuration, MACHINE } from "./configured.ts";
import { watchSource } from "./session.ts";
import { write } from "./terminal.ts";

export interface RecordParts {
  readonly kinds: Kinds;
  ports(): Ports;
  driver(source: SourceSettings, ports: Ports): Driver;
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
    const { machine, source } = chosenMachine(await configuration(args.value("config") ?? "", parts.kinds, io), args);
    const file = args.value("out") ?? `${machine.id}.capture`;
    if (existsSync(file)) throw new UsageError(`${file} is already there: choose another with --out`);
    const limitBytes = count(args.value("maximum-mb") ?? "", "--maximum-mb") * 1024 * 1024;
    const seconds = args.value("seconds");
    const ports = parts.ports();
    const deadline = seconds === undefined ? null : ports.network.deadline(count(seconds, "--seconds") * 1_000, signal);
    const out = createWriteStream(file, { flags: "wx" });
    const tally = { bytes: 0, batches: 0, items: 0, saidMono: ports.network.now().monoMs };
    try {
      await watchSource({
        driver: parts.driver(source, ports), ports, io,
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
    } finally {
      deadline?.clear();
      out.end();
      await finished(out);
    }
    await write(io.stderr, `${file}: ${tally.items} observations in ${tally.batches} batches, ${Math.ceil(tally.bytes / 1024)} KB\n`);
    return GOOD;
  },
});

function count(text: string, option: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new UsageError(`${option} needs a number above 0, not ${JSON.stringify(text)}`);
  return value;
}
