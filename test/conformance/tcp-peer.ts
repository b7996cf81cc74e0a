/** The half of a conformance peer that is the same for all that speak over TCP: the real peer behind a proxy that misbehaves. */
import { setImmediate as turn } from "node:timers/promises";
import { startProxy } from "../support/proxy.ts";
import type { DriverPeer } from "./driver.ts";

export interface TcpWay extends Pick<DriverPeer, "die" | "stall" | "babble">, AsyncDisposable {
  /** Where the driver connects. */
  readonly port: number;
  readonly connections: number;
  /** Bytes of the peer that the driver took so far. */
  readonly taken: number;
  /** Resolves when the driver has taken nothing for a while. */
  untilFull(): Promise<number>;
}

/** Turns of the event loop without a byte. */
const QUIET_TURNS = 300;

/** `rubbish`: what comes instead of each piece that the peer says; default: the same number of bytes, all `?`. */
export async function tcpWay(peerPort: number, rubbish: (piece: Buffer) => Buffer = (piece) => Buffer.alloc(piece.length, "?")): Promise<TcpWay> {
  const proxy = await startProxy(peerPort);
  return {
    port: proxy.port,
    get connections() { return proxy.open; },
    get taken() { return proxy.passedBack; },
    async die() {
      proxy.set({ refuses: true });
      await turn();
    },
    stall: () => { proxy.set({ mutes: "both" }); },
    babble: () => { proxy.set({ garbles: rubbish }); },
    async untilFull() {
      for (let quiet = 0, before = proxy.passedBack; quiet < QUIET_TURNS; quiet++, before = proxy.passedBack) {
        await turn();
        if (proxy.passedBack !== before) quiet = -1;
      }
      return proxy.passedBack;
    },
    async [Symbol.asyncDispose]() { await proxy[Symbol.asyncDispose](); },
  };
}

