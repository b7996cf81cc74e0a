/** One control, read for a moment through its driver: what it says now, and what it cannot. Closed politely on every way out. */
import { ACCOMPANYING_SIGNALS, DECIDING_SIGNALS, type Reading } from "../../contract/observation.ts";
import type { Ports } from "../../contract/ports.ts";
import type { Driver, Session } from "../../contract/source.ts";
import type { Described } from "../../contract/survey.ts";

export interface Read {
  readonly peer: string;
  readonly described: Described;
  /** The last of each signal, path and item. */
  readonly readings: readonly Reading[];
  /** Of our vocabulary, what it never spoke of. */
  readonly unsaid: readonly string[];
}

const MOST_READINGS = 5_000;
const NOTHING: Described = { facts: {}, refused: [] };

/** Reads for `ms` after the first values, and waits for those as long as the driver does. Rejects with LinkError, or the signal's reason. */
export async function readOnce(driver: Driver, ms: number, ports: Ports, signal: AbortSignal): Promise<Read> {
  const session = await driver.connect(signal);
  try {
    const readings = await readingsOf(session, ms, ports, signal);
    signal.throwIfAborted();
    return { peer: session.peer, described: session.describe?.() ?? NOTHING, readings, unsaid: unsaid(readings.map((reading) => reading.signal)) };
  } finally {
    await session.close();
  }
}

async function readingsOf(session: Session, ms: number, { network }: Ports, signal: AbortSignal): Promise<readonly Reading[]> {
  const enough = new AbortController();
  const end = (): void => { enough.abort(signal.aborted ? signal.reason : new Error("enough")); };
  signal.addEventListener("abort", end, { once: true });
  const last = new Map<string, Reading>();
  let cancel = (): void => undefined;
  let isFirst = true;
  try {
    for await (const { items } of session.read(null, enough.signal)) {
      if (isFirst) cancel = network.after(ms, end);
      isFirst = false;
      for (const item of items) if (item.kind === "reading" && last.size < MOST_READINGS) last.set(`${item.signal}|${item.path ?? ""}|${item.item ?? ""}`, item);
    }
  } finally {
    cancel();
    signal.removeEventListener("abort", end);
  }
  return [...last.values()];
}

export const unsaid = (said: readonly string[]): readonly string[] => [...DECIDING_SIGNALS, ...ACCOMPANYING_SIGNALS].filter((signal) => !said.some((one) => one === signal || one.startsWith(`${signal}/`)));
