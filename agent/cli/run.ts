/** `cellgate run`: the agent, until SIGTERM or SIGINT. Logs go to standard output, one JSON object a line. */
import type { Kinds } from "../config/kinds.ts";
import type { Configuration } from "../config/model.ts";
import type { Ports } from "../contract/ports.ts";
import { CONFIG, positive, UsageError } from "./arguments.ts";
import { GOOD, type Command } from "./cli.ts";
import { configuration } from "./configured.ts";

export interface RunParts {
  readonly kinds: Kinds;
  ports(time: { readonly speed: number; readonly startUnixMs?: number }): Ports;
  /** Puts the parts together and works until the signal aborts. */
  work(configuration: Configuration, ports: Ports, signal: AbortSignal): Promise<void>;
}

export const runCommand = (parts: RunParts): Command => ({
  name: "run",
  summary: "run the agent",
  positionals: [],
  options: {
    ...CONFIG,
    speed: { kind: "value", value: "N", help: "demonstrations and tests only: the agent's clock runs N times as fast, network deadlines do not", default: "1" },
    "start-unix-ms": { kind: "value", value: "MS", help: "demonstrations and tests only: the wall time at which the agent's clock begins" },
  },
  details: "Stops in an orderly way on SIGTERM or Ctrl-C, within 5 s; a second signal ends it at once.",
  async run(args, io, signal) {
    const speed = positive(args.value("speed") ?? "1", "--speed");
    const start = args.value("start-unix-ms");
    const settings = await configuration(args.value("config") ?? "", parts.kinds, io);
    if ((speed !== 1 || start !== undefined) && settings.agent.environment !== "test")
      throw new UsageError("--speed and --start-unix-ms falsify times: they need environment: test under agent: in the configuration");
    const ports = parts.ports({ speed, ...(start !== undefined && { startUnixMs: positive(start, "--start-unix-ms") }) });
    await parts.work(settings, ports, signal);
    return GOOD;
  },
});
