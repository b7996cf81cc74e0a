/** `cellgate buffer` as it is installed: the built program beside its own running agent, and on a file that was damaged between its rows. */
import { execFile } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { openOutbox } from "../../buffer/outbox.ts";
import { options } from "../buffer/support.ts";
import { hours } from "../agent/cli/buffer/buffer.ts";
import { builtBundle, runBundle } from "../support/bundle.ts";
import { freePort } from "../support/free-port.ts";

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
const cellgate = async (...words: readonly string[]): Promise<Ran> => {
  const bundle = await builtBundle();
  return new Promise((resolve) => {
    execFile(process.execPath, [bundle, ...words], { timeout: 60_000 }, (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code), out, err }));
  });
};

async function site(): Promise<{ readonly dataDir: string; readonly config: string }> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-tools-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [dataDir, config] = [join(folder, "data"), join(folder, "cellgate.yaml")];
  writeFileSync(config, `agent: {id: cell-7, site: lyon, timezone: UTC, data_dir: ${dataDir}}
destinations: [{name: bridge, url: "mqtt://127.0.0.1:${await freePort()}"}]
machines: [{id: VMC-3, sources: [{type: mtconnect, url: "http://127.0.0.1:${await freePort()}"}]}]
`);
  const outbox = openOutbox(options({ dataDir }));
  await hours(outbox, Date.now(), 500, 12);
  await outbox.close();
  return { dataDir, config };
}

describe("the built program's buffer commands", () => {
  it("work beside the running agent, and leave it alone", async () => {
    const { dataDir, config } = await site();
    await using agent = runBundle(await builtBundle(), ["run", "--config", config]);
    await expect.poll(() => existsSync(join(dataDir, "cellgate.sock")), { timeout: 15_000 }).toBe(true);
    const status = await cellgate("buffer", "status", "--config", config);
    expect([status.code, status.err]).toEqual([0, ""]);
    expect(status.out).toContain("as the running agent says");
    expect(status.out).toMatch(/lasts {7}\d+ days/);
    expect(await cellgate("buffer", "verify", "--config", config)).toMatchObject({ code: 0, err: "", out: expect.stringContaining("all whole") as string });
    expect((await cellgate("buffer", "repair", "--config", config)).code).toBe(1);
    expect(agent.out()).toContain("without any destination the buffer lasts");
  }, 60_000);
  it("find damage between the rows, and repair it", async () => {
    const { dataDir, config } = await site();
    const file = join(dataDir, "cellgate.db");
    const pages = Math.floor(statSync(file).size / 4_096);
    const descriptor = openSync(file, "r+");
    writeSync(descriptor, Buffer.alloc(4_096, 0x5a), 0, 4_096, Math.floor(pages / 2) * 4_096);
    closeSync(descriptor);
    const found = await cellgate("buffer", "verify", "--config", config);
    expect(found.code).toBe(1);
    const repaired = await cellgate("buffer", "repair", "--config", config);
    expect([repaired.code, repaired.out]).toEqual([0, expect.stringContaining("The damaged file lies in")]);
    expect((await cellgate("buffer", "verify", "--config", config)).code).toBe(0);
  }, 60_000);
});
