/** A TCP proxy that can be cut: passes bytes, swallows them with the connection open, or resets. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

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
