/**
 * The agent as agent/main.ts makes it, with one thing beside it: each row is written down when its commit is reported
 * stored. FAULTS_STORED names the file; FAULTS_PROGRAM the agent's own program, for what it starts. Only the command `run`.
 */
import { openSync, writeSync } from "node:fs";
import { assemble } from "../../../agent/assemble.ts";
import { runCli } from "../../../agent/cli/cli.ts";
import { runCommand } from "../../../agent/cli/run.ts";
import { terminal } from "../../../agent/cli/terminal.ts";
import { createLog } from "../../../agent/config/log.ts";
import { createSecrets } from "../../../agent/config/secrets.ts";
import type { Commit, Outbox } from "../../../agent/contract/outbox.ts";
import { DESTINATION_KINDS, SOURCE_KINDS } from "../../../agent/registry.ts";
import { runAgent } from "../../../agent/runtime/agent.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { whileReplaced } from "../../../agent/runtime/replaced.ts";

const file = openSync(process.env["FAULTS_STORED"] ?? "", "a");

function tapped(outbox: Outbox): Outbox {
  const commit = async (given: Commit): Promise<number> => {
    const last = await outbox.commit(given);
    const rows = given.records.map(({ type, id, rev }, index) => JSON.stringify({ epoch: outbox.epoch, seq: last - given.records.length + 1 + index, machine: given.machine, type, id, rev }));
    if (rows.length > 0) writeSync(file, `${rows.join("\n")}\n`);
    return last;
  };
  // Everything else is the buffer's own.
  return new Proxy(outbox, {
    get(target, key) {
      if (key === "commit") return commit;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value as (...args: readonly unknown[]) => unknown).bind(target) : value;
    },
  });
}

const stopping = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => { stopping.abort(new Error(`stopped by ${signal}`)); });
const network = systemClock();
const log = createLog({ destination: process.stdout, level: "info", clock: network });
const command = runCommand({
  kinds: { sources: SOURCE_KINDS, destinations: DESTINATION_KINDS },
  ports: ({ speed, startUnixMs }) => ({ clock: systemClock(speed, startUnixMs), network, log, random: Math.random, secret: createSecrets({ env: process.env, log }) }),
  work: (configuration, ports, signal) => whileReplaced(ports, () => {
    const parts = assemble(configuration, ports, "faults", process.env["FAULTS_PROGRAM"]);
    return runAgent({ ...parts, outbox: tapped(parts.outbox) }, signal);
  }),
});
const code = await runCli(["run", ...process.argv.slice(2)], [command], terminal(process), stopping.signal);
log.close();
process.exit(code);
