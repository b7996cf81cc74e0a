/** What the tests of the driver share: a config with defaults, and a source that is read until something is so. */
import { decode } from "../../../agent/contract/shape.ts";
import type { Batch, Reading } from "../../../agent/contract/observation.ts";
import type { Ports } from "../../../agent/contract/ports.ts";
import type { Session } from "../../../agent/contract/source.ts";
import { MODBUS_SHAPE, type ModbusConfig } from "../../../protocols/modbus/config.ts";
import { modbus } from "../../../protocols/modbus/driver.ts";
import { testPorts } from "../../support/ports.ts";

export type Keys = Readonly<Record<string, unknown>>;

export function config(keys: Keys): ModbusConfig {
  const decoded = decode(MODBUS_SHAPE, keys);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.value;
}

/** Points `point/p0`, `point/p1` … at the addresses given, as u16 holding registers. */
export const words = (addresses: readonly number[], more: Keys = {}): readonly Keys[] => addresses.map((address) => ({ address, signal: `point/p${address}`, ...more }));

export interface Source extends AsyncDisposable {
  readonly session: Session;
  readonly batches: readonly Batch[];
  /** The latest of each signal. */
  readonly values: ReadonlyMap<string, Reading["value"]>;
  /** The next batch; rejects with what the session throws. */
  next(): Promise<Batch>;
  until(wanted: (values: ReadonlyMap<string, Reading["value"]>) => boolean): Promise<void>;
  stop(): void;
}

export async function open(keys: Keys, ports: Ports = testPorts()): Promise<Source> {
  const stop = new AbortController();
  const session = await modbus.create(config(keys), ports).connect(stop.signal);
  const iterator = session.read(null, stop.signal)[Symbol.asyncIterator]();
  const batches: Batch[] = [];
  const values = new Map<string, Reading["value"]>();
  const next = async (): Promise<Batch> => {
    const step = await iterator.next();
    if (step.done === true) throw new Error("the session ended");
    batches.push(step.value);
    for (const item of step.value.items) if (item.kind === "reading") values.set(item.signal, item.value);
    return step.value;
  };
  return {
    session, batches, values, next,
    async until(wanted) {
      while (!wanted(values)) await next();
    },
    stop: () => { stop.abort(new Error("stopped by the test")); },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await session.close();
    },
  };
}
