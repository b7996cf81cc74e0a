/** What the tests of the driver share: a config with defaults, a control with values, a bounded run. */
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { decode } from "../../../agent/contract/shape.ts";
import { LinkError } from "../../../agent/contract/errors.ts";
import type { Batch, Reading } from "../../../agent/contract/observation.ts";
import type { Ports } from "../../../agent/contract/ports.ts";
import type { Session } from "../../../agent/contract/source.ts";
import { Control, type ControlOptions } from "../../../agent/simulate/haas/control.ts";
import { HAAS_SHAPE, type HaasConfig } from "../../../protocols/haas/config.ts";
import { haas } from "../../../protocols/haas/driver.ts";
import { testPorts } from "../../support/ports.ts";

export const IDLE = { execution: "READY", controller_mode: "AUTOMATIC", program: "O00123", part_count: "380", tool: "4" };

export function config(keys: Readonly<Record<string, unknown>>): HaasConfig {
  const decoded = decode(HAAS_SHAPE, keys);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.value;
}

export function idleControl(options: Partial<ControlOptions> = {}): Control {
  const control = new Control({ dialect: "ngc", clock: systemClock(), ...options });
  control.set(IDLE);
  return control;
}

export interface Run {
  readonly batches: readonly Batch[];
  readonly readings: readonly Reading[];
  readonly peer: string;
  readonly error: LinkError | null;
  /** `signal value` of all readings. */
  readonly said: readonly string[];
}
interface RunOptions {
  readonly ports?: Ports;
  readonly until?: (batch: Batch, all: readonly Batch[]) => boolean;
}

/** Polls as often as it may, until `until` says so or the session ends; a LinkError is told, anything else thrown. */
export async function run(keys: Readonly<Record<string, unknown>>, { ports = testPorts(), until = (_, all) => all.length === 6 }: RunOptions = {}): Promise<Run> {
  const stop = new AbortController();
  const batches: Batch[] = [];
  let error: LinkError | null = null;
  let session: Session | null = null;
  try {
    session = await haas.create(config({ interval: "100ms", pause: "0ms", timeout: "500ms", ...keys }), ports).connect(stop.signal);
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
  const readings = batches.flatMap(({ items }) => items.filter((item) => item.kind === "reading"));
  return { batches, error, peer: session?.peer ?? "", readings, said: readings.map(said) };
}

const said = ({ signal, value, quality }: Reading): string => `${signal} ${typeof value === "string" ? value : JSON.stringify(value)}${quality === "UNCERTAIN" ? " ?" : ""}`;
/** Values of one signal, in order. */
export const of = ({ readings }: Run, signal: string): readonly unknown[] => readings.filter((one) => one.signal === signal).map(({ value }) => value);
