/**
 * A poor link on loopback: bytes pass at a rate, some pieces are lost and come after the wait that TCP needs to send them
 * again, a direction can be silent, connections can be reset. Bounded: while a direction holds QUEUE bytes its sender is not read.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Quality {
  /** Each way; absent: as fast as it goes. */
  readonly bytesPerSecond?: number;
  /** Share of pieces lost. */
  readonly loss?: number;
  /** Towards the target, or back: passed on to nobody, with the connection open. */
  readonly mutes?: "there" | "back";
  /** New connections are reset. */
  readonly refuses?: boolean;
}
export interface Link extends AsyncDisposable {
  readonly port: number;
  readonly connections: number;
  set(quality: Quality): void;
  cut(): void;
}

/** What a cellular modem or a long wire sends at once. */
const PIECE = 1_400;
const QUEUE = 32 * 1024;
/** RFC 6298: the first repeat of what was lost comes after at least 200 ms (Linux), doubled for the next. */
const REPEAT_MS = 200;

export async function startLink(target: number, random: () => number): Promise<Link> {
  let quality: Quality = {};
  let connections = 0;
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((near) => {
    connections++;
    near.on("error", () => undefined);
    if (quality.refuses) return void near.resetAndDestroy();
    const far = connect({ host: "127.0.0.1", port: target });
    const pair = [near.setNoDelay(true), far.setNoDelay(true)] as const;
    pairs.add(pair);
    far.on("error", () => near.destroy());
    pass(near, far, { quality: () => quality, direction: "there", random });
    pass(far, near, { quality: () => quality, direction: "back", random });
    near.on("close", () => {
      pairs.delete(pair);
      far.destroy();
    });
    far.on("close", () => near.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const [near, far] of pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
  };
  return {
    cut,
    port: (server.address() as AddressInfo).port,
    get connections() { return connections; },
    set: (next) => void (quality = next),
    async [Symbol.asyncDispose]() {
      cut();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

interface Way {
  readonly quality: () => Quality;
  readonly direction: "there" | "back";
  readonly random: () => number;
}
/** In order: what is lost holds up what follows it, as TCP does. */
function pass(from: Socket, to: Socket, { quality, direction, random }: Way): void {
  let [leavesMs, queued] = [0, 0];
  from.on("data", (chunk: Buffer) => {
    const { mutes, bytesPerSecond, loss = 0 } = quality();
    if (mutes === direction) return;
    for (let at = 0; at < chunk.length; at += PIECE) {
      const piece = chunk.subarray(at, at + PIECE);
      let repeats = 0;
      while (repeats < 4 && random() < loss) repeats++;
      const now = performance.now();
      leavesMs = Math.max(now, leavesMs) + (bytesPerSecond === undefined ? 0 : (1_000 * piece.length) / bytesPerSecond) + REPEAT_MS * (2 ** repeats - 1);
      if (leavesMs === now && queued === 0) {
        to.write(piece);
        continue;
      }
      queued += piece.length;
      if (queued > QUEUE) from.pause();
      setTimeout(() => {
        queued -= piece.length;
        if (queued <= QUEUE) from.resume();
        if (!to.destroyed) to.write(piece);
      }, leavesMs - now);
    }
  });
}
