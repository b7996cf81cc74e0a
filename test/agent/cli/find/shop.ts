/** A shop to find: a simulated control of every kind on loopback, hosts that are none, and the two commands to find them with. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { driverOf } from "../../../../agent/assemble.ts";
import { discoverCommand } from "../../../../agent/cli/discover.ts";
import { probeCommand } from "../../../../agent/cli/probe.ts";
import { DESTINATION_KINDS, SOURCE_KINDS } from "../../../../agent/registry.ts";
import { systemClock } from "../../../../agent/runtime/time/clock.ts";
import { simulateFocas } from "../../../../agent/simulate/focas/start.ts";
import { simulateHaas } from "../../../../agent/simulate/haas/start.ts";
import { simulateModbus } from "../../../../agent/simulate/modbus/start.ts";
import { shiftFeed } from "../../../../agent/simulate/mtconnect/feeds/shift.ts";
import { simulate } from "../../../../agent/simulate/mtconnect/start.ts";
import { simulateShdr } from "../../../../agent/simulate/shdr/start.ts";
import { isDirectoryHeld } from "../../../../buffer/ledger/connection.ts";
import { testPorts } from "../../../support/ports.ts";
import { run, type Ran } from "../run.ts";

const kinds = { sources: SOURCE_KINDS, destinations: DESTINATION_KINDS };
const clock = systemClock();

export interface Folder extends Disposable {
  readonly path: string;
  /** A configuration whose data folder this is; machines as YAML. */
  configuration(machines?: string): string;
}
export function cellgateFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), "cellgate-find-"));
  return {
    path,
    configuration(machines = "  - id: M1\n    sources: [{type: mtconnect, url: \"http://127.0.0.1:1\"}]") {
      const file = join(path, "cellgate.yaml");
      writeFileSync(file, `agent: {id: cell-7, data_dir: ${path}}\ndestinations:\n  - {name: bridge, url: "mqtt://127.0.0.1:1"}\nmachines:\n${machines}\n`);
      return file;
    },
    [Symbol.dispose]: () => { rmSync(path, { recursive: true, force: true }); },
  };
}

/** `probe` or `discover` with these words. */
export function cellgate(words: readonly string[], { signal, serialFolder = "/nowhere" }: { readonly signal?: AbortSignal; readonly serialFolder?: string } = {}): Promise<Ran> {
  const parts = { kinds, ports: () => testPorts(), isHeld: isDirectoryHeld };
  return run(words, [discoverCommand({ ...parts, serialFolder }), probeCommand({ ...parts, driver: driverOf })], signal);
}

export interface Shop extends AsyncDisposable {
  /** As `discover` takes them, one for each kind but OPC UA. */
  readonly targets: Readonly<Record<string, string>>;
  readonly focas: Awaited<ReturnType<typeof simulateFocas>>["server"];
  readonly shdr: Awaited<ReturnType<typeof simulateShdr>>["adapter"];
  readonly modbus: Awaited<ReturnType<typeof simulateModbus>>;
  readonly haas: Awaited<ReturnType<typeof simulateHaas>>;
}
export async function shop(): Promise<Shop> {
  const focas = await simulateFocas({ clock });
  const haas = await simulateHaas({ clock, network: clock });
  const shdr = await simulateShdr({ clock });
  const modbus = await simulateModbus({ clock, network: clock, place: {} });
  const mtconnect = await simulate(shiftFeed({ startMs: clock.now().unixMs, seed: 1 }), { clock, network: clock, port: 0, speed: 1 });
  return {
    focas: focas.server, shdr: shdr.adapter, modbus, haas,
    targets: {
      focas: `127.0.0.1:${focas.server.port}`, haas: `127.0.0.1:${haas.port.port}`, shdr: `127.0.0.1:${shdr.adapter.port}`, modbus: `127.0.0.1:${modbus.port}`, mtconnect: `127.0.0.1:${new URL(mtconnect.agent.url).port}`,
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([focas.close(), haas.close(), shdr.close(), modbus.close(), mtconnect.close()]);
    },
  };
}

export interface Stranger extends AsyncDisposable {
  readonly port: number;
  readonly connections: number;
  readonly open: number;
  /** What came in, of all connections. */
  readonly heard: Buffer;
}
/** Accepts, and does what `then` says with each connection: nothing, or garbage. */
export async function stranger(then: (socket: Socket) => void = () => undefined): Promise<Stranger> {
  const sockets = new Set<Socket>();
  let [connections, heard] = [0, Buffer.alloc(0)];
  const server: Server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => undefined).on("data", (bytes: Buffer) => void (heard = Buffer.concat([heard, bytes])));
    then(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    get connections() { return connections; },
    get open() { return sockets.size; },
    get heard() { return heard; },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
