/** A buffer with something in it, a configuration that means it, and the `buffer` commands over it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { bufferCommandsOf } from "../../../../agent/buffer-parts.ts";
import type { Outbox } from "../../../../agent/contract/outbox.ts";
import type { NewRecord } from "../../../../agent/contract/record.ts";
import { unixMs } from "../../../../agent/contract/time.ts";
import { DESTINATION_KINDS, SOURCE_KINDS } from "../../../../agent/registry.ts";
import { openOutbox } from "../../../../buffer/outbox.ts";
import { commitOf, record } from "../../../buffer/records.ts";
import { options } from "../../../buffer/support.ts";
import { testPorts } from "../../../support/ports.ts";
import { run, type Ran } from "../run.ts";

const HOUR = 3_600_000;

export interface Bench {
  readonly folder: string;
  readonly dataDir: string;
  readonly file: string;
  /** Opens the buffer as the agent would, for as long as `work` takes. */
  filled(work: (outbox: Outbox) => Promise<void> | void): Promise<void>;
  cellgate(...words: readonly string[]): Promise<Ran>;
}

export function bench(): Bench {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-buffer-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const dataDir = join(folder, "data");
  const config = join(folder, "cellgate.yaml");
  writeFileSync(config, `agent: {id: cell-7, site: lyon, timezone: Europe/Paris, data_dir: ${dataDir}}
destinations:
  - {name: bridge, url: "mqtt://127.0.0.1:1883"}
  - {name: archive, url: "mqtt://127.0.0.1:1884", types: [cycle]}
machines:
  - {id: VMC-3, sources: [{type: mtconnect, url: "http://127.0.0.1:5000"}]}
`);
  const commands = bufferCommandsOf({ sources: SOURCE_KINDS, destinations: DESTINATION_KINDS }, () => testPorts(), "0.0.0", undefined);
  return {
    folder, dataDir, file: join(dataDir, "cellgate.db"),
    async filled(work) {
      const outbox = openOutbox(options({ dataDir, destinations: [{ name: "bridge" }, { name: "archive", types: ["cycle"] }] }));
      try {
        await work(outbox);
      } finally {
        await outbox.close();
      }
    },
    cellgate: (...words) => run([...words, "--config", config], commands),
  };
}

/** One commit of `count` records an hour, the last learned now; every tenth a cycle. */
export async function hours(outbox: Outbox, now: number, count: number, ofHours: number): Promise<void> {
  for (let hour = 0; hour < ofHours; hour++) {
    const records = Array.from({ length: count }, (_, index): NewRecord => record(hour * count + index + 1, index % 10 === 0 ? "cycle" : "state", { n: hour * count + index + 1, state: "RUNNING" }));
    await outbox.commit(commitOf(records, { observedAt: unixMs(now - (ofHours - 1 - hour) * HOUR), checkpoint: { key: "machine/VMC-3", json: "{}" } }));
  }
}
