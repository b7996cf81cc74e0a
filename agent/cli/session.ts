/** One machine's source, watched by a command: batches as they come, with reconnects told on standard error. */
import type { Batch, Cursor } from "../contract/observation.ts";
import type { Ports } from "../contract/ports.ts";
import type { Driver, Link } from "../contract/source.ts";
import { supervise } from "../runtime/link/supervise.ts";
import { write, type Io } from "./terminal.ts";

export interface Watched {
  readonly driver: Driver;
  readonly ports: Ports;
  readonly io: Io;
  /** False: enough, or the reader has gone. */
  take(batch: Batch, peer: string): Promise<boolean>;
}

/** Resolves when the signal aborts or `take` has had enough. */
export async function watchSource(watched: Watched, signal: AbortSignal): Promise<void> {
  const { driver, ports, io } = watched;
  const enough = new AbortController();
  const onAbort = (): void => {
    enough.abort(signal.reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  let cursor: Cursor | null = null;
  let peer = "";
  let told = "";
  const tell = (link: Link): void => {
    if (link.state === "up") peer = link.peer;
    const text = words(link);
    if (text === null || text === told) return;
    told = text;
    void write(io.stderr, `${text}\n`);
  };
  try {
    await supervise({
      driver, ports, cursor: () => cursor, onLink: tell,
      async take(batch) {
        cursor = batch.cursor ?? cursor;
        if (!(await watched.take(batch, peer))) enough.abort(new Error("enough"));
      },
    }, enough.signal);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function words(link: Link): string | null {
  switch (link.state) {
    case "connecting": return null;
    case "up": return `connected: ${link.peer}`;
    case "down": return `lost: ${link.message}; trying again`;
    case "stopped": return link.message === undefined ? null : `stopped: ${link.message}`;
  }
}
