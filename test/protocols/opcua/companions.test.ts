/** Machine tools by OPC 40501 (umati) and PackML units by OPC 30050, against servers made from the specifications' nodesets. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startCompanions, type SimulatedCompanions } from "../../../agent/simulate/opcua/companions.ts";
import { freePort } from "../../support/free-port.ts";
import { config, failure, reading, temporaryFolder, type Folder, type Running } from "./support.ts";

let folder: Folder;
let server: SimulatedCompanions;
beforeAll(async () => {
  folder = temporaryFolder("opcua-companions");
  server = await startCompanions({ port: await freePort(), folder: `${folder.path}/server` });
}, 120_000);
afterAll(async () => {
  await server.close();
  folder[Symbol.dispose]();
});
const keys = (more: Readonly<Record<string, unknown>>) => config({ url: server.url, ...more });
const started = async (more: Readonly<Record<string, unknown>>): Promise<Running> => {
  const running = await reading(keys(more), folder.path);
  await running.until(() => running.batches.length > 0, "the first batch");
  return running;
};
const said = (running: Running, signal: string, value: unknown): Promise<void> => running.until(() => running.last(signal)?.value === value, `${signal} ${String(value)}`);

describe("a machine tool", () => {
  it("is found in the list of machines, and told by program, channel and modes", async () => {
    server.machine("Production/ActiveProgram/Name", "O1234");
    server.machine("Production/ActiveProgram/State/CurrentState/Number", 2);
    server.machine("Production/Statistics/PartsProducedInLifetime", 88);
    server.machine("Monitoring/Kanal 1/ChannelState", 2);
    server.machine("Monitoring/Kanal 1/ChannelMode", 0);
    server.machine("Monitoring/Kanal 1/FeedOverride", 90);
    server.machineState("MachineryOperationMode", 5026);
    await using running = await started({ profile: "machine_tool" });
    const first = Object.fromEntries(running.readings.map(({ signal, value }) => [signal, value]));
    expect(first).toMatchObject({ program: "O1234", part_count: 88, controller_mode: "AUTOMATIC", functional_mode: "PRODUCTION", feed_override: 90, execution: "PROGRAM_COMPLETED" });
    const at = new Date();
    server.machine("Production/ActiveProgram/State/CurrentState/Number", 1, at);
    await said(running, "execution", "ACTIVE");
    expect(running.last("execution")).toMatchObject({ sourceTime: at.getTime() });
    server.machine("Monitoring/Kanal 1/ChannelState", 1);
    await said(running, "execution", "INTERRUPTED");
    server.machine("Monitoring/Kanal 1/ChannelState", 0);
    await said(running, "execution", "ACTIVE");
    server.machine("Production/ActiveProgram/State/CurrentState/Number", 4);
    await said(running, "execution", "STOPPED");
    server.machine("Monitoring/Kanal 1/ChannelMode", 2);
    await said(running, "controller_mode", "MANUAL");
    server.machineState("MachineryOperationMode", 5027);
    await said(running, "functional_mode", "SETUP");
  });

  it("that is not there is refused with those that are", async () => {
    expect((await failure(keys({ profile: "machine_tool", machine: "VMC-9" }), folder.path)).message).toContain('it has "VMC-3"');
    expect((await failure(keys({ profile: "sinumerik" }), folder.path)).message).toMatch(/nothing of SINUMERIK can be read/u);
  });
});

describe("a PackML unit", () => {
  const base = "BaseStateMachine";
  const execute = `${base}/MachineState/ExecuteState`;

  it("is found, and told by the innermost state machine that is active", async () => {
    server.unitState(base, 71);
    server.unitState(`${base}/MachineState`, 75);
    server.unitState(execute, 28);
    server.unitMode(1);
    await using running = await started({ profile: "packml" });
    const first = Object.fromEntries(running.readings.map(({ signal, value }) => [signal, value]));
    expect(first).toMatchObject({ execution: "READY", controller_mode: "AUTOMATIC", functional_mode: "PRODUCTION" });
    for (const [node, word] of [[36, "ACTIVE"], [34, "FEED_HOLD"], [36, "ACTIVE"], [31, "WAIT"], [36, "ACTIVE"], [38, "PROGRAM_COMPLETED"], [28, "READY"]] as const) {
      server.unitState(execute, node);
      await said(running, "execution", word);
    }
    server.unitState(base, 62);
    await said(running, "execution", "STOPPED");
    server.unitMode(3);
    await said(running, "controller_mode", "MANUAL");
  });

  it("by the names of the way to it; a wrong way says so", async () => {
    await using running = await started({ profile: "packml", unit: ["Line 4", "Filler"] });
    expect(running.last("execution")).toBeDefined();
    expect((await failure(keys({ profile: "packml", unit: ["Line 5"] }), folder.path)).message).toContain("no PackML unit");
  });
});

it("nothing was written or called", () => {
  expect(server.counts).toMatchObject({ writes: 0, calls: 0 });
});
