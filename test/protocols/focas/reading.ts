/** What the tests of the driver share: a config with defaults, a simulated control, and a reader of sessions with a bound. */
import { decode } from "../../../agent/contract/shape.ts";
import type { Reading } from "../../../agent/contract/observation.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { FocasServer, type SimulatedControlOptions } from "../../../agent/simulate/focas/server.ts";
import { FOCAS_SHAPE, type FocasConfig } from "../../../protocols/focas/config.ts";
import { focas } from "../../../protocols/focas/driver.ts";
import { testPorts, type TestPorts } from "../../support/ports.ts";
import { runSession, type SessionRun, type Until } from "../../support/session-run.ts";

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

export interface Run extends SessionRun {
  /** Value of a signal as it was told last; `path` where there are several. */
  last(signal: string, path?: number): Reading["value"] | undefined;
  readonly ports: TestPorts;
}
export interface RunOptions {
  readonly ports?: TestPorts;
  /** Default: after one batch. */
  readonly until?: Until;
}

export async function run(port: number, keys: Readonly<Record<string, unknown>> = {}, { ports = testPorts(), until = () => true }: RunOptions = {}): Promise<Run> {
  const ran = await runSession(focas.create(config({ port, ...keys }), ports), until);
  return { ...ran, ports, last: (signal, path) => ran.readings.findLast((one) => one.signal === signal && one.path === path)?.value };
}
