/**
 * `cellgate probe`: what one control says, and what it cannot. A control that the running agent reads is asked through the
 * agent, because it has few connections; any other through its driver, for a moment.
 */
import { createReadStream } from "node:fs";
import type { Kinds } from "../config/kinds.ts";
import { placeOf, type SourceSettings } from "../config/model.ts";
import { ConfigError, LinkError } from "../contract/errors.ts";
import type { Ports } from "../contract/ports.ts";
import { decode, inWords as problemInWords, isRecord, nearest } from "../contract/shape.ts";
import type { Driver, Place, SourceKind } from "../contract/source.ts";
import type { Address, Keys, RegisterQuestion, RegisterReadings } from "../contract/survey.ts";
import { CONFIG, JSON_OUTPUT, positive, UsageError, type Arguments } from "./arguments.ts";
import { GOOD, type Command } from "./cli.ts";
import { configuration } from "./configured.ts";
import { asking, configurationIfThere, heldSources, Holders, placeIn, type HolderParts } from "./find/holders.ts";
import { readOnce } from "./find/read-once.ts";
import { politely } from "./find/politely.ts";
import { splitPort } from "./find/ranges.ts";
import { inWords, ofFound, ofHeld, ofReading, registersInWords, type Report } from "./find/report.ts";
import { write, type Io } from "./terminal.ts";

export interface ProbeParts extends HolderParts {
  driver(source: Pick<SourceSettings, "kind" | "config">, ports: Ports, place: Place): Driver;
}

const TABLES = ["holding", "input"] as const;
const CAPTURE_LIMIT = 64 * 1024 * 1024;

export const probeCommand = (parts: ProbeParts): Command => ({
  name: "probe",
  summary: "show what one control says, and what it cannot",
  positionals: ["MACHINE|KIND", "[ADDRESS]"],
  options: {
    ...CONFIG,
    seconds: { kind: "value", value: "N", default: "5", help: "how long to read after the first values: slow ones come round" },
    timeout: { kind: "value", value: "MS", default: "5000", help: "longest wait for an answer, where no driver says its own" },
    device: { kind: "value", value: "NAME", help: "of an MTConnect agent with several: which device" },
    register: { kind: "value", value: "N", help: "modbus: read this register (as on the wire, from 0) and its neighbours in every order" },
    unit: { kind: "value", value: "N", default: "1", help: "modbus, with --register: unit id" },
    table: { kind: "value", value: "holding|input", default: "holding", help: "modbus, with --register: which registers" },
    capture: { kind: "value", value: "FILE", help: "shdr: propose a map from SHDR text in a file; nothing is connected to" },
    ...JSON_OUTPUT,
  },
  details: "MACHINE is a machine of the configuration; or name a kind and an address: cellgate probe focas 10.0.7.31:8193,\ncellgate probe mtconnect http://10.0.7.21:8082, cellgate probe haas /dev/serial/by-id/…\nA control that the running agent reads is asked through it. Reads only. Ctrl-C ends it.",
  async run(args, io, signal) {
    const [first, second] = args.positionals;
    if (first === undefined) throw new UsageError("name a machine of the configuration, or a kind and an address");
    const kind = parts.kinds.sources.find((one) => one.kind === first);
    const capture = args.value("capture");
    if (capture !== undefined) return printReport(io, args, await fromCapture(kind, first, capture));
    const subject = kind !== undefined && second !== undefined ? await byAddress(parts, kind, second, { args, io }) : await byMachine(parts, first, { args, io, kinds: parts.kinds, extra: second });
    const question = questionOf(args);
    const held = await heldBy(parts, subject, signal);
    if (question !== null) return printRegisters(io, args, question, await registersOf(parts, subject, { question, held, signal }));
    if (held !== null) return printReport(io, args, ofHeld(held));
    for (const report of await read(parts, subject, { args, signal })) await printReport(io, args, report);
    return GOOD;
  },
});

