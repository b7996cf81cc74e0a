/** From an address to a session: the line is opened, the control asked who it is, in the way of speaking that it answers. */
import type { Duplex } from "node:stream";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import { dial } from "../shared/dial.ts";
import { closeSerial, openSerial } from "../shared/serial.ts";
import { whereOf, type HaasConfig } from "./config.ts";
import { HaasLink } from "./link.ts";
import type { Dialect, QNumber } from "./questions.ts";
import { HaasSession } from "./session.ts";

/** The first question after connecting may be answered by nothing, or by itself: haas.md §1. */
const TRIES: Readonly<Record<HaasConfig["dialect"], (isSerial: boolean) => readonly Dialect[]>> = {
  ngc: () => ["ngc", "ngc", "ngc"],
  classic: () => ["classic", "classic", "classic"],
  auto: (isSerial) => (isSerial ? ["classic", "classic", "ngc", "ngc"] : ["ngc", "ngc", "classic", "classic"]),
};

interface Opened {
  readonly stream: Duplex;
  close(): Promise<void>;
}

async function open({ host, port, serial, timeout }: HaasConfig, ports: Ports, signal: AbortSignal): Promise<Opened> {
  if (serial !== undefined) {
    const { path, baud, parity, stop_bits: stopBits, data_bits: dataBits, xon } = serial;
    const opened = await openSerial({ path, baud, parity, stopBits: stopBits === "1" ? 1 : 2, dataBits: dataBits === "7" ? 7 : 8, xon });
    return { stream: opened, close: () => closeSerial(opened) };
  }
  const socket = await dial({ what: "the Haas control", host: host ?? "", port, timeoutMs: timeout }, ports, signal);
  return { stream: socket, close: async () => void socket.destroy() };
}

/** A session is given when the control has said who it is. */
export async function connect(config: HaasConfig, ports: Ports, signal: AbortSignal): Promise<HaasSession> {
  const opened = await open(config, ports, signal);
  const close = (): Promise<void> => opened.close();
  try {
    const where = `the Haas control at ${whereOf(config)}`;
    const link = new HaasLink({ stream: opened.stream, where, network: ports.network, timeoutMs: config.timeout, pauseMs: config.pause, sevenBits: config.serial?.data_bits === "7" });
    const serialNumber = await prime(link, config, signal);
    const model = await said(link, 102, signal);
    const software = await said(link, 101, signal);
    const peer = [`Haas ${model ?? "control"} at ${whereOf(config)}`, `serial number ${serialNumber}`, ...(software === null ? [] : [`software ${software}`])].join(", ");
    const facts = { model: model ?? "not said", "serial number": serialNumber, software: software ?? "not said", "asked by": link.dialect === "ngc" ? "?Q100" : "Q100" };
    return new HaasSession({ link, config, ports, peer, facts, close });
  } catch (cause) {
    await close();
    throw cause;
  }
}

async function prime(link: HaasLink, config: HaasConfig, signal: AbortSignal): Promise<string> {
  let refusal: string | null = null;
  for (const dialect of TRIES[config.dialect](config.serial !== undefined)) {
    link.dialect = dialect;
    const asked = await link.ask({ q: 100 }, signal);
    if (asked.kind === "answer") return asked.answer.fields.join(", ");
    if (asked.kind === "busy") return "not said";
    if (asked.kind === "rejected") refusal = asked.text;
  }
  const where = whereOf(config);
  if (refusal !== null) throw new LinkError("unsupported", "backoff", `${where} answers Q100 with ${JSON.stringify(refusal.slice(0, 60))}: is this the port of Setting 143 of a Haas control?`);
  throw new LinkError("timeout", "backoff", config.serial === undefined
    ? `${where} takes the connection and does not answer Q100: is Setting 143 this port's number, and do no two others use it already?`
    : `nothing answers Q100 at ${where}: is Setting 143 on, and do Settings 11 to 14 and 37 agree with baud, parity, stop_bits, xon and data_bits? The cable must be a null-modem cable`);
}

async function said(link: HaasLink, q: QNumber, signal: AbortSignal): Promise<string | null> {
  const asked = await link.ask({ q }, signal);
  return asked.kind === "answer" ? asked.answer.fields.join(", ").slice(0, 64) : null;
}
