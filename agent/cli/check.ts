/** `cellgate check`: is the configuration file good, and what does it mean. Offline: connects to nothing, reads no secret. */
import { sitePlan, loadConfiguration } from "../config/load.ts";
import { explain } from "../config/explain.ts";
import type { Kinds } from "../config/kinds.ts";
import type { BufferSettings, Configuration, DestinationSettings, MachineSettings } from "../config/model.ts";
import { durationText, sizeText } from "../contract/shapes.ts";
import { CONFIG, JSON_OUTPUT } from "./arguments.ts";
import { GOOD, MISUSED, type Command } from "./cli.ts";
import { bytesWords } from "./buffer/words.ts";
import { write } from "./terminal.ts";

export const checkCommand = (kinds: Kinds): Command => ({
  name: "check",
  summary: "check the configuration file and say what it means",
  positionals: [],
  options: { ...CONFIG, ...JSON_OUTPUT },
  details: "Connects to nothing and reads no secret. Exit code 0: good; 2: the problems are on standard error, or with --json on standard output.",
  async run(args, io) {
    const file = args.value("config") ?? "";
    const loaded = loadConfiguration(file, kinds);
    const problems = loaded.ok ? loaded.warnings : loaded.problems;
    if (args.flag("json")) {
      const summary = loaded.ok ? { configuration: loaded.configuration } : {};
      await write(io.stdout, `${JSON.stringify({ ok: loaded.ok, file, problems, ...summary }, null, 2)}\n`);
      return loaded.ok ? GOOD : MISUSED;
    }
    if (problems.length > 0) await write(io.stderr, explain(problems, { colours: io.errorIsTerminal }));
    if (loaded.ok) await write(io.stdout, summary(file, loaded.configuration, kinds));
    else await write(io.stderr, `\n${count(problems.length, "problem")} in ${file}\n`);
    return loaded.ok ? GOOD : MISUSED;
  },
});

const DAY_MS = 86_400_000;

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;

/** What the file means, for a person. */
function summary(file: string, configuration: Configuration, kinds: Kinds): string {
  const { agent, destinations, machines } = configuration;
  const plan = sitePlan(configuration);
  const place = [agent.enterprise, agent.site, agent.area, agent.cell].filter((level) => level !== undefined).join(" / ");
  const lines = [
    `${file} is good.`,
    "",
    `agent ${agent.id}${place === "" ? "" : ` at ${place}`}, ${agent.timezone}, ${agent.environment}, data in ${agent.dataDir}`,
  ];
  lines.push("", "buffer", ...bufferLines(configuration.buffer).map((text) => `  ${text}`));
  for (const machine of machines) lines.push("", ...machineLines(machine, kinds));
  for (const destination of destinations) {
    const { kind, name, config } = destination;
    const own = kinds.destinations.find((one) => one.kind === kind)?.summary?.(config, plan) ?? [];
    lines.push("", `destination ${name}: ${kind}`, ...[...own, ...dueLines(destination)].map((text) => `  ${text}`));
  }
  return `${lines.join("\n")}\n`;
}

function bufferLines({ budgetBytes, keepFree, historyMs, card }: BufferSettings): readonly string[] {
  return [
    `room      at most ${sizeText(budgetBytes)}; ${Math.round(keepFree * 1_000) / 10}% of the disk stays free`,
    `history   delivered records stay ${durationText(historyMs)} while there is room`,
    ...(card === null ? [] : [`card      ${sizeText(card.enduranceBytes)} in ${durationText(card.lifeMs)}: ${bytesWords(card.enduranceBytes / (card.lifeMs / DAY_MS))} may be written a day`]),
  ];
}

/** Only what is not as by default. */
function dueLines({ types, limitBytes, confirm }: DestinationSettings): readonly string[] {
  return [
    ...(types === null ? [] : [`gets only ${types.join(", ")}${types.includes("loss") ? "" : ", and records of loss"}`]),
    ...(limitBytes === null ? [] : [`at most ${sizeText(limitBytes)} may wait for it`]),
    ...(confirm ? ["its bridge confirms what it has stored"] : []),
  ];
}

function machineLines({ id, description, sources, rules }: MachineSettings, kinds: Kinds): readonly string[] {
  const { cycle, downtime, calendar } = rules;
  const special = cycle.programs.length === 0 ? "" : `, ${count(cycle.programs.length, "program rule")}`;
  const reasons = downtime.reasons.length === 0 ? "" : `, ${count(downtime.reasons.length, "reason rule")}`;
  const shifts = calendar === null ? "none: all time is scheduled" : `${calendar.name} (${calendar.shifts.map(({ code, startMinute, endMinute }) => `${code} ${clock(startMinute)} to ${clock(endMinute)}`).join(", ")}; ${calendar.timezone})`;
  return [
    `machine ${id}${description === undefined ? "" : `: ${description}`}`,
    ...sources.map(({ kind, name, config, time }) => {
      const own = kinds.sources.find((one) => one.kind === kind)?.summary?.(config);
      return `  source    ${name === kind ? kind : `${name} (${kind})`}${own === undefined ? "" : ` ${own}`}, time: ${time}`;
    }),
    `  cycle     ${count(cycle.partsPerCycle, "part")} a cycle, quantity: ${cycle.quantity}${special}`,
    `  downtime  after ${durationText(downtime.thresholdMs)}, micro below ${durationText(downtime.microStopMs)}${reasons}`,
    `  shifts    ${shifts}`,
  ];
}

const clock = (minutes: number): string => `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
