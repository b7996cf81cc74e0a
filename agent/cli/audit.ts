/** `cellgate audit FILE`: do records obey the rules? FILE holds one record a line, as `tail` or a broker gives them; - is standard input. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { auditRecords, type AuditReport } from "../audit/audit.ts";
import { RULES, type Finding, type Rule } from "../audit/finding.ts";
import { ConfigError } from "../contract/errors.ts";
import { JSON_OUTPUT, UsageError } from "./arguments.ts";
import { FAILED, GOOD, type Command } from "./cli.ts";
import { write } from "./terminal.ts";

/** A person reads this many of one rule; `--json` has up to a thousand in all. */
const SHOWN_PER_RULE = 5;

export const auditCommand: Command = {
  name: "audit",
  summary: "say whether records obey the rules: nothing overlaps, nothing is missing, everything adds up",
  positionals: ["FILE"],
  options: JSON_OUTPUT,
  details: `FILE holds one record a line: CloudEvents or their data, all revisions, in any order, from the first record on; - reads standard input.\nExits 0 when every rule holds, 1 when one does not. The rules:\n${Object.entries(RULES).map(([rule, words]) => `  ${rule.padEnd(20)} ${words}`).join("\n")}`,
  async run(args, io, signal) {
    const file = args.positionals[0];
    if (file === undefined) throw new UsageError("name the file to audit, or - for standard input");
    const report = await auditRecords(linesOf(file, signal));
    await write(io.stdout, args.flag("json") ? `${JSON.stringify(report)}\n` : inWords(report));
    return report.good ? GOOD : FAILED;
  },
};

async function* linesOf(file: string, signal: AbortSignal): AsyncGenerator<string, void, void> {
  const input = file === "-" ? process.stdin : createReadStream(file, "utf8");
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY, signal })) yield line;
    signal.throwIfAborted();
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "EISDIR" || cause.code === "EACCES"))
      throw new ConfigError([`${file} cannot be read: ${cause.message}`], { cause });
    throw cause;
  }
}

function inWords({ lines, records, machines, findings, counts, good }: AuditReport): string {
  const read = `${records} records of ${machines.length === 1 ? machines[0] : `${machines.length} machines`} in ${lines} lines`;
  if (good) return `${read}: every rule holds.\n`;
  const rules = (Object.keys(counts) as Rule[]).map((rule) => {
    const shown = findings.filter((one) => one.rule === rule).slice(0, SHOWN_PER_RULE);
    const more = (counts[rule] ?? 0) - shown.length;
    return `\n${rule}: ${counts[rule] ?? 0} against the rule that ${RULES[rule]}\n${shown.map(line).join("")}${more > 0 ? `  … and ${more} more\n` : ""}`;
  });
  return `${read}: ${Object.values(counts).reduce((sum, count) => sum + count, 0)} findings.\n${rules.join("")}`;
}

const line = ({ machine, at, recordIds, words }: Finding): string =>
  `  ${[machine, at, words].filter((part) => part !== null).join("  ")}${recordIds.length > 0 ? `  [${recordIds.join(", ")}]` : ""}\n`;
