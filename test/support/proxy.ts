/** A TCP proxy that can be cut: passes bytes, swallows them with the connection open, or resets. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { Packets, PUBLISH, type Packet } from "./packets.ts";

/** black-hole: accepts and keeps connections, discards every byte in both directions. reset: RST on old and new ones. */
export type ProxyMode = "pass" | "black-hole" | "reset";

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Bytes passed towards the target. */
  readonly passed: number;
  /** Takes hold at once, for open connections too. */
  set(mode: ProxyMode): void;
  /** Discards what the target says (acknowledgements) and passes what is said to it. */
  muteTarget(mute: boolean): void;
  /** Resets the open connections; new ones pass as the mode says. */
  cut(): void;
  /** Where new connections go from now on. */
  aim(port: number): void;
}

export async function startProxy(targetPort: number): Promise<Proxy> {
  let mode: ProxyMode = "pass";
  let target = targetPort;
  let muted = false;
  let accepted = 0;
  let passed = 0;
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((near) => {
    accepted++;
    near.on("error", () => undefined);
    if (mode === "reset") return void near.resetAndDestroy();
    const far = connect({ host: "127.0.0.1", port: target });
    far.on("error", () => near.destroy());
    const pair = [near, far] as const;
    pairs.add(pair);
    near.setNoDelay(true);
    far.setNoDelay(true);
    near.on("data", (chunk: Buffer) => {
      if (mode !== "pass") return;
      passed += chunk.length;
      far.write(chunk);
    });
    far.on("data", (chunk: Buffer) => {
      if (mode === "pass" && !muted) near.write(chunk);
    });
    near.on("close", () => {
      pairs.delete(pair);
      far.destroy();
    });
    far.on("close", () => {
      if (mode !== "black-hole") near.destroy();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const [near, far] of pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
  };
  return {
    port: (server.address() as AddressInfo).port,
    get accepted() { return accepted; },
    get passed() { return passed; },
    set(next) {
      mode = next;
      if (mode === "reset") cut();
    },
    muteTarget: (mute) => void (muted = mute),
    cut,
    aim: (port) => void (target = port),
    async [Symbol.asyncDispose]() {
      cut();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

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
