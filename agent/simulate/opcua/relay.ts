/**
 * What lies between a client and the simulated server: the port that the client sees, whatever the server's own is, and a
 * cable that can be pulled. Pulled, it takes connections and passes nothing on, as a switch does whose machine is off.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Relay {
  readonly port: number;
  pull(): void;
  plug(): void;
  close(): Promise<void>;
}

/** `port` 0: any free one. */
export async function startRelay({ port, host, target }: { readonly port: number; readonly host: string; readonly target: number }): Promise<Relay> {
  const open = new Set<Socket>();
  let pulled = false;
  const keep = (socket: Socket): void => {
    open.add(socket);
    socket.on("error", () => socket.destroy()).on("close", () => open.delete(socket));
  };
  const end = (): void => {
    for (const socket of open) socket.destroy();
  };
  const server = createServer((near) => {
    keep(near);
    if (pulled) return;
    const far = connect({ host: "127.0.0.1", port: target });
    keep(far);
    pass(near, far, () => pulled);
    pass(far, near, () => pulled);
  });
  server.listen(port, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    pull() { pulled = true; },
    plug() {
      pulled = false;
      // What was half said is lost: both sides begin anew.
      end();
    },
    async close() {
      end();
      server.close();
      await once(server, "close");
    },
  };
}

function pass(from: Socket, to: Socket, isPulled: () => boolean): void {
  from.setNoDelay(true).on("data", (piece) => {
    if (!isPulled()) to.write(piece);
  }).on("close", () => {
    if (!isPulled()) to.destroy();
  });
}

/** A port that is free now, for the server behind the relay. */
export async function innerPort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
