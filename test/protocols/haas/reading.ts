/** What the tests of the driver share: a config with defaults, a control with values, a bounded run. */
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { decode } from "../../../agent/contract/shape.ts";
import type { Reading } from "../../../agent/contract/observation.ts";
import type { Ports } from "../../../agent/contract/ports.ts";
import { Control, type ControlOptions } from "../../../agent/simulate/haas/control.ts";
import { HAAS_SHAPE, type HaasConfig } from "../../../protocols/haas/config.ts";
import { haas } from "../../../protocols/haas/driver.ts";
import { testPorts } from "../../support/ports.ts";
import { runSession, type SessionRun, type Until } from "../../support/session-run.ts";

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

export interface Run extends SessionRun {
  /** `signal value` of all readings. */
  readonly said: readonly string[];
}
interface RunOptions {
  readonly ports?: Ports;
  readonly until?: Until;
}

/** Polls as often as it may. */
export async function run(keys: Readonly<Record<string, unknown>>, { ports = testPorts(), until = (_, all) => all.length === 6 }: RunOptions = {}): Promise<Run> {
  const ran = await runSession(haas.create(config({ interval: "100ms", pause: "0ms", timeout: "500ms", ...keys }), ports), until);
  return { ...ran, said: ran.readings.map(said) };
}

const said = ({ signal, value, quality }: Reading): string => `${signal} ${typeof value === "string" ? value : JSON.stringify(value)}${quality === "UNCERTAIN" ? " ?" : ""}`;
/** Values of one signal, in order. */
export const of = ({ readings }: Run, signal: string): readonly unknown[] => readings.filter((one) => one.signal === signal).map(({ value }) => value);