interface Subject {
  readonly kind: SourceKind<unknown>;
  readonly where: string;
  readonly machine?: string;
  readonly address: Address | null;
  /** Null: such a one is only looked at, because it cannot be read without points. */
  readonly config: unknown;
  readonly isConfigured: boolean;
  readonly place: Place;
}
interface Given {
  readonly args: Arguments;
  readonly io: Io;
}

async function byMachine(parts: ProbeParts, id: string, { args, io, kinds, extra }: Given & { readonly kinds: Kinds; readonly extra: string | undefined }): Promise<Subject> {
  if (kinds.sources.some(({ kind }) => kind === id)) throw new UsageError(`probe ${id} needs an address: cellgate probe ${id} 10.0.7.31`);
  if (extra !== undefined) throw new UsageError(`there is no kind ${JSON.stringify(id)}; there are ${kinds.sources.map(({ kind }) => kind).join(", ")}`);
  const settings = await configuration(args.value("config") ?? "", parts.kinds, io);
  const machine = settings.machines.find((one) => one.id === id);
  if (machine === undefined) {
    const near = nearest(id, settings.machines.map((one) => one.id));
    throw new UsageError(`no machine ${JSON.stringify(id)} in the configuration${near === undefined ? "" : `; did you mean ${near}?`} (${settings.machines.map((one) => one.id).join(", ")})`);
  }
  const [source] = machine.sources;
  const kind = kinds.sources.find((one) => one.kind === source?.kind);
  if (source === undefined || kind === undefined) throw new UsageError(`machine ${id} has no source`);
  return { kind, machine: id, where: kind.summary?.(source.config) ?? kind.kind, address: kind.address?.(source.config) ?? null, config: source.config, isConfigured: true, place: placeOf(settings) };
}

async function byAddress(parts: ProbeParts, kind: SourceKind<unknown>, text: string, { args, io }: Given): Promise<Subject> {
  const address = addressOf(kind, text);
  const device = args.value("device");
  const survey = await kind.survey?.load();
  const keys: Keys = { ...(text.includes("://") ? { url: text } : survey?.keys?.(address)), ...(device !== undefined && { device }) };
  const isReadable = survey?.keys !== undefined || Object.keys(keys).length > 0;
  const decoded = isReadable ? decode(kind.shape, keys) : null;
  if (decoded?.ok === false && survey?.keys !== undefined) throw new ConfigError([`${text}: ${decoded.problems.slice(0, 3).map(problemInWords).join("; ")}`]);
  const config = decoded?.ok === true ? decoded.value : null;
  return { kind, where: text, address, config, isConfigured: false, place: placeIn(await configurationIfThere(args, parts.kinds, io)) };
}

