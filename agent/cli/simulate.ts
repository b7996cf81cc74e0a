/**
 * `cellgate simulate mtconnect`: a machine to try the agent on. It plays the built-in shift, or what a real machine
 * said: SHDR text with its Devices.xml, or recorded MTConnectStreams documents. The simulator is loaded only here.
 */
import { readFile } from "node:fs/promises";
import type { Feed } from "../simulate/mtconnect/feeds/feed.ts";
import { systemClock } from "../runtime/time/clock.ts";
import { UsageError, type Arguments } from "./arguments.ts";
import { GOOD, type Command } from "./cli.ts";
import { write, type Io } from "./terminal.ts";

export const simulateCommand: Command = {
  name: "simulate mtconnect",
  summary: "serve a simulated MTConnect machine, from a script or a recording",
  positionals: [],
  options: {
    port: { kind: "value", value: "N", default: "5000", help: "TCP port; 0 takes any free one" },
    host: { kind: "value", value: "ADDRESS", default: "127.0.0.1", help: "address to listen at" },
    script: { kind: "value", value: "shift|FILE", default: "shift", help: "the built-in shift, SHDR text, or MTConnectStreams documents separated by commas" },
    devices: { kind: "value", value: "FILE", help: "device model: needed for SHDR text, optional for documents" },
    device: { kind: "value", value: "NAME", help: "serve this device of the model only; of the shift: what it is called" },
    session: { kind: "value", value: "N", help: "of SHDR text in which an adapter greets several times: which session" },
    speed: { kind: "value", value: "N", default: "1", help: "times as fast as real; all: everything at once (recordings)" },
    schema: { kind: "value", value: "VERSION", help: "MTConnect version to speak, 1.0 to 2.7 (default: the recording's, else 1.3)" },
    buffer: { kind: "value", value: "N", default: "131072", help: "observations the agent keeps" },
    seed: { kind: "value", value: "N", default: "1", help: "another seed, another shift" },
    gzip: { kind: "flag", help: "compress for clients that accept it" },
    json: { kind: "flag", help: "print the address as JSON" },
  },
  details: "Ends with Ctrl-C. Then: cellgate run with a source {type: mtconnect, url: \"http://127.0.0.1:5000\"}.",
  async run(args, io, signal) {
    const speed = args.value("speed") === "all" ? "all" : count(args, "speed", 0.001);
    const network = systemClock();
    const feed = await feedOf(args, network.now().unixMs);
    if (speed === "all" && !feed.recorded) throw new UsageError("--speed all is for recordings; for the shift say how many times as fast: --speed 60");
    // A script's own time runs faster; a recording's time is in its stamps, and only its playback is.
    const clock = feed.recorded || speed === "all" ? network : systemClock(speed, feed.startMs);
    const { simulate } = await import("../simulate/mtconnect/start.ts");
    const schema = args.value("schema");
    const simulation = await simulate(feed, {
      clock, network, speed: feed.recorded ? speed : 1, port: count(args, "port", 0), host: args.value("host") ?? "127.0.0.1",
      bufferSize: Math.trunc(count(args, "buffer", 1)), gzip: args.flag("gzip"), ...(schema === undefined ? {} : { schema }),
    }).catch((error: unknown) => {
      throw new UsageError(`the simulated machine could not start: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    });
    try {
      await announce(io, args, simulation.agent.url, feed);
      await aborted(signal);
    } finally {
      await simulation.close();
    }
    return GOOD;
  },
};

async function feedOf(args: Arguments, now: number): Promise<Feed> {
  const script = args.value("script") ?? "shift";
  const [devices, device, schema] = [args.value("devices"), args.value("device"), args.value("schema")];
  if (script === "shift") {
    const { shiftFeed } = await import("../simulate/mtconnect/feeds/shift.ts");
    const seed = count(args, "seed", 0);
    return used(() => shiftFeed({ startMs: now, seed, ...(device === undefined ? {} : { device }), ...(schema === undefined ? {} : { schema }) }));
  }
  const files = await Promise.all(script.split(",").map(read));
  const probe = devices === undefined ? undefined : await read(devices);
  const { documentFeed, isStreamsDocument } = await import("../simulate/mtconnect/feeds/documents.ts");
  const { shdrFeed } = await import("../simulate/mtconnect/feeds/shdr.ts");
  const { readModel } = await import("../simulate/mtconnect/model.ts");
  const [first] = files;
  const session = args.value("session");
  return used(() => {
    if (first === undefined || files.every(({ text }) => isStreamsDocument(text))) return documentFeed(files, probe);
    if (files.length > 1) throw new Error("SHDR text is played from one file at a time");
    if (probe === undefined) throw new Error(`${first.where}: SHDR text needs the machine's device model: --devices FILE`);
    return shdrFeed(first.text, { model: readModel(probe.text, probe.where, device), where: first.where, ...(session === undefined ? {} : { session: count(args, "session", 1) }) });
  });
}

/** What the feeds refuse is wrong with the file or the option, not with us. */
function used<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

async function read(where: string): Promise<{ readonly where: string; readonly text: string }> {
  try {
    return { where, text: await readFile(where, "utf8") };
  } catch (error) {
    throw new UsageError(`${where} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function count(args: Arguments, name: string, least: number): number {
  const text = args.value(name) ?? "";
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < least) throw new UsageError(`--${name} is ${JSON.stringify(text)}; it must be a number, at least ${least}`);
  return value;
}

async function announce(io: Io, args: Arguments, url: string, feed: Feed): Promise<void> {
  const devices = feed.model.devices.map(({ name }) => name);
  if (args.flag("json")) await write(io.stdout, `${JSON.stringify({ url, devices, steps: feed.steps.length })}\n`);
  else await write(io.stdout, `simulated MTConnect machine ${devices.join(", ")} at ${url} (${feed.recorded ? "recording" : "scripted shift"}, ${feed.steps.length} steps); Ctrl-C ends it\n`);
  for (const note of feed.notes.slice(0, 20)) await write(io.stderr, `note: ${note}\n`);
}

const aborted = (signal: AbortSignal): Promise<void> => new Promise((resolve) => {
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => {
    resolve();
  }, { once: true });
});
