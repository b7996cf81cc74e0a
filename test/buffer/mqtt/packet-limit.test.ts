/** A peer that announces more than a broker ever says, and one that says much in small packets. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { limitPackets } from "../../../buffer/mqtt/packet-limit.ts";
import { destinationAt } from "../../support/delivering.ts";

const CONNACK = [0x20, 0x03, 0x00, 0x00, 0x00];

interface Peer extends AsyncDisposable {
  readonly port: number;
  /** These bytes, then zeros for as long as someone listens. */
  flood(...bytes: readonly number[]): void;
}

/** Answers what it is told first with `pieces`, one by one. */
async function peer(pieces: readonly (readonly number[])[], then: (peer: Peer) => void = () => undefined): Promise<Peer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).once("data", () => {
      for (const piece of pieces) socket.write(Buffer.from(piece));
      then(self);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const self: Peer = {
    port: (server.address() as AddressInfo).port,
    flood(...bytes) {
      for (const socket of sockets) {
        const pour = (): void => {
          while (!socket.destroyed && socket.write(Buffer.alloc(65_536)));
        };
        socket.write(Buffer.from(bytes));
        socket.on("drain", pour);
        pour();
      }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
  return self;
}

describe("what a broker may say at once", () => {
  it("a CONNACK of 256 MB breaks the connection off before it has come", async () => {
    await using broker = await peer([], (self) => { self.flood(0x20, 0xff, 0xff, 0xff, 0x7f); });
    await expect(destinationAt(broker.port).connect(new AbortController().signal, () => undefined)).rejects.toMatchObject({ code: "link", message: expect.stringContaining("a packet of 268435455 bytes, more than 65536") as string });
  });

  it("a message of 256 MB that nobody asked for ends the link", async () => {
    await using broker = await peer([CONNACK]);
    const delivery = await destinationAt(broker.port).connect(new AbortController().signal, () => undefined);
    broker.flood(0x30, 0xff, 0xff, 0xff, 0x7f);
    expect((await delivery.lost).message).toContain("a packet of 268435455 bytes");
    await delivery.close();
  });

  it("any number of small packets pass, wherever they are cut", async () => {
    const packets = Array.from({ length: 300 }, (_, length) => (length < 128 ? [0x30, length] : [0x30, (length & 127) | 128, length >> 7]).concat(Array.from({ length }, () => 0xff)));
    const bytes = packets.flat();
    const cuts = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, n) => bytes.slice(n * 7, n * 7 + 7));
    await using broker = await peer(cuts);
    const socket = connect(broker.port, "127.0.0.1");
    const larger: Error[] = [];
    limitPackets(socket, 299, (error) => larger.push(error));
    let seen = 0;
    const all = new Promise<void>((resolve, reject) => socket.on("error", reject).on("data", (chunk: Buffer) => {
      seen += chunk.length;
      if (seen === bytes.length) resolve();
    }));
    socket.write("begin");
    await all;
    expect([larger, socket.destroyed]).toEqual([[], false]);
    socket.destroy();
  });
});