/** Throws UsageError. */
function addressOf({ kind, survey }: SourceKind<unknown>, text: string): Address {
  if (survey === undefined) throw new UsageError(`${kind} cannot be probed by address: put it into the configuration and name its machine`);
  if (text.startsWith("/")) return { serial: text };
  const place = text.replace(/^[a-z.]+:\/\//u, "").replace(/\/.*$/u, "");
  const { host, port = survey.ports[0] ?? 0 } = splitPort(place, text);
  if (!/^[\p{L}\p{N}._:%-]+$/u.test(host)) throw new UsageError(`${JSON.stringify(text.slice(0, 80))} is no address: HOST, HOST:PORT or [IPv6]:PORT, or the path of a serial port`);
  return { host, port };
}

async function heldBy(parts: ProbeParts, { machine, address, kind, place }: Subject, signal: AbortSignal) {
  const held = await heldSources(parts, place.dataDir, signal);
  if (held === null) return null;
  return held.find((one) => one.machine === machine && one.kind === kind.kind) ?? (address === null ? null : new Holders(held).of(address));
}

/** By the driver where a session needs no more than the address, else by what the kind says of itself without one. */
async function read(parts: ProbeParts, { kind, where, machine, address, config, isConfigured, place }: Subject, { args, signal }: { readonly args: Arguments; readonly signal: AbortSignal }): Promise<readonly Report[]> {
  const ports = parts.ports();
  const survey = await kind.survey?.load();
  if (config !== null && (isConfigured || survey?.registers === undefined)) {
    const ms = positive(args.value("seconds") ?? "", "--seconds") * 1_000;
    return [ofReading(await politely(readOnce(parts.driver({ kind: kind.kind, config }, ports, place), ms, ports, signal), ports.network, signal), { kind: kind.kind, where, ...(machine !== undefined && { machine }) })];
  }
  if (address === null || !("host" in address) || survey === undefined) throw new UsageError(`${kind.kind} on a serial line: name a register (--register N), or a machine of the configuration`);
  const timeoutMs = positive(args.value("timeout") ?? "", "--timeout");
  const found = await politely(survey.identify({ at: address, timeoutMs }, ports, signal), ports.network, signal);
  if (found.length === 0) throw new LinkError("protocol", "never", `${where}: something listens there, and it does not answer as ${kind.kind}`);
  return found.map((one) => ofFound(kind.kind, where, one));
}

function questionOf(args: Arguments): RegisterQuestion | null {
  const text = args.value("register");
  if (text === undefined) return null;
  const table = TABLES.find((one) => one === args.value("table"));
  if (table === undefined) throw new UsageError(`--table is ${JSON.stringify(args.value("table"))}; it may be ${TABLES.join(" or ")}`);
  return { table, address: within(text, "--register", 65_535), unit: within(args.value("unit") ?? "", "--unit", 255) };
}

function within(text: string, option: string, most: number): number {
  const value = /^(?:0x[0-9a-f]{1,4}|\d{1,5})$/iu.test(text) ? Number(text) : -1;
  if (value < 0 || value > most) throw new UsageError(`${option} needs a whole number from 0 to ${most}, not ${JSON.stringify(text)}${option === "--register" ? " (40001 of a manual is 0)" : ""}`);
  return value;
}

interface Asking {
  readonly question: RegisterQuestion;
  readonly held: { readonly machine: string } | null;
  readonly signal: AbortSignal;
}

async function registersOf(parts: ProbeParts, { kind, config, place, where }: Subject, { question, held, signal }: Asking): Promise<RegisterReadings> {
  if (held !== null) {
    const reply = await asking(parts, place.dataDir, { verb: "source.registers", machine: held.machine, ...question }, signal);
    if (reply?.ok === true && isRecord(reply.result) && Array.isArray(reply.result["rows"])) return reply.result as unknown as RegisterReadings;
    throw new LinkError("refused", "never", `the running agent: ${reply === null ? "it has just stopped" : reply.ok ? "an answer that we do not know" : reply.reason}`);
  }
  const survey = await kind.survey?.load();
  if (survey?.registers === undefined || config === null) throw new UsageError(`${kind.kind} at ${where} has no registers: --register is for modbus`);
  const ports = parts.ports();
  return politely(survey.registers(config, question, ports, signal), ports.network, signal);
}

async function fromCapture(kind: SourceKind<unknown> | undefined, name: string, file: string): Promise<Report> {
  const propose = (await kind?.survey?.load())?.fromCapture;
  if (propose === undefined) throw new UsageError(`--capture is for shdr: cellgate probe shdr --capture FILE, not ${JSON.stringify(name)}`);
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(file, { end: CAPTURE_LIMIT })) chunks.push(chunk as Buffer);
  } catch (cause) {
    throw new UsageError(`${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  const found = propose(Buffer.concat(chunks));
  if (found === null) throw new UsageError(`${file} holds no SHDR: lines such as 2026-01-05T06:00:00.000Z|execution|ACTIVE`);
  return ofFound(name, file, found);
}

async function printReport(io: Io, args: Arguments, report: Report): Promise<number> {
  await write(io.stdout, args.flag("json") ? `${JSON.stringify(report)}\n` : inWords(report));
  return GOOD;
}

async function printRegisters(io: Io, args: Arguments, question: RegisterQuestion, readings: RegisterReadings): Promise<number> {
  await write(io.stdout, args.flag("json") ? `${JSON.stringify({ ...question, ...readings })}\n` : registersInWords(readings, question.address));
  return GOOD;
}
