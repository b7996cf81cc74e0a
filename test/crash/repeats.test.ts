/**
 * Rows that come again say so: the built agent sends a long backlog to a real Mosquitto and is killed (-9) again and again
 * with rows in flight. Of what was never sent before, no more than one block after each kill says that it may have been.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { openOutbox } from "../../buffer/outbox.ts";
import { BLOCK_ROWS } from "../../buffer/chain/sent-mark.ts";
import { listen, startBroker } from "../bench/support/broker.ts";
import { sleep } from "../bench/support/waiting.ts";
import { commitOf, describeLoss, record, silentLog } from "../buffer/records.ts";
import { builtBundle, runBundle, type BundleProcess } from "../support/bundle.ts";
import { freePort } from "../support/free-port.ts";
import { NO_WINDOWS } from "../support/loaded.ts";
import { describeNeeding } from "../support/needs.ts";

const ROWS = 24_000;
const WINDOW = 100;
/** The agent is killed when so many have come. */
const KILLS = [300, 1_500, 3_000, 9_000, 15_000];
const WAIT_MS = 60_000;
/** What left before a kill has come after that. */
const STILL_MS = 300;

async function fill(dataDir: string): Promise<void> {
  const outbox = openOutbox({ dataDir, destinations: [{ name: "bridge" }], clock: systemClock(), log: silentLog, describeLoss });
  for (let n = 0; n < ROWS; n += 500) await outbox.commit(commitOf(Array.from({ length: 500 }, (_, index) => record(n + index + 1))));
  await outbox.close();
}

interface Event { readonly seq: number; readonly replay?: boolean }

describeNeeding(["mosquitto"], "killed with rows in flight", () => {
  it("every row that comes again says so, over several kills, and what never left does not", { timeout: 2 * WAIT_MS }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "cellgate-repeats-"));
    const bundle = await builtBundle();
    await using broker = await startBroker();
    const first = new Map<number, boolean>();
    const unmarked: number[] = [];
    let [repeats, newest] = [0, 0];
    await using _ = await listen(broker.port, "cellgate/v1/#", (topic, text) => {
      if (!topic.includes("/rec/")) return;
      const { seq, replay = false } = JSON.parse(text) as Event;
      newest = Math.max(newest, seq);
      if (first.has(seq)) repeats += 1;
      if (first.has(seq) && !replay) unmarked.push(seq);
      if (!first.has(seq)) first.set(seq, replay);
    });
    const file = join(folder, "cellgate.yaml");
    writeFileSync(file, `
agent: {id: repeats, site: lyon, timezone: UTC, environment: test, data_dir: ${JSON.stringify(join(folder, "data"))}}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:${broker.port}", window: ${WINDOW}, drain_rate: 4000/s, ${NO_WINDOWS}}]
machines: [{id: VMC-3, sources: [{type: mtconnect, url: "http://127.0.0.1:${await freePort()}", device: none}]}]
`);
    await fill(join(folder, "data"));
    const start = (): BundleProcess => runBundle(bundle, ["run", "--config", file], { STATE_DIRECTORY: folder });
    let agent = start();
    const came = async (rows: number): Promise<void> => {
      for (const end = performance.now() + WAIT_MS; first.size < rows; await sleep(1)) if (performance.now() > end) throw new Error(`${first.size} rows came, not ${rows}:\n${agent.out().slice(-4_000)}${agent.err()}`);
    };
    const sent = [0];
    try {
      for (const rows of KILLS) {
        await came(rows);
        await agent.kill("SIGKILL");
        await sleep(STILL_MS);
        sent.push(newest);
        agent = start();
      }
      await came(ROWS);
    } finally {
      await agent.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    }
    expect(unmarked).toEqual([]);
    expect(repeats).toBeGreaterThan(0);
    const needless = [...first].filter(([, replay]) => replay).map(([seq]) => seq);
    expect(needless.filter((seq) => !sent.slice(1).some((last) => seq > last && seq <= last + WINDOW + BLOCK_ROWS))).toEqual([]);
    expect(needless.length).toBeLessThan(ROWS - BLOCK_ROWS);
  });
});
