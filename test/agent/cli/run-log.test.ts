/** What the built program's log says of its destinations: a technician reads why nothing arrives. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startAedes } from "../../support/broker.ts";
import { builtBundle, runBundle } from "../../support/bundle.ts";

interface Said {
  readonly level: string;
  readonly destination?: string;
  readonly fault?: string;
  readonly reason?: string;
  readonly repeated?: number;
  readonly sentence: string;
}

it("says when a broker is reached, and why one is not; once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cellgate-run-log-"));
  await using broker = await startAedes();
  const config = join(folder, "cellgate.yaml");
  await writeFile(config, `agent: {site: lyon, data_dir: ${join(folder, "data")}}
destinations:
  - {name: here, url: "mqtt://127.0.0.1:${broker.port}"}
  - {name: nobody, url: "mqtt://127.0.0.1:1"}
machines:
  - id: VMC-3
    sources: [{type: mtconnect, url: "http://127.0.0.1:1"}]
`);
  const agent = runBundle(await builtBundle(), ["run", "--config", config]);
  await agent.until((out) => out.includes("destination connected") && out.includes("destination lost"));
  expect(await agent.kill("SIGTERM")).toEqual({ code: 0, signal: null });
  const said = agent.out().trimEnd().split("\n").map((line) => JSON.parse(line) as Said).filter(({ destination, repeated }) => destination !== undefined && repeated === undefined);
  expect(said.toSorted((a, b) => (a.destination ?? "").localeCompare(b.destination ?? ""))).toMatchObject([
    { level: "info", destination: "here", sentence: "destination connected" },
    { level: "warn", destination: "nobody", fault: "unreachable", reason: expect.stringContaining("nothing listens there") as string, sentence: "destination lost: records are kept until it is back" },
  ]);
  await rm(folder, { recursive: true });
});
