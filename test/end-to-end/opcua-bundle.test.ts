/** The built program makes a monitored group of an OPC UA server: minified without its names it could not. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openShift } from "../../agent/simulate/opcua/start.ts";
import { builtBundle, runBundle } from "../support/bundle.ts";

const STATUS = "/Channel/State/progStatus";

it("follows a simulated SINUMERIK, and prints nothing of the library's", async () => {
  const { control, url, close } = await opened();
  try {
    control.set(STATUS, 5);
    await withTheBundle(url, () => { control.set(STATUS, 3); });
    expect(control.counts).toMatchObject({ writes: 0, calls: 0 });
  } finally {
    await close();
  }
}, 120_000);

/** At the first step of the shift. */
async function opened(): Promise<Pick<Awaited<ReturnType<typeof openShift>>, "control" | "url"> & { readonly close: () => Promise<void> }> {
  const simulation = await openShift({ port: 0, host: "127.0.0.1", now: () => new Date() });
  const [first] = simulation.shift.steps;
  if (first === undefined) throw new Error("the shift is empty");
  simulation.perform(first);
  return { control: simulation.control, url: simulation.url, close: () => simulation.close() };
}

async function withTheBundle(url: string, run: () => void): Promise<void> {
  const bundle = await builtBundle();
  const folder = mkdtempSync(join(tmpdir(), "cellgate-opcua-bundle-"));
  try {
    const file = join(folder, "cellgate.yaml");
    writeFileSync(file, `agent: {id: cell-8, site: lyon, timezone: UTC, environment: test, data_dir: ${folder}/data}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines: [{id: VMC-3, sources: [{type: opcua, url: "${url}", profile: sinumerik, security: none, publishing: 50ms, sampling: 50ms, keepalive: 500ms}]}]
`);
    await using tail = runBundle(bundle, ["tail", "--config", file]);
    await tail.until((out) => /execution = READY/u.test(out), 30_000);
    run();
    await tail.until((out) => /execution = ACTIVE/u.test(out));
    expect(tail.err()).toContain("connected: SINUMERIK");
    expect((await tail.kill("SIGTERM")).code).toBe(0);
    // What the library would print goes into the log, and that is quiet.
    expect(`${tail.out()}${tail.err()}`).not.toMatch(/NODE-OPCUA|client_base_impl/u);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
