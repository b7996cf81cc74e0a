/** What the tests of the driver share: a config with defaults, an adapter that says what a test hands it, a bounded run. */
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { decode } from "../../../agent/contract/shape.ts";
import { LinkError } from "../../../agent/contract/errors.ts";
import type { Batch, Reading } from "../../../agent/contract/observation.ts";
import type { Ports } from "../../../agent/contract/ports.ts";
import type { Session } from "../../../agent/contract/source.ts";
import { SHDR_SHAPE, type ShdrConfig } from "../../../protocols/shdr/config.ts";
import { shdr } from "../../../protocols/shdr/driver.ts";
import { testPorts } from "../../support/ports.ts";

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

export interface Run {
  readonly batches: readonly Batch[];
  readonly readings: readonly Reading[];
  readonly peer: string;
  readonly error: LinkError | null;
}
interface RunOptions {
  readonly ports?: Ports;
  readonly until?: (batch: Batch, all: readonly Batch[]) => boolean;
}

/** Connects and reads until `until` says so or the session ends; a LinkError is told, anything else thrown. */
export async function run(keys: Readonly<Record<string, unknown>>, { ports = testPorts(), until = () => false }: RunOptions = {}): Promise<Run> {
  const stop = new AbortController();
  const batches: Batch[] = [];
  let error: LinkError | null = null;
  let session: Session | null = null;
  try {
    session = await shdr.create(config(keys), ports).connect(stop.signal);
    for await (const batch of session.read(null, stop.signal)) {
      batches.push(batch);
      if (until(batch, batches)) break;
    }
  } catch (cause) {
    if (!(cause instanceof LinkError)) throw cause;
    error = cause;
  } finally {
    stop.abort();
    await session?.close();
  }
  return { batches, error, peer: session?.peer ?? "", readings: batches.flatMap(({ items }) => items.filter((item) => item.kind === "reading")) };
}

/** Until so many readings have come. */
export const readings = (count: number) => (_: Batch, all: readonly Batch[]): boolean => all.reduce((sum, { items }) => sum + items.length, 0) >= count;
/** `signal value`, for comparing. */
export const said = ({ signal, value }: Reading): string => `${signal} ${typeof value === "string" ? value : JSON.stringify(value)}`;
