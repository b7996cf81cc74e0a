/** What the tests of the driver share: a config with defaults, an adapter that says what a test hands it, a bounded run. */
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { decode } from "../../../agent/contract/shape.ts";
import type { Reading } from "../../../agent/contract/observation.ts";
import type { Ports } from "../../../agent/contract/ports.ts";
import { SHDR_SHAPE, type ShdrConfig } from "../../../protocols/shdr/config.ts";
import { shdr } from "../../../protocols/shdr/driver.ts";
import { testPorts } from "../../support/ports.ts";
import { runSession, type SessionRun, type Until } from "../../support/session-run.ts";

export const MAP = { avail: "availability", estop: "emergency_stop", mode: "controller_mode", execution: "execution", program: "program", part_count: "part_count", logic: "alarm", message: "message", fact: { signal: "feedrate", unit: "MILLIMETER/MINUTE" } } as const;

export function config(keys: Readonly<Record<string, unknown>>): ShdrConfig {
  const decoded = decode(SHDR_SHAPE, keys);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.value;
}

export interface RawAdapter extends AsyncDisposable {
  readonly port: number;
  /** What clients wrote, all of it. */
  readonly heard: string;
  readonly sockets: ReadonlySet<Socket>;
}
/** Hands each connection over to `serve`. */
export async function rawAdapter(serve: (socket: Socket) => void): Promise<RawAdapter> {
  const sockets = new Set<Socket>();
  let heard = "";
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("data", (bytes: Buffer) => void (heard += bytes.toString("latin1"))).on("error", () => undefined).on("close", () => sockets.delete(socket));
    serve(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port, sockets,
    get heard() { return heard; },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

export type Run = SessionRun;
interface RunOptions {
  readonly ports?: Ports;
  readonly until?: Until;
}

export const run = (keys: Readonly<Record<string, unknown>>, { ports = testPorts(), until = () => false }: RunOptions = {}): Promise<Run> =>
  runSession(shdr.create(config(keys), ports), until);

/** Until so many readings have come. */
export const readings = (count: number): Until => (_, all) => all.reduce((sum, { items }) => sum + items.length, 0) >= count;
/** `signal value`, for comparing. */
export const said = ({ signal, value }: Reading): string => `${signal} ${typeof value === "string" ? value : JSON.stringify(value)}`;
