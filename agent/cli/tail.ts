/** `cellgate tail`: what a machine says, live, in the agent's words; with --records what arrives at the broker. */
import type { Kinds } from "../config/kinds.ts";
import { placeOf, type Configuration, type SourceSettings } from "../config/model.ts";
import type { Gap, Reading } from "../contract/observation.ts";
import type { Ports } from "../contract/ports.ts";
import { rfc3339, unixMs } from "../contract/time.ts";
import type { Driver, Place } from "../contract/source.ts";
import { CONFIG, JSON_OUTPUT } from "./arguments.ts";
import { GOOD, type Command } from "./cli.ts";
import { chosenMachine, configuration, MACHINE } from "./configured.ts";
import { watchSource } from "./session.ts";
import { write } from "./terminal.ts";

export interface TailParts {
  readonly kinds: Kinds;
  ports(): Ports;
  driver(source: SourceSettings, ports: Ports, place: Place): Driver;
  /** Messages of the configuration's first destination, as JSON texts. */
  followRecords(configuration: Configuration, machine: string | undefined, ports: Ports, signal: AbortSignal): AsyncIterable<string>;
}

export const tailCommand = (parts: TailParts): Command => ({
  name: "tail",
  summary: "show what a machine says, live, or the records that arrive at the broker",
  positionals: [],
  options: { ...CONFIG, ...MACHINE, records: { kind: "flag", help: "the records at the first destination's broker, instead of the machine's observations" }, ...JSON_OUTPUT },
  details: "Reads the machine itself, beside a running agent. A value marked ~ was already so when we began to look.",
  async run(args, io, signal) {
    const settings = await configuration(args.value("config") ?? "", parts.kinds, io);
    const ports = parts.ports();
    if (args.flag("records")) {
      // Nothing would ever arrive of a machine that is not there.
      if (args.value("machine") !== undefined) chosenMachine(settings, args);
      for await (const text of parts.followRecords(settings, args.value("machine"), ports, signal)) {
        if (!(await write(io.stdout, `${args.flag("json") ? text : recordWords(text)}\n`))) break;
      }
      return GOOD;
    }
    const { machine, source } = chosenMachine(settings, args);
    await watchSource({
      driver: parts.driver(source, ports, placeOf(settings)), ports, io,
      async take(batch) {
        const lines = batch.items.map((item) => (args.flag("json") ? JSON.stringify({ machine: machine.id, ...item }) : itemWords(item)));
        return lines.length === 0 || write(io.stdout, `${lines.join("\n")}\n`);
      },
    }, signal);
    return GOOD;
  },
});

const stamp = (at: number | undefined): string => (at === undefined ? "no stamp".padEnd(24) : rfc3339(unixMs(at)));

function itemWords(item: Reading | Gap): string {
  if (item.kind === "gap") return `${stamp(item.from)}  GAP ${item.reason}${item.missing === undefined ? "" : `, ${item.missing} observations missed`}`;
  const value = item.quality === "UNAVAILABLE" ? "UNAVAILABLE" : typeof item.value === "object" ? (item.value.map(({ severity, code, text }) => `${severity} ${code} ${text}`).join("; ") || "none") : String(item.value);
  const path = item.path === undefined || item.path === 1 ? "" : ` (path ${item.path})`;
  return `${stamp(item.sourceTime)} ${item.initial === true ? "~" : " "}${item.signal}${path} = ${value}${item.quality === "UNCERTAIN" ? " (uncertain)" : ""}`;
}

/** One line of a record for a person: what, which revision, and the fields that say it. */
export function recordWords(text: string): string {
  const { type = "", time = "", data = {} } = JSON.parse(text) as { readonly type?: string; readonly time?: string; readonly data?: Readonly<Record<string, string | number | null>> };
  const kind = type.split(".")[2] ?? type;
  return `${time}  ${kind.padEnd(10)} rev ${String(data["rev"])}  ${recordFieldWords(data)}`;
}

/** The fields of a record's data that say what it is about. */
export function recordFieldWords(data: object): string {
  const fields = new Map<string, unknown>(Object.entries(data));
  return ["state", "outcome", "category", "reasonText", "alarmId", "text", "reason", "date", "delta", "partsDelta", "count", "durationMs", "status"]
    .flatMap((field) => {
      const value = fields.get(field);
      return typeof value === "string" || typeof value === "number" ? [`${field} ${value}`] : [];
    }).join(", ");
}
