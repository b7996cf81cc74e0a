/** What the commands that need a configuration share: read it or say every problem, and pick one machine of it. */
import { explain } from "../config/explain.ts";
import type { Kinds } from "../config/kinds.ts";
import { loadConfiguration } from "../config/load.ts";
import type { Configuration, MachineSettings, SourceSettings } from "../config/model.ts";
import { ConfigError } from "../contract/errors.ts";
import { nearest } from "../contract/shape.ts";
import { UsageError, type Arguments, type Options } from "./arguments.ts";
import { write, type Io } from "./terminal.ts";

export const MACHINE: Options = { machine: { kind: "value", value: "ID", help: "which machine of the configuration; may be left out where there is one" } };

/** Throws ConfigError with every problem of the file; warnings go to standard error. */
export async function configuration(file: string, kinds: Kinds, io: Io): Promise<Configuration> {
  const loaded = loadConfiguration(file, kinds);
  if (!loaded.ok) throw new ConfigError([`the configuration cannot be used\n${explain(loaded.problems, { colours: io.errorIsTerminal })}`]);
  if (loaded.warnings.length > 0) await write(io.stderr, explain(loaded.warnings, { colours: io.errorIsTerminal }));
  return loaded.configuration;
}

export interface Chosen {
  readonly machine: MachineSettings;
  readonly source: SourceSettings;
}

/** The machine that `--machine` names, or the only one. */
export function chosenMachine({ machines }: Configuration, args: Arguments): Chosen {
  const wanted = args.value("machine");
  const ids = machines.map(({ id }) => id);
  const machine = wanted === undefined && machines.length === 1 ? machines[0] : machines.find(({ id }) => id === wanted);
  if (!machine) {
    const near = wanted === undefined ? undefined : nearest(wanted, ids);
    throw new UsageError(`${wanted === undefined ? "the configuration has several machines: choose one with --machine" : `no machine ${JSON.stringify(wanted)} in the configuration${near === undefined ? "" : `; did you mean ${near}?`}`} (${ids.join(", ")})`);
  }
  const source = machine.sources[0];
  if (!source) throw new UsageError(`machine ${machine.id} has no source`);
  return { machine, source };
}
