/** What the OPC UA tests share: a folder of their own, a configuration, and a session read in the background. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LinkError } from "../../../agent/contract/errors.ts";
import type { Batch, Gap, Reading } from "../../../agent/contract/observation.ts";
import type { Ports } from "../../../agent/contract/ports.ts";
import { decode } from "../../../agent/contract/shape.ts";
import type { Session } from "../../../agent/contract/source.ts";
import { OPCUA_SHAPE, type OpcuaConfig } from "../../../protocols/opcua/config.ts";
import { opcua } from "../../../protocols/opcua/driver.ts";
import { testPorts } from "../../support/ports.ts";

/** Quick, so that a test waits for little: messages each 50 ms, a look each 50 ms. */
const QUICK = { publishing: "50ms", sampling: "50ms", measure_sampling: "50ms", keepalive: "500ms" } as const;

export function config(keys: Readonly<Record<string, unknown>>): OpcuaConfig {
  const decoded = decode(OPCUA_SHAPE, { security: "none", ...QUICK, ...keys });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.value;
}

export interface Folder extends Disposable {
  readonly path: string;
}
export function temporaryFolder(name: string): Folder {
  const path = mkdtempSync(join(tmpdir(), `cellgate-${name}-`));
  return { path, [Symbol.dispose]: () => { rmSync(path, { recursive: true, force: true }); } };
}
export const AGENT = "cell-7";

export interface Running extends AsyncDisposable {
  readonly session: Session;
  readonly batches: readonly Batch[];
  readonly readings: readonly Reading[];
  readonly gaps: readonly Gap[];
  /** What ended it; null while it runs, or when it ended as told. */
  readonly ended: Promise<unknown>;
  /** Values of a signal, in order, with their quality where it is not GOOD. */
  of(signal: string, path?: number): readonly unknown[];
  last(signal: string): Reading | undefined;
  until(condition: () => boolean, what: string, timeoutMs?: number): Promise<void>;
}

export async function reading(keys: OpcuaConfig, dataDir: string, ports: Ports = testPorts()): Promise<Running> {
  const stop = new AbortController();
  const session = await opcua.create(keys, ports, { agentId: AGENT, dataDir }).connect(stop.signal);
  const batches: Batch[] = [];
  const items = (): readonly (Reading | Gap)[] => batches.flatMap((batch) => batch.items);
  const ended = (async () => {
    try {
      for await (const batch of session.read(null, stop.signal)) batches.push(batch);
      return null;
    } catch (cause) {
      return cause;
    }
  })();
  const readings = (): readonly Reading[] => items().filter((item): item is Reading => item.kind === "reading");
  return {
    session, batches, ended,
    get readings() { return readings(); },
    get gaps() { return items().filter((item): item is Gap => item.kind === "gap"); },
    of: (signal, path) => readings().filter((one) => one.signal === signal && (path === undefined || one.path === path)).map(({ value, quality }) => (quality === "GOOD" ? value : `${quality} ${JSON.stringify(value)}`)),
    last: (signal) => readings().findLast((one) => one.signal === signal),
    async until(condition, what, timeoutMs = 10_000) {
      for (const end = Date.now() + timeoutMs; !condition(); await new Promise((resolve) => setTimeout(resolve, 5)))
        if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}; ${JSON.stringify(items().slice(-10))}`);
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await session.close();
      await ended;
    },
  };
}

/** Why no session is given. */
export async function failure(keys: OpcuaConfig, dataDir: string, ports: Ports = testPorts()): Promise<LinkError> {
  try {
    await using running = await reading(keys, dataDir, ports);
    throw new Error(`a session was given: ${running.session.peer}`);
  } catch (cause) {
    if (cause instanceof LinkError) return cause;
    throw cause;
  }
}
