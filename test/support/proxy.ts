/**
 * A TCP proxy that makes the way to a server a poor one: bytes pass at a rate, some pieces are lost and come after the wait
 * that TCP needs to send them again, a direction or both are silent with the connection open, connections are reset.
 * Bounded: while a direction holds QUEUE bytes of a slow way its sender is not read.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** Of the way; what is absent is as good as it can be. */
export interface Quality {
  /** Each way. */
  readonly bytesPerSecond?: number;
  /** Draws whether a piece is lost. */
  readonly loses?: () => boolean;
  /** Towards the server, or back: passed on to nobody, not even the end of the connection. */
  readonly mutes?: "there" | "back" | "both";
  /** All connections are reset, open and new ones. */
  readonly refuses?: boolean;
  /** What comes back instead of what the server said. */
  readonly garbles?: (piece: Buffer) => Buffer;
}
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Connections open now. */
  readonly open: number;
  /** Bytes of the server that clients took, so far. */
  readonly passedBack: number;
  /** Takes hold at once, for open connections too. */
  set(quality: Quality): void;
  /** Resets the open connections. */
  cut(): void;
}

/** What a cellular modem or a long wire sends at once. */
const PIECE = 1_400;
const QUEUE = 32 * 1024;
/** RFC 6298: the first repeat of what was lost comes after at least 200 ms (Linux), doubled for the next. */
const REPEAT_MS = 200;
const MOST_REPEATS = 4;

export async function startProxy(targetPort: number): Promise<Proxy> {
  let quality: Quality = {};
  let [accepted, passedBefore] = [0, 0];
  const taken = (near: Socket): number => near.bytesWritten - near.writableLength;
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((near) => {
    accepted++;
    near.on("error", () => undefined);
    if (quality.refuses) return void near.resetAndDestroy();
    const far = connect({ host: "127.0.0.1", port: targetPort });
    far.on("error", () => near.destroy());
    const pair = [near.setNoDelay(true), far.setNoDelay(true)] as const;
    pairs.add(pair);
    pass(near, far, "there", () => quality);
    pass(far, near, "back", () => quality);
    near.on("close", () => {
      pairs.delete(pair);
      passedBefore += taken(near);
      far.destroy();
    });
    far.on("close", () => {
      if (!mutes(quality, "back")) near.destroy();
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
    cut,
    port: (server.address() as AddressInfo).port,
    get accepted() { return accepted; },
    get open() { return pairs.size; },
    get passedBack() { return [...pairs].reduce((sum, [near]) => sum + taken(near), passedBefore); },
    set(next) {
      quality = next;
      if (quality.refuses) cut();
    },
    async [Symbol.asyncDispose]() {
      cut();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

type Direction = "there" | "back";
const mutes = (quality: Quality, direction: Direction): boolean => quality.mutes === direction || quality.mutes === "both";

/** In order: what is lost holds up what follows it, as TCP does. */
function pass(from: Socket, to: Socket, direction: Direction, quality: () => Quality): void {
  let [leavesMs, queued] = [0, 0];
  const send = (piece: Buffer, { bytesPerSecond, loses }: Quality): void => {
    let repeats = 0;
    while (repeats < MOST_REPEATS && loses?.()) repeats++;
    const now = performance.now();
    leavesMs = Math.max(now, leavesMs) + (bytesPerSecond === undefined ? 0 : (1_000 * piece.length) / bytesPerSecond) + REPEAT_MS * (2 ** repeats - 1);
    if (leavesMs === now && queued === 0) return void to.write(piece);
    queued += piece.length;
    if (queued > QUEUE) from.pause();
    setTimeout(() => {
      queued -= piece.length;
      if (queued <= QUEUE) from.resume();
      if (!to.destroyed) to.write(piece);
    }, leavesMs - now);
  };
  from.on("data", (chunk: Buffer) => {
    const now = quality();
    if (mutes(now, direction)) return;
    const said = direction === "back" ? now.garbles?.(chunk) ?? chunk : chunk;
    for (let at = 0; at < said.length; at += PIECE) send(said.subarray(at, at + PIECE), now);
  });
}
