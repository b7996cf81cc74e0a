/** `record`, then `replay`, then `audit`: a real driver at a simulated machine, through real files. */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { driverOf } from "../../../agent/assemble.ts";
import { auditCommand } from "../../../agent/cli/audit.ts";
import { recordCommand } from "../../../agent/cli/record.ts";
import { replayCommand } from "../../../agent/cli/replay.ts";
import { machineDetector } from "../../../agent/detect/machine.ts";
import { DESTINATION_KINDS, SOURCE_KINDS } from "../../../agent/registry.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { shiftFeed } from "../../../agent/simulate/mtconnect/feeds/shift.ts";
import { simulate, type Simulation } from "../../../agent/simulate/mtconnect/start.ts";
import { testPorts } from "../../support/ports.ts";
import { run, type Ran } from "./run.ts";

const kinds = { sources: SOURCE_KINDS, destinations: DESTINATION_KINDS };
const COMMANDS = [recordCommand({ kinds, ports: testPorts, driver: driverOf }), replayCommand({ kinds, detector: machineDetector }), auditCommand];
const START = Date.UTC(2026, 2, 2, 6);

let folder = "";
let machine: Simulation;
const at = (name: string): string => join(folder, name);
const cellgate = (...argv: string[]): Promise<Ran> => run(argv, COMMANDS);
const yaml = (url: string): string => `agent: {site: lyon, timezone: UTC}\ndestinations: [{name: erp, url: "mqtt://localhost"}]\nmachines:\n  - id: VMC-3\n    sources: [{type: mtconnect, url: "${url}", time: source, history: buffer}]\n`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cellgate-record-"));
  machine = await simulate(shiftFeed({ startMs: START, seed: 1 }), { clock: systemClock(960, START), network: systemClock(), speed: 1 });
  await writeFile(at("cellgate.yaml"), yaml(machine.agent.url));
  await writeFile(at("nobody.yaml"), yaml("http://127.0.0.1:1"));
});
afterAll(async () => {
  await machine.close();
  await rm(folder, { recursive: true });
});

describe("a capture", () => {
  it("gives records that are the same each time and obey the rules", async () => {
    const recorded = await cellgate("record", "--config", at("cellgate.yaml"), "--out", at("vmc3.capture"), "--seconds", "1.5");
    expect([recorded.code, recorded.out]).toEqual([0, ""]);
    expect(recorded.err).toMatch(/^connected: .*\n[^]*vmc3\.capture: \d+ observations in \d+ batches, \d+ KB\n$/);
    const [first, second] = [await cellgate("replay", at("vmc3.capture"), "--config", at("cellgate.yaml")), await cellgate("replay", at("vmc3.capture"), "--config", at("cellgate.yaml"))];
    expect(first.out.match(/"type":"io\.cellgate\.cycle\.v1"/g)?.length).toBeGreaterThan(0);
    expect(second).toEqual(first);
    await writeFile(at("records.jsonl"), first.out);
    expect((await cellgate("audit", at("records.jsonl"))).out).toMatch(/^\d+ records of VMC-3 in \d+ lines: every rule holds\.\n$/);
  });

  it("never takes the place of a file", async () => {
    await writeFile(at("mine"), "mine");
    const { code, err } = await cellgate("record", "--config", at("cellgate.yaml"), "--out", at("mine"));
    expect([code, await readFile(at("mine"), "utf8")]).toEqual([2, "mine"]);
    expect(err).toContain("mine is already there: choose another with --out");
  });

  it("needs a place where it can be written, and says so before it waits for the machine", async () => {
    const { code, err } = await cellgate("record", "--config", at("nobody.yaml"), "--out", at("no-folder/x.capture"));
    expect(code).toBe(2);
    expect(err).toMatch(/^cellgate: .*no-folder\/x\.capture cannot be written: ENOENT/);
  });

  it("of a machine that said nothing is not kept", async () => {
    const { code, err } = await cellgate("record", "--config", at("nobody.yaml"), "--out", at("empty.capture"), "--seconds", "0.3");
    expect([code, existsSync(at("empty.capture"))]).toEqual([1, false]);
    expect(err).toContain("nothing was recorded");
  });
});

describe("what cannot be replayed", () => {
  it.each([["a folder", ".", "cannot be read: EISDIR"], ["a file that is not there", "nowhere", "cannot be read: ENOENT"], ["another file", "cellgate.yaml", "cellgate.yaml: line 1: not JSON"]])("%s is told in words", async (_, name, words) => {
    const { code, out, err } = await cellgate("replay", at(name), "--config", at("cellgate.yaml"));
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(words);
  });
});
