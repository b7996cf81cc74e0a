/**
 * The connections that are open: a serial port can be opened once, and many devices take one TCP client, so the sources of
 * several machines that name the same bus share its connection. It opens with the first that needs it and closes with the
 * last; one that is closing is waited for, because its lock is given back only then (modbus.md §5.9).
 */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import { dial, explainSocketError } from "../shared/dial.ts";
import { characterBits, closeSerial, explainSerialError, openSerial } from "../shared/serial.ts";
import { Bus } from "./bus.ts";
import { busName, type Address } from "./config.ts";
import { during } from "./during.ts";
import { wireOver } from "./guard.ts";
import { MbapPort } from "./mbap-port.ts";
import { RtuPort } from "./rtu-port.ts";

interface Shared {
  readonly settings: string;
  readonly opening: Promise<Bus>;
  /** Ends the opening when nobody waits for it any more. */
  readonly stop: AbortController;
  bus: Bus | null;
  users: number;
  /** Set once it closes. */
  closing: Promise<void> | null;
}
export interface Lent {
  readonly bus: Bus;
  /** Idempotent, never throws; resolves when the connection is closed, if this was its last user. */
  release(): Promise<void>;
}

const open = new Map<string, Shared>();
/** Of lines that were closed while an answer was on its way: the silence that the next to open them must keep first. */
const owed = new Map<string, number>();
const CONNECT_TIMEOUT_MS = 5_000;
/** How long a peer, or a driver of the system, may take over closing. */
const CLOSE_TIMEOUT_MS = 1_000;
/** Silence that ends a frame: 3.5 characters, and no less than this above 19,200 baud (modbus.md §4). */
const GAP_CHARACTERS = 3.5;
const LEAST_GAP_MS = 1.75;

/** Rejects with LinkError, or with the signal's reason. */
export async function borrowBus(address: Address, ports: Ports, signal: AbortSignal): Promise<Lent> {
  const key = `${address.kind} ${busName(address)}`;
  for (let before = open.get(key); before !== undefined; before = open.get(key)) {
    if (before.closing === null && (before.bus === null || before.bus.lost === null)) break;
    await during(end(key, before), signal);
  }
  const settings = JSON.stringify(address);
  const shared = open.get(key) ?? begin(key, address, ports);
  if (shared.settings !== settings) throw new LinkError("refused", "backoff", `${busName(address)} is in use by another source with other settings of the line: give both the same`);
  shared.users++;
  let released: Promise<void> | null = null;
  const release = (): Promise<void> => (released ??= giveBack(key, shared));
  try {
    return { bus: await during(shared.opening, signal), release };
  } catch (cause) {
    await release();
    throw cause;
  }
}

function begin(key: string, address: Address, ports: Ports): Shared {
  const stop = new AbortController();
  const owedMs = owed.get(key) ?? 0;
  const opening = address.kind === "tcp" ? openTcp(address, ports, { owedMs, signal: stop.signal }) : openLine(address, ports, owedMs);
  const shared: Shared = { settings: JSON.stringify(address), opening, stop, bus: null, users: 0, closing: null };
  opening.then((bus) => { shared.bus = bus; }, () => undefined);
  open.set(key, shared);
  return shared;
}

async function giveBack(key: string, shared: Shared): Promise<void> {
  shared.users--;
  if (shared.users === 0 || shared.closing !== null) await end(key, shared);
}

const end = (key: string, shared: Shared): Promise<void> => (shared.closing ??= shut(key, shared).finally(() => { open.delete(key); }));

async function shut(key: string, { opening, stop }: Shared): Promise<void> {
  stop.abort(new Error("nobody needs the connection any more"));
  const bus = await opening.catch(() => null);
  await bus?.close();
  // What could not be opened owes what it owed before.
  if (bus !== null) owed.delete(key);
  if (bus !== null && bus.owedMs > 0) owed.set(key, bus.owedMs);
}

async function openTcp({ host, port, framing }: Extract<Address, { kind: "tcp" }>, ports: Ports, { owedMs, signal }: { readonly owedMs: number; readonly signal: AbortSignal }): Promise<Bus> {
  const where = `the Modbus device at ${host}:${port}`;
  const socket = await dial({ what: "the Modbus device", host, port, timeoutMs: CONNECT_TIMEOUT_MS }, ports, signal);
  const closed = new Promise<void>((resolve) => { socket.once("close", () => { resolve(); }); });
  // Behind a device server lies a line, whose frames have no numbers; it keeps their distance itself.
  const line = framing === "rtu" ? { port: new RtuPort(socket, ports.network), byteMs: 0, gapMs: 0 } : null;
  const rubbish = Promise.withResolvers<LinkError>();
  const carrier = line?.port ?? new MbapPort(socket, where, rubbish.resolve);
  const bus = new Bus({
    where, line, owedMs, port: carrier, network: ports.network, wire: await wireOver(carrier),
    async shut() {
      socket.end();
      // A gateway that hangs never closes its side.
      await Promise.race([closed, pause(ports, CLOSE_TIMEOUT_MS)]);
      socket.destroy();
    },
  });
  void rubbish.promise.then((error) => { bus.lose(error); });
  socket.on("error", (cause) => { bus.lose(explainSocketError(cause, where)); });
  socket.on("close", () => { bus.lose(new LinkError("lost", "backoff", `${where} ended the connection: does it take one client only?`)); });
  if (socket.destroyed) bus.lose(new LinkError("lost", "backoff", `${where} ended the connection at once: does it take one client only?`));
  return bus;
}

async function openLine({ line }: Extract<Address, { kind: "serial" }>, ports: Ports, owedMs: number): Promise<Bus> {
  const stream = await openSerial(line);
  const port = new RtuPort(stream, ports.network);
  const byteMs = (characterBits(line) * 1_000) / line.baud;
  const bus = new Bus({
    where: line.path, owedMs, port, network: ports.network, wire: await wireOver(port),
    line: { port, byteMs, gapMs: Math.max(LEAST_GAP_MS, GAP_CHARACTERS * byteMs) },
    shut: () => Promise.race([closeSerial(stream), pause(ports, CLOSE_TIMEOUT_MS)]),
  });
  stream.on("error", (cause) => { bus.lose(explainSerialError(cause, line.path)); });
  stream.on("close", () => { bus.lose(new LinkError("lost", "backoff", `${line.path}: the adapter is gone: check cable and power of the USB hub`)); });
  if (!stream.isOpen) bus.lose(new LinkError("lost", "backoff", `${line.path}: the adapter went at once: check cable and power of the USB hub`));
  return bus;
}

const pause = (ports: Ports, ms: number): Promise<void> => new Promise((resolve) => { ports.network.after(ms, resolve); });
