/**
 * Whether an adapter talks, and what it says: one connection, the greeting and a PING, nothing else. What it sends is put
 * into a proposed `map:`, for a technician to look over.
 */
import type { Socket } from "node:net";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Clock } from "../../agent/contract/time.ts";
import type { Found, Survey, TcpAddress } from "../../agent/contract/survey.ts";
import { dial } from "../shared/dial.ts";
import { whereOf, type ShdrConfig } from "./config.ts";
import { Inlet } from "./inlet.ts";
import { LineDecoder } from "./line.ts";
import { LineSplitter } from "./lines.ts";
import { proposedMap } from "./propose.ts";
import { Sayings } from "./sayings.ts";

/** A greeting ends with a pause; an adapter that always talks is listened to so long. */
const PAUSE_MS = 500;
const LISTEN_MS = 2_000;
const MOST_BYTES = 1024 * 1024;
/** A recording does not say where its adapter is. */
const UNKNOWN: TcpAddress = { host: "adapter.shop.example", port: 7_878 };
const PING = "* PING\n";

export const survey: Survey<ShdrConfig> = {
  async identify({ at, timeoutMs }, ports, signal): Promise<readonly Found[]> {
    const socket = await dial({ what: "the adapter", ...at, timeoutMs }, ports, signal);
    try {
      const said = await listen(socket, at, { network: ports.network, timeoutMs, signal });
      if (said.isAdapter) return [foundOf(said, at)];
      throw said.isStrange ? new LinkError("protocol", "backoff", `what ${whereOf(at)} sends is no SHDR`)
        : new LinkError("timeout", "backoff", `${whereOf(at)} takes the connection and says nothing that an adapter says: is its control connected?`);
    } finally {
      socket.destroy();
    }
  },
  fromCapture(bytes) {
    const splitter = new LineSplitter();
    const decoder = new LineDecoder();
    const sayings = new Sayings();
    for (const text of [...splitter.push(bytes), ...splitter.push(Buffer.from("\n"))]) sayings.take(decoder.decode(text));
    return sayings.isAdapter ? foundOf(sayings, UNKNOWN) : null;
  },
};

interface Listening {
  readonly network: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Ends early when lines come that no adapter sends. */
async function listen(socket: Socket, at: TcpAddress, { network, timeoutMs, signal }: Listening): Promise<Sayings> {
  const inlet = new Inlet(socket, `the adapter at ${whereOf(at)}`, network);
  const splitter = new LineSplitter();
  const decoder = new LineDecoder();
  const sayings = new Sayings();
  socket.write(PING);
  const until = network.now().monoMs + Math.max(timeoutMs, LISTEN_MS);
  let bytes = 0;
  try {
    for (let leftMs = timeoutMs; leftMs > 0 && bytes < MOST_BYTES && !sayings.isStrange; leftMs = until - network.now().monoMs) {
      const chunk = await inlet.next(sayings.isAdapter ? Math.min(PAUSE_MS, leftMs) : leftMs, signal);
      if (chunk === "quiet") break;
      bytes += chunk.length;
      for (const text of splitter.push(chunk)) sayings.take(decoder.decode(text));
    }
  } catch (cause) {
    // One that says something and goes has said it.
    if (!(cause instanceof LinkError) || !sayings.isAdapter) throw cause;
  }
  return sayings;
}

function foundOf(sayings: Sayings, at: TcpAddress): Found {
  const seen = sayings.seen;
  const map = proposedMap(seen);
  return {
    words: `SHDR adapter${sayings.device === null ? "" : ` of ${sayings.device}`}`,
    keys: { ...at, ...(Object.keys(map).length > 0 && { map }) },
    facts: { "adapter version": sayings.version ?? "not said", heartbeat: sayings.heartbeat ?? "none", keys: String(seen.length) },
    said: seen.map(({ key, value }) => ({ name: key, value, ...(map[key] !== undefined && { signal: map[key] }) })),
    notes: [Object.keys(map).length > 0 ? "look the map over: an adapter's builder names items as he likes" : "none of its keys is a usual name: name them under map, or give the adapter's Devices.xml under devices"],
  };
}
