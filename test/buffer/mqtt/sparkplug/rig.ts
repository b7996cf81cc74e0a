/** A Sparkplug output as the agent runs it (real destination, board and clock), and a recorder of what it writes to its broker. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import type { Keep, Ports } from "../../../../agent/contract/ports.ts";
import type { NewRecord } from "../../../../agent/contract/record.ts";
import { createBoard, type WritableBoard } from "../../../../agent/runtime/link/board.ts";
import { destinationAt } from "../../../support/delivering.ts";
import { Packets, type Packet } from "../../../support/packets.ts";
import { memoryKeep, testPorts, type TestPorts } from "../../../support/ports.ts";

export const GROUP = "Plant1";
const NODE = "cell-7";
export const topic = (type: string, device?: string): string => `spBv1.0/${GROUP}/${type}/${NODE}${device === undefined ? "" : `/${device}`}`;

export interface Rig extends AsyncDisposable {
  readonly board: WritableBoard;
  readonly ports: TestPorts;
  status(): Readonly<Record<string, unknown>>;
  live(name: string, value: unknown, at?: number, machine?: string): void;
  health(state: "up" | "down", options?: { readonly machine?: string; readonly phase?: string; readonly caughtUp?: boolean }): void;
  record(record: NewRecord, machine?: string): void;
  /** Ends it as the agent's end does. */
  stop(): Promise<void>;
  until(condition: () => boolean, what: string): Promise<void>;
}
interface RigOptions {
  /** Of the group `sparkplug`. */
  readonly keys?: object;
  /** Of the destination. */
  readonly destination?: object;
  readonly keep?: Keep;
  readonly ports?: Partial<Ports>;
}

export function startRig(port: number, { keys = {}, destination = {}, keep = memoryKeep(), ports: changes = {} }: RigOptions = {}): Rig {
  const ports = testPorts(changes);
  const board = createBoard();
  const { live } = destinationAt(port, { sparkplug: { group: GROUP, ...keys }, ...destination }, { ...ports, keep });
  if (!live) throw new Error("the destination offers no live output");
  const stopping = new AbortController();
  const running = live.run(board, stopping.signal);
  const stop = async (): Promise<void> => {
    stopping.abort(new Error("the test is over"));
    await running;
  };
  return {
    board, ports, stop,
    status: () => live.status() as Readonly<Record<string, unknown>>,
    live: (name, value, at = ports.clock.now().unixMs, machine = "VMC-3") => board.put({ scope: "live", machine, name, payload: { value, at: new Date(at).toISOString() } }),
    health: (state, { machine = "VMC-3", phase = state === "up" ? "following" : "holding", caughtUp = state === "up" } = {}) => board.put({ scope: "health", machine, payload: { phase, link: { state }, caughtUp } }),
    record: (record, machine = "VMC-3") => board.put({ scope: "record", machine, record }),
    async until(condition, what) {
      for (const end = Date.now() + 10_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 5)))
        if (Date.now() > end) throw new Error(`not within 10 s: ${what}; status ${JSON.stringify(live.status())}; log ${JSON.stringify(ports.lines.slice(-5))}`);
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** A packet that the client wrote: type and flags, and what follows the length. */
export interface Recorder extends AsyncDisposable {
  readonly port: number;
  readonly written: readonly Packet[];
}

/** Passes everything on to the broker, and keeps what the client wrote. */
export async function startRecorder(target: number): Promise<Recorder> {
  const written: Packet[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ host: "127.0.0.1", port: target });
    const packets = new Packets();
    for (const socket of [near, far]) sockets.add(socket.on("error", () => undefined));
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    far.on("data", (chunk: Buffer) => near.write(chunk));
    near.on("data", (chunk: Buffer) => {
      far.write(chunk);
      written.push(...packets.take(chunk));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port, written,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

/** CONNECT, MQTT 5 §3.1 and 3.1.1 §3.1, as far as Sparkplug has rules for it. */
export function readConnect({ body }: Packet): { readonly level: number; readonly clean: boolean; readonly sessionExpiry: number | null; readonly clientId: string; readonly will: { readonly topic: string; readonly payload: Buffer; readonly qos: number; readonly retain: boolean } | null } {
  let at = 6;
  const level = body[at++] ?? 0;
  const flags = body[at++] ?? 0;
  at += 2;
  const skipProperties = (): Buffer => {
    const length = level === 5 ? (body[at++] ?? 0) : 0;
    at += length;
    return body.subarray(at - length, at);
  };
  const field = (): Buffer => {
    const length = body.readUInt16BE(at);
    at += 2 + length;
    return body.subarray(at - length, at);
  };
  const properties = skipProperties();
  const expiryAt = properties.indexOf(0x11);
  const clientId = field().toString();
  let will = null;
  if ((flags & 4) !== 0) {
    skipProperties();
    will = { topic: field().toString(), payload: field(), qos: (flags >> 3) & 3, retain: (flags & 32) !== 0 };
  }
  return { level, clean: (flags & 2) !== 0, sessionExpiry: expiryAt === 0 ? properties.readUInt32BE(1) : null, clientId, will };
}

/** SUBSCRIBE: the filters with their options byte. */
export function readSubscribe({ body }: Packet, level: number): readonly (readonly [filter: string, qos: number])[] {
  const found: [string, number][] = [];
  for (let at = level === 5 ? 3 + (body[2] ?? 0) : 2; at < body.length;) {
    const length = body.readUInt16BE(at);
    found.push([body.toString("utf8", at + 2, at + 2 + length), (body[at + 2 + length] ?? 0) & 3]);
    at += 3 + length;
  }
  return found;
}
