/** `cellgate tail --records` as it is shipped: the built program, a real broker, a record that arrives. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { expect, it } from "vitest";
import { startAedes } from "../../support/broker.ts";
import { builtBundle, runBundle } from "../../support/bundle.ts";

it("the built program shows the records that arrive at the broker", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cellgate-tail-"));
  await using broker = await startAedes();
  const config = join(folder, "cellgate.yaml");
  await writeFile(config, `agent: {site: lyon}\ndestinations:\n  - {name: erp, url: "mqtt://127.0.0.1:${broker.port}"}\nmachines:\n  - id: VMC-3\n    sources: [{type: mtconnect, url: "http://127.0.0.1:1"}]\n`);
  const tailing = runBundle(await builtBundle(), ["tail", "--records", "--config", config]);
  const publisher = await connectAsync({ host: "127.0.0.1", port: broker.port, protocolVersion: 4 });
  const record = { type: "io.cellgate.state.v1", time: "2026-03-02T08:00:00.000Z", data: { rev: 1, state: "RUNNING" } };
  // Again and again: nobody tells us when the subscription stands.
  const again = setInterval(() => void publisher.publishAsync("cellgate/v1/lyon/vmc-3/rec/state", JSON.stringify(record)), 50);
  await tailing.until((out) => out.includes("2026-03-02T08:00:00.000Z  state      rev 1  state RUNNING"));
  clearInterval(again);
  expect(await tailing.kill("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(tailing.err()).toBe("");
  const mistaken = runBundle(await builtBundle(), ["tail", "--records", "--config", config, "--machine", "VMC-4"]);
  expect((await mistaken.ended).code).toBe(2);
  expect(mistaken.err()).toContain('no machine "VMC-4" in the configuration; did you mean VMC-3?');
  await publisher.endAsync();
  await rm(folder, { recursive: true });
});
