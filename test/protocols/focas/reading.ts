/** What the tests of the driver share: a config with defaults, a simulated control, and a reader of sessions with a bound. */
import { decode } from "../../../agent/contract/shape.ts";
import { LinkError } from "../../../agent/contract/errors.ts";
import type { Batch, Reading } from "../../../agent/contract/observation.ts";
import type { Session } from "../../../agent/contract/source.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { FocasServer, type SimulatedControlOptions } from "../../../agent/simulate/focas/server.ts";
import { FOCAS_SHAPE, type FocasConfig } from "../../../protocols/focas/config.ts";
import { focas } from "../../../protocols/focas/driver.ts";
import { testPorts, type TestPorts } from "../../support/ports.ts";

export function config(keys: Readonly<Record<string, unknown>>): FocasConfig {
  const decoded = decode(FOCAS_SHAPE, { host: "127.0.0.1", interval: "100ms", slow_interval: "500ms", ...keys });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.value;
}

/** The control, gone when the test is over. */
export async function control(options: Partial<SimulatedControlOptions> = {}): Promise<FocasServer & AsyncDisposable> {
  const server = await FocasServer.start({ clock: systemClock(), ...options });
  return Object.assign(server, { [Symbol.asyncDispose]: () => server.close() });
}

export interface Run {
  readonly batches: readonly Batch[];
  readonly readings: readonly Reading[];
  /** Value of a signal as it was told last; `path` where there are several. */
  last(signal: string, path?: number): Reading["value"] | undefined;
  readonly peer: string;
  readonly ports: TestPorts;
  /** How the session ended: by us, or with what it threw. */
  readonly error: LinkError | null;
}

export interface RunOptions {
  readonly ports?: TestPorts;
  /** Ends the run when true; asked after each batch. */
  readonly until?: (batch: Batch, all: readonly Batch[]) => boolean;
}

/** Connects and reads until `until` says so (default: one batch) or the session ends; a LinkError is told, anything else thrown. */
export async function run(port: number, keys: Readonly<Record<string, unknown>> = {}, { ports = testPorts(), until = () => true }: RunOptions = {}): Promise<Run> {
  const stop = new AbortController();
  const batches: Batch[] = [];
  let error: LinkError | null = null;
  let session: Session | null = null;
  try {
    session = await focas.create(config({ port, ...keys }), ports).connect(stop.signal);
    for await (const batch of session.read(null, stop.signal)) {
      batches.push(batch);
      if (until(batch, batches)) break;
    }
  } catch (cause) {
    if (!(cause instanceof LinkError)) throw cause;
    error = cause;
  } finally {
    stop.abort();
    await session?.close();
  }
  const readings = batches.flatMap(({ items }) => items).filter((item) => item.kind === "reading");
  return { batches, readings, error, ports, peer: session?.peer ?? "", last: (signal, path) => readings.findLast((one) => one.signal === signal && one.path === path)?.value };
}
