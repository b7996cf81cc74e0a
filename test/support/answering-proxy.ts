/** A proxy between an MQTT client and a real broker that makes the broker fail at a record. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { Packets, PUBLISH, type Packet } from "./packets.ts";

/** What becomes of a record's message on its way to the broker. A code is answered by the proxy itself, as a PUBACK of MQTT 5. */
export type Passing = "pass" | "silent" | "die" | number;
export interface AnsweringProxy extends AsyncDisposable {
  readonly port: number;
}

/**
 * A proxy that reads MQTT from client to broker, so that a real broker can be made to fail at the n-th record (1 is the
 * first, over all connections): swallowed from then on, cut after it was passed on, or refused with a code.
 */
export async function startAnsweringProxy(targetPort: number, passing: (nth: number) => Passing): Promise<AnsweringProxy> {
  let records = 0;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ host: "127.0.0.1", port: targetPort });
    const packets = new Packets();
    let silent = false;
    for (const socket of [near, far]) sockets.add(socket.on("error", () => undefined).on("close", () => sockets.delete(socket)));
    near.on("close", () => far.end());
    far.on("close", () => near.destroy());
    far.on("data", (chunk: Buffer) => near.write(chunk));
    const take = ({ kind, body, whole }: Packet): void => {
      const topicLength = kind === PUBLISH ? body.readUInt16BE(0) : 0;
      if (!body.toString("utf8", 2, 2 + topicLength).includes("/rec/")) return void far.write(whole);
      const what = passing(++records);
      if (what === "silent") silent = true;
      else if (typeof what === "number") near.write(Buffer.from([0x40, 3, body[2 + topicLength] ?? 0, body[3 + topicLength] ?? 0, what]));
      else far.write(whole);
      if (what === "die") {
        silent = true;
        near.resetAndDestroy();
      }
    };
    near.on("data", (chunk: Buffer) => {
      for (const packet of packets.take(chunk)) if (!silent) take(packet);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}
