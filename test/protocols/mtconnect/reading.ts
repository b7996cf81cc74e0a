/** What the tests of the driver share: a config with defaults, and readers of its batches with a bound. */
import { decode } from "../../../agent/contract/shape.ts";
import type { Cursor } from "../../../agent/contract/observation.ts";
import { MTCONNECT_SHAPE, type MTConnectConfig } from "../../../protocols/mtconnect/config.ts";
import { mtconnect } from "../../../protocols/mtconnect/driver.ts";
import { testPorts, type TestPorts } from "../../support/ports.ts";
import { runSession, type SessionRun, type Until } from "../../support/session-run.ts";

export function config(keys: Readonly<Record<string, unknown>>): MTConnectConfig {
  const decoded = decode(MTCONNECT_SHAPE, keys);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.value;
}

export type Run = SessionRun;
export interface RunOptions {
  readonly from?: Cursor | null;
  readonly ports?: TestPorts;
  readonly until?: Until;
}

export const run = (keys: Readonly<Record<string, unknown>>, { from = null, ports = testPorts(), until = () => false }: RunOptions = {}): Promise<Run> =>
  runSession(mtconnect.create(config(keys), ports), until, from);
