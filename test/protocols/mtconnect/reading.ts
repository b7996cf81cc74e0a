/** What the tests of the driver share: a config with defaults, and readers of its batches with a bound. */
import { decode } from "../../../agent/contract/shape.ts";
import { LinkError } from "../../../agent/contract/errors.ts";
import type { Batch, Cursor, Gap, Reading } from "../../../agent/contract/observation.ts";
import type { Session } from "../../../agent/contract/source.ts";
import { MTCONNECT_SHAPE, type MTConnectConfig } from "../../../protocols/mtconnect/config.ts";
import { mtconnect } from "../../../protocols/mtconnect/driver.ts";
import { testPorts, type TestPorts } from "../../support/ports.ts";

export function config(keys: Readonly<Record<string, unknown>>): MTConnectConfig {
  const decoded = decode(MTCONNECT_SHAPE, keys);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.value;
}

export interface Run {
  readonly batches: readonly Batch[];
  readonly readings: readonly Reading[];
  readonly gaps: readonly Gap[];
  readonly cursor: Cursor | null;
  readonly peer: string;
  /** How the session ended: by us, or with what it threw. */
  readonly error: LinkError | null;
}

export interface RunOptions {
  readonly from?: Cursor | null;
  readonly ports?: TestPorts;
  /** Ends the run when true; asked after each batch. */
  readonly until?: (batch: Batch, all: readonly Batch[]) => boolean;
}

/** Connects and reads until `until` says so or the session ends; a LinkError is told, anything else thrown. */
export async function run(keys: Readonly<Record<string, unknown>>, { from = null, ports = testPorts(), until = () => false }: RunOptions = {}): Promise<Run> {
  const stop = new AbortController();
  const batches: Batch[] = [];
  let cursor = from;
  let error: LinkError | null = null;
  let session: Session | null = null;
  try {
    session = await mtconnect.create(config(keys), ports).connect(stop.signal);
    for await (const batch of session.read(from, stop.signal)) {
      batches.push(batch);
      cursor = batch.cursor ?? cursor;
      if (until(batch, batches)) break;
    }
  } catch (cause) {
    if (!(cause instanceof LinkError)) throw cause;
    error = cause;
  } finally {
    stop.abort();
    await session?.close();
  }
  const items = batches.flatMap((batch) => batch.items);
  return {
    batches, cursor, error, peer: session?.peer ?? "",
    readings: items.filter((item) => item.kind === "reading"),
    gaps: items.filter((item) => item.kind === "gap"),
  };
}
