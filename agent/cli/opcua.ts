/**
 * `cellgate opcua certificate show | export | renew` and `cellgate opcua trust`: the certificates that an agent and an OPC UA
 * server must accept of each other. They work on the files in data_dir; a running agent sees them at its next connection.
 */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { X509Certificate } from "node:crypto";
import type { Kinds } from "../config/kinds.ts";
import { placeOf } from "../config/model.ts";
import { StoreError } from "../contract/errors.ts";
import type { Ports } from "../contract/ports.ts";
import type { Place } from "../contract/source.ts";
import { rfc3339, type UnixMs } from "../contract/time.ts";
import { CONFIG, JSON_OUTPUT, UsageError, type Arguments } from "./arguments.ts";
import { GOOD, type Command } from "./cli.ts";
import { configuration } from "./configured.ts";
import { write, type Io } from "./terminal.ts";

interface Facts {
  readonly thumbprint: string;
  readonly subject: string;
  readonly applicationUri: string | null;
  readonly from: UnixMs;
  readonly until: UnixMs;
}
interface Kept {
  readonly file: string;
  readonly facts: Facts;
}
/** The certificates themselves, by agent/commands.ts. */
export interface OpcuaParts {
  readonly kinds: Kinds;
  ports(): Ports;
  show(place: Place): Promise<{ readonly own: Kept | null; readonly before: Kept | null; readonly trusted: readonly Facts[]; readonly waiting: readonly Facts[] }>;
  own(place: Place, now: UnixMs): Promise<Kept & { readonly pem: string }>;
  renew(place: Place, now: UnixMs): Promise<{ readonly now: Facts; readonly before: Facts }>;
  trust(place: Place, thumbprint: string): Promise<Facts | null>;
}

export const opcuaCommands = (parts: OpcuaParts): readonly Command[] => [show(parts), exported(parts), renew(parts), trust(parts)];

const place = async (parts: OpcuaParts, args: Arguments, io: Io): Promise<Place> => placeOf(await configuration(args.value("config") ?? "", parts.kinds, io));
const now = (parts: OpcuaParts): UnixMs => parts.ports().network.now().unixMs;

const show = (parts: OpcuaParts): Command => ({
  name: "opcua certificate show",
  summary: "show our certificate for OPC UA, the servers trusted, and those that wait for it",
  positionals: [],
  options: { ...CONFIG, ...JSON_OUTPUT },
  details: "Compare thumbprints with what the control's menu shows before you trust one.",
  async run(args, io) {
    const shown = await parts.show(await place(parts, args, io));
    if (args.flag("json")) {
      await write(io.stdout, `${JSON.stringify(shown)}\n`);
      return GOOD;
    }
    const lines = [
      ...(shown.own === null ? ["ours: none yet; it is made at the first connection, or by cellgate opcua certificate export"] : words("ours", shown.own.facts, shown.own.file)),
      ...(shown.before === null ? [] : words("ours before it was renewed", shown.before.facts, shown.before.file)),
      ...shown.trusted.flatMap((one) => words("trusted", one)),
      ...shown.waiting.flatMap((one) => [...words("waiting", one), `  trust it: cellgate opcua trust ${one.thumbprint}`]),
    ];
    await write(io.stdout, `${lines.join("\n")}\n`);
    return GOOD;
  },
});

function words(what: string, { thumbprint, subject, applicationUri, from, until }: Facts, file?: string): readonly string[] {
  return [
    `${what}: ${subject}`, `  thumbprint ${thumbprint}`, `  valid from ${rfc3339(from).slice(0, 10)} to ${rfc3339(until).slice(0, 10)}`,
    ...(applicationUri === null ? [] : [`  application URI ${applicationUri}`]), ...(file === undefined ? [] : [`  file ${file}`]),
  ];
}

const exported = (parts: OpcuaParts): Command => ({
  name: "opcua certificate export",
  summary: "write our certificate for OPC UA, to bring to a server",
  positionals: [],
  options: { ...CONFIG, out: { kind: "value", value: "FILE", help: "the file to write; .der or .cer is binary, as most controls want it. Default: PEM text to standard output" } },
  details: "The certificate only, never its key. Made first where there is none.",
  async run(args, io) {
    const { pem, facts } = await parts.own(await place(parts, args, io), now(parts));
    const out = args.value("out");
    if (out === undefined) {
      await write(io.stdout, pem);
      return GOOD;
    }
    if (existsSync(out)) throw new UsageError(`${out} is already there: choose another with --out`);
    try {
      await writeFile(out, /\.(?:der|cer)$/iu.test(out) ? new X509Certificate(pem).raw : pem, { flag: "wx" });
    } catch (cause) {
      throw new StoreError("io", `${out} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}; choose another with --out`, { cause });
    }
    await write(io.stdout, `${out}: ${facts.subject}, thumbprint ${facts.thumbprint}\n`);
    return GOOD;
  },
});

const renew = (parts: OpcuaParts): Command => ({
  name: "opcua certificate renew",
  summary: "make a new certificate of ours for OPC UA",
  positionals: [],
  options: { ...CONFIG, ...JSON_OUTPUT },
  details: "Every server must accept the new one. Until it does, the one before is used there, as long as it is valid.",
  async run(args, io) {
    const renewed = await parts.renew(await place(parts, args, io), now(parts));
    if (args.flag("json")) await write(io.stdout, `${JSON.stringify(renewed)}\n`);
    else await write(io.stdout, `${[...words("new", renewed.now), ...words("before", renewed.before)].join("\n")}\nNow accept the new one at every server; until then the one before is used there.\n`);
    return GOOD;
  },
});

const trust = (parts: OpcuaParts): Command => ({
  name: "opcua trust",
  summary: "trust an OPC UA server by the thumbprint of its certificate",
  positionals: ["THUMBPRINT"],
  options: { ...CONFIG, ...JSON_OUTPUT },
  details: "The server must have been tried once: then its certificate waits, and `cellgate opcua certificate show` lists it.\nColons and blanks in the thumbprint do not matter.",
  async run(args, io) {
    const [thumbprint] = args.positionals;
    if (thumbprint === undefined) throw new UsageError("say which certificate: THUMBPRINT, as the log, or `cellgate opcua certificate show`, tells it");
    const where = await place(parts, args, io);
    const facts = await parts.trust(where, thumbprint);
    if (facts === null) {
      const { waiting } = await parts.show(where);
      throw new UsageError(`no server has shown a certificate with this thumbprint; waiting: ${waiting.map((one) => `${one.thumbprint} (${one.subject})`).join(", ") || "none"}`);
    }
    await write(io.stdout, args.flag("json") ? `${JSON.stringify(facts)}\n` : `${words("trusted", facts).join("\n")}\n`);
    return GOOD;
  },
});
