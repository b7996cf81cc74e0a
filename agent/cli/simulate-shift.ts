/**
 * `cellgate simulate KIND` for the kinds that play the built-in shift and nothing else: one command each, with the same
 * options. The simulators themselves are loaded when one runs.
 */
import { systemClock } from "../runtime/time/clock.ts";
import type { Clock } from "../contract/time.ts";
import { UsageError, type Arguments } from "./arguments.ts";
import { GOOD, type Command } from "./cli.ts";
import { write } from "./terminal.ts";

interface Playing {
  readonly clock: Clock;
  readonly host: string;
  readonly port: number;
  readonly seed: number;
  readonly args: Arguments;
}
export interface Played {
  /** Where it is to be reached: "127.0.0.1:7878", or a path. */
  readonly at: string;
  /** The source that reads it, as the YAML would say it, on one line. */
  readonly source: string;
  /** What else a person should know, a sentence each. */
  readonly notes?: readonly string[];
  close(): Promise<void>;
}
interface Simulated {
  readonly kind: string;
  readonly summary: string;
  readonly port: number;
  readonly options?: Command["options"];
  readonly start: (playing: Playing) => Promise<Played>;
}

export const shiftCommand = ({ kind, summary, port, options = {}, start }: Simulated): Command => ({
  name: `simulate ${kind}`,
  summary,
  positionals: [],
  options: {
    port: { kind: "value", value: "N", default: String(port), help: "TCP port; 0 takes any free one" },
    host: { kind: "value", value: "ADDRESS", default: "127.0.0.1", help: "address to listen at" },
    speed: { kind: "value", value: "N", default: "1", help: "times as fast as real" },
    seed: { kind: "value", value: "N", default: "1", help: "another seed, another shift" },
    ...options,
    json: { kind: "flag", help: "print the address as JSON" },
  },
  details: "Plays the built-in shift. Ends with Ctrl-C.",
  async run(args, io, signal) {
    const speed = numberOf(args, "speed", 0.001);
    const playing = { clock: speed === 1 ? systemClock() : systemClock(speed), host: args.value("host") ?? "127.0.0.1", port: numberOf(args, "port", 0), seed: numberOf(args, "seed", 0), args };
    const played = await start(playing).catch((error: unknown) => {
      throw new UsageError(`the simulated ${kind} machine could not start: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    });
    try {
      if (args.flag("json")) await write(io.stdout, `${JSON.stringify({ at: played.at, source: played.source })}\n`);
      else await write(io.stdout, `simulated ${kind} machine at ${played.at}; its source: ${played.source}\n${(played.notes ?? []).map((note) => `${note}\n`).join("")}`);
      await aborted(signal);
    } finally {
      await played.close();
    }
    return GOOD;
  },
});

function numberOf(args: Arguments, name: string, least: number): number {
  const text = args.value(name) ?? "";
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < least) throw new UsageError(`--${name} is ${JSON.stringify(text)}; it must be a number, at least ${least}`);
  return value;
}

const aborted = (signal: AbortSignal): Promise<void> => new Promise((resolve) => {
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => { resolve(); }, { once: true });
});
