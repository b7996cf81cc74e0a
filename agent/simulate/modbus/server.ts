/**
 * Simulated Modbus devices behind one TCP port (they answer to their unit ids, as behind a gateway) or on one serial line,
 * with the real frames (modbus.md §1, §4). A test may let units be slow, silent or wrong.
 */
import { once } from "node:events";
import * as net from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../contract/time.ts";
import type { SimulatedDevice } from "./device.ts";

/** What becomes of one answer. `null`: it never comes. Bytes: these instead of it (after the unit; without checksum). */
export interface Fate {
  readonly delayMs?: number;
  readonly answer?: Uint8Array | null;
}
export interface ServerOptions {
  /** By unit id. Other units: a gateway's exception 11 over TCP, silence on a line. */
  readonly devices: ReadonlyMap<number, SimulatedDevice>;
  readonly network: Clock;
  readonly fate?: (unit: number, pdu: Uint8Array) => Fate | null;
}
export interface SimulatedBus {
  /** hang: connections stay, and nothing is answered any more. refuse: they are cut, and new ones refused. A line hangs in any case. */
  pullCable(how: "hang" | "refuse"): Promise<void>;
  plugCable(): Promise<void>;
  /** Connections open now. */
  readonly connections: number;
  readonly requests: number;
  close(): Promise<void>;
}

const TARGET_FAILED = 11;
/** Address, and the protocol's number, which is 0. */
const HEADER = 7;
const LONGEST_PDU = 253;

class Answers {
  requests = 0;
  isPulled = false;
  readonly #options: ServerOptions;
  constructor(options: ServerOptions) {
    this.#options = options;
  }

  /** Calls `send` when and if there is an answer. */
  to(unit: number, pdu: Uint8Array, isGateway: boolean, send: (answer: Uint8Array) => void): void {
    this.requests++;
    if (this.isPulled) return;
    const { devices, fate, network } = this.#options;
    const device = devices.get(unit);
    const { delayMs = 0, answer = device?.answer(pdu) ?? (isGateway ? Buffer.from([(pdu[0] ?? 0) | 0x80, TARGET_FAILED]) : null) } = fate?.(unit, pdu) ?? {};
    if (answer === null) return;
    if (delayMs === 0) send(answer);
    else network.after(delayMs, () => { send(answer); });
  }
}

export async function serveTcp(options: ServerOptions, { port = 0, host = "127.0.0.1" }: { readonly port?: number; readonly host?: string } = {}): Promise<SimulatedBus & { readonly port: number }> {
  const answers = new Answers(options);
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket.setNoDelay(true));
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    let heard = Buffer.alloc(0);
    socket.on("data", (bytes) => {
      heard = Buffer.concat([heard, bytes]);
      while (heard.length >= HEADER) {
        const length = heard.readUInt16BE(4);
        if (heard.readUInt16BE(2) !== 0 || length < 2 || length > LONGEST_PDU + 1) return void socket.destroy();
        if (heard.length < HEADER - 1 + length) return;
        const [header, unit, pdu] = [heard.subarray(0, 4), heard.readUInt8(6), Buffer.from(heard.subarray(HEADER, HEADER - 1 + length))];
        const number = Buffer.from(header);
        heard = heard.subarray(HEADER - 1 + length);
        answers.to(unit, pdu, true, (answer) => {
          const size = Buffer.alloc(3);
          size.writeUInt16BE(answer.length + 1, 0);
          size.writeUInt8(unit, 2);
          if (!socket.destroyed) socket.write(Buffer.concat([number, size, answer]));
        });
      }
    });
  }).listen(port, host);
  await once(server, "listening");
  const taken = (server.address() as net.AddressInfo).port;
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.resetAndDestroy();
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    await closed;
  };
  return {
    port: taken,
    get connections() { return sockets.size; },
    get requests() { return answers.requests; },
    async pullCable(how) {
      answers.isPulled = true;
      if (how === "refuse") await stop();
    },
    async plugCable() {
      answers.isPulled = false;
      if (server.listening) return;
      server.listen(taken, host);
      await once(server, "listening");
    },
    close: stop,
  };
}

/** The line stays the caller's. Requests are told apart by their length and checksum. */
export function serveLine(options: ServerOptions, line: Duplex): SimulatedBus {
  const answers = new Answers(options);
  let heard = Buffer.alloc(0);
  const listen = (bytes: Buffer): void => {
    heard = Buffer.concat([heard, bytes]).subarray(-512);
    for (let at = 0; at + 8 <= heard.length; at++) {
      const request = heard.subarray(at, at + 8);
      if (checksum(request.subarray(0, 6)) !== request.readUInt16LE(6)) continue;
      const [unit, pdu] = [request.readUInt8(0), Buffer.from(request.subarray(1, 6))];
      heard = heard.subarray(at + 8);
      at = -1;
      answers.to(unit, pdu, false, (answer) => {
        const frame = Buffer.concat([Buffer.from([unit]), answer, Buffer.alloc(2)]);
        frame.writeUInt16LE(checksum(frame.subarray(0, -2)), frame.length - 2);
        line.write(frame);
      });
    }
  };
  line.on("data", listen);
  return {
    connections: 1,
    get requests() { return answers.requests; },
    pullCable() {
      answers.isPulled = true;
      return Promise.resolve();
    },
    plugCable() {
      answers.isPulled = false;
      return Promise.resolve();
    },
    close() {
      line.off("data", listen);
      return Promise.resolve();
    },
  };
}

/** CRC-16 of the serial line (polynomial 0xA001 from below, start 0xFFFF), by a table of the 256 bytes. */
const TABLE: readonly number[] = Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ 0xa001;
  return value;
});
const checksum = (bytes: Uint8Array): number => bytes.reduce((crc, byte) => (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0), 0xffff);
