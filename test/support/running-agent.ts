/** The agent as it runs, in this process: real driver, detectors and buffer; only the destination is a list in memory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadedFrom } from "./loaded.ts";
import type { Configuration } from "../../agent/config/model.ts";
import type { Destination, Retained } from "../../agent/contract/destination.ts";
import type { LinkError } from "../../agent/contract/errors.ts";
import type { StoredRecord } from "../../agent/contract/outbox.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import { assemble } from "../../agent/assemble.ts";
import { runAgent } from "../../agent/runtime/agent.ts";
import { createClockTrust, type ClockProbe } from "../../agent/runtime/time/clock-trust.ts";
import { AT_ONCE } from "../../agent/runtime/link/pacing.ts";
import { RELEASED } from "../../agent/version.ts";
import { testPorts, type TestPorts } from "./ports.ts";

export interface RunningAgent {
  /** Everything delivered, in order, repeats included. */
  readonly delivered: readonly StoredRecord[];
  readonly retained: ReadonlyMap<string, object>;
  readonly ports: TestPorts;
  readonly dataDir: string;
  /** Data of the last revision of each record. */
  last(type?: string): Record<string, unknown>[];
  until(condition: () => boolean, what: string, timeoutMs?: number): Promise<void>;
  stop(): Promise<void>;
}

const keyOf = (value: Retained): string => (value.scope === "live" ? `live/${value.machine}/${value.name}` : value.scope === "health" ? `health/${value.machine}` : "heartbeat");

/** `yaml` without agent.data_dir: it is given one, or `dataDir`. `changes` replaces ports (a fake or faster clock); `clockProbe`: what the system says of its clock. */
export async function startAgent(yaml: string, changes: Partial<Ports> & { readonly clockProbe?: ClockProbe } = {}, dataDir?: string): Promise<RunningAgent> {
  const own = dataDir ?? mkdtempSync(join(tmpdir(), "cellgate-test-"));
  const loaded = loadedFrom(yaml);
  const configuration: Configuration = { ...loaded, agent: { ...loaded.agent, dataDir: own } };
  const { clockProbe: probe, ...replaced } = changes;
  const ports = testPorts(replaced);
  const delivered: StoredRecord[] = [];
  const retained = new Map<string, object>();
  const stopping = new AbortController();
  const parts = assemble(configuration, ports, "test");
  const collecting = (name: string): Destination => ({
    kind: "memory", name,
    connect: () => Promise.resolve({
      peer: "memory",
      deliver: (records) => {
        delivered.push(...records);
        return Promise.resolve({ accepted: records.map(({ seq }) => seq), rejected: [] });
      },
      retain: (values) => {
        for (const value of values) retained.set(keyOf(value), value.payload);
      },
      warnings: () => [],
      lost: new Promise<LinkError>(() => undefined),
      close: () => Promise.resolve(),
    }),
  });
  const clockTrust = probe === undefined ? parts.clockTrust : createClockTrust({ waitMs: configuration.agent.clockWaitMs, notBefore: RELEASED, probe }, ports);
  const running = runAgent({ ...parts, clockTrust, destination: ({ name }) => collecting(name), pacing: () => AT_ONCE }, stopping.signal);
  let failure = null as Error | null;
  running.catch((error: unknown) => (failure = error instanceof Error ? error : new Error(String(error))));
  return {
    delivered, retained, ports, dataDir: own,
    last: (type) => lastRevisions(delivered, type),
    async until(condition, what, timeoutMs = 15_000) {
      for (const end = Date.now() + timeoutMs; !condition(); await new Promise((resolve) => setTimeout(resolve, 5))) {
        if (failure !== null) throw failure;
        if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}; log: ${JSON.stringify(ports.lines.slice(-8))}`);
      }
    },
    async stop() {
      stopping.abort(new Error("the test is over"));
      await running;
      if (dataDir === undefined) rmSync(own, { recursive: true, force: true });
    },
  };
}

function lastRevisions(delivered: readonly StoredRecord[], type?: string): Record<string, unknown>[] {
  const last = new Map<string, StoredRecord>();
  for (const record of delivered) if ((last.get(record.id)?.rev ?? 0) < record.rev) last.set(record.id, record);
  return [...last.values()].filter((record) => type === undefined || record.type === type)
    .map((record) => ({ type: record.type, recordId: record.id, rev: record.rev, ...(JSON.parse(record.body) as object) }));
}
