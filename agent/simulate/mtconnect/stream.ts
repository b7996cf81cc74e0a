/**
 * One streaming answer: parts without pause while behind, at most one per interval when caught up, an empty one after
 * `heartbeat` of silence, an error part for a reader the ring has overtaken (mtconnect.md §4). Ends with its connection.
 */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Core, Listener } from "./core.ts";
import { currentPage, samplePage } from "./page.ts";
import { framing, type Framing } from "./parts.ts";
import type { Request } from "./request.ts";

/** The 2.x reference agent drops a client whose writes stall for so long. */
const STALL_MS = 30_000;

interface Running {
  readonly core: Core;
  readonly response: ServerResponse;
  readonly frame: Framing;
  readonly gone: AbortSignal;
  readonly listener: Listener;
}

/** Resolves when the stream is over; never rejects. */
export async function serveStream(core: Core, response: ServerResponse, request: Request, options: { readonly compress: boolean }): Promise<void> {
  const ended = new AbortController();
  const onClose = (): void => {
    ended.abort();
  };
  response.once("close", onClose);
  const listener: Listener = { filter: request.filter, pending: null, wake: () => undefined, expelled: false };
  const frame = framing(core.dialect, options.compress);
  const running: Running = { core, response, frame, gone: ended.signal, listener };
  core.stats.streams++;
  core.listeners.add(listener);
  response.writeHead(200, { "Content-Type": frame.contentType, Expires: "-1", "Cache-Control": "no-cache, no-store, max-age=0", Connection: "close" });
  try {
    if (request.kind === "current") await snapshots(running, request);
    else await samples(running, request);
    response.end();
  } catch (error) {
    if (!ended.signal.aborted) response.destroy(error instanceof Error ? error : new Error(String(error)));
  } finally {
    core.listeners.delete(listener);
    response.off("close", onClose);
  }
}

async function samples(running: Running, request: Request): Promise<void> {
  const { core, listener, gone } = running;
  const interval = request.interval ?? 0;
  let from = request.from;
  for (;;) {
    const started = core.network.now().monoMs;
    await core.connected();
    core.begin();
    if (listener.expelled || from < core.ring.first) return expel(running);
    // Behind the end everything up to there is looked at, so what was pending is in this part or in a later one.
    listener.pending = null;
    const page = samplePage(core.ring, core.model, { from, to: null, count: Math.abs(request.count), filter: request.filter });
    await write(running, core.streams(page));
    from = page.sequences.next;
    if (from < core.ring.next && page.hits > 0) continue;
    await pause(running, interval);
    if (listener.pending === null && !listener.expelled) await quiet(running, request.heartbeat - (core.network.now().monoMs - started));
    gone.throwIfAborted();
    // Unmatched observations between are skipped: their number only moves nextSequence on.
    from = listener.pending ?? Math.max(from, core.ring.next);
  }
}

async function snapshots(running: Running, request: Request): Promise<void> {
  const { core, listener } = running;
  while (!listener.expelled) {
    await core.connected();
    core.begin();
    await write(running, core.streams(currentPage(core.ring, core.model, request.filter, null)));
    await pause(running, Math.max(1, request.interval ?? 1));
  }
}

/** 1.x says OUT_OF_RANGE, 2.x INTERNAL_ERROR; both end the body properly. */
async function expel(running: Running): Promise<void> {
  const { core } = running;
  const code = core.dialect.family === "cpp2" ? "INTERNAL_ERROR" : "OUT_OF_RANGE";
  await write(running, core.error([{ status: 200, code, text: "Client fell too far behind, disconnecting" }]));
}

async function write(running: Running, document: string): Promise<void> {
  const { core, response, gone } = running;
  const part = running.frame.part(document);
  await core.connected();
  gone.throwIfAborted();
  core.stats.parts++;
  core.stats.bytes += part.length;
  if (response.write(part)) return;
  const stall = core.network.deadline(STALL_MS, gone);
  try {
    await once(response, "drain", { signal: stall.signal });
  } finally {
    stall.clear();
  }
}

const pause = (running: Running, ms: number): Promise<void> => (ms > 0 ? running.core.network.sleep(ms, running.gone) : Promise.resolve());

/** Until something matches, the heartbeat is due, or the client has gone. */
async function quiet(running: Running, ms: number): Promise<void> {
  if (ms <= 0) return;
  const { core, listener, gone } = running;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      cancel();
      listener.wake = () => undefined;
      gone.removeEventListener("abort", done);
      resolve();
    };
    const cancel = core.network.after(ms, done);
    listener.wake = done;
    gone.addEventListener("abort", done, { once: true });
  });
}
