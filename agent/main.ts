/** The program: commands, ports, signals, exit code. The first signal stops in an orderly way, the second ends at once. */
import { runCli } from "./cli/cli.ts";
import { runCommand } from "./cli/run.ts";
import { terminal } from "./cli/terminal.ts";
import { createLog, type ClosableLog, type LogLevel } from "./config/log.ts";
import type { Kinds } from "./config/kinds.ts";
import { createSecrets } from "./config/secrets.ts";
import { ConfigError } from "./contract/errors.ts";
import type { Ports } from "./contract/ports.ts";
import { assemble } from "./assemble.ts";
import { DESTINATION_KINDS, SOURCE_KINDS } from "./registry.ts";
import { runAgent } from "./runtime/agent.ts";
import { whileReplaced } from "./runtime/replaced.ts";
import { noEarlierThan, systemClock } from "./runtime/time/clock.ts";
import { RELEASED, VERSION } from "./version.ts";

const kinds: Kinds = { sources: SOURCE_KINDS, destinations: DESTINATION_KINDS };
const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

function logLevel(): LogLevel {
  const wanted = process.env["CELLGATE_LOG"] ?? "info";
  const level = LEVELS.find((one) => one === wanted);
  if (level === undefined) throw new ConfigError([`CELLGATE_LOG is ${JSON.stringify(wanted)}; it may be ${LEVELS.join(", ")}`]);
  return level;
}

const logs: ClosableLog[] = [];
/** The agent logs to standard output; commands that print results there log to standard error, and only trouble. */
function ports(time: { readonly speed: number; readonly startUnixMs?: number }, destination: NodeJS.WriteStream, level: LogLevel): Ports {
  const network = systemClock();
  const log = createLog({ destination, level, clock: network });
  logs.push(log);
  const clock = time.startUnixMs === undefined ? noEarlierThan(RELEASED, systemClock(time.speed)) : systemClock(time.speed, time.startUnixMs);
  return { clock, network, log, random: Math.random, secret: createSecrets({ env: process.env, log }) };
}
/** Writes what was counted and not yet told. */
const closeLogs = (): void => {
  for (const log of logs.splice(0)) log.close();
};
const quietPorts = (): Ports => ports({ speed: 1 }, process.stderr, "error");

const running = runCommand({
  kinds,
  ports: (time) => ports(time, process.stdout, logLevel()),
  work: async (configuration, own, signal) => {
    own.log.info({ version: VERSION, agent: configuration.agent.id, machines: configuration.machines.length, dataDir: configuration.agent.dataDir }, "cellgate starts");
    try {
      await whileReplaced(own, () => runAgent(assemble(configuration, own, VERSION, process.argv[1]), signal));
      own.log.info({}, "cellgate has stopped");
    } finally {
      closeLogs();
    }
  },
});

async function main(): Promise<void> {
  const stopping = new AbortController();
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping.signal.aborted) process.exit(1);
    stopping.abort(new Error(`stopped by ${signal}`));
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
  const argv = process.argv.slice(2);
  const others = argv[0] === running.name ? [] : (await import("./commands.ts")).otherCommands(kinds, quietPorts);
  process.exitCode = await runCli(argv, [running, ...others], terminal(process), stopping.signal);
  // What a stopped part still holds open (a socket that will not close) must not keep a stopped agent alive.
  if (stopping.signal.aborted) process.exit();
}

await main();
