/** A running agent holds a control: whoever asks, asks the agent. The simulated controls count their connections. */
import { once } from "node:events";
import { mkdirSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { controlSocketOf } from "../../../../agent/runtime/health/control.ts";
import { systemClock } from "../../../../agent/runtime/time/clock.ts";
import { Control } from "../../../../agent/simulate/haas/control.ts";
import { startHaasSerial } from "../../../../agent/simulate/haas/serial.ts";
import { openOutbox } from "../../../../buffer/outbox.ts";
import { bufferOptions } from "../../../../agent/assemble.ts";
import { freePort } from "../../../support/free-port.ts";
import { loadedFrom } from "../../../support/loaded.ts";
import { describeNeeding } from "../../../support/needs.ts";
import { testPorts } from "../../../support/ports.ts";
import { startAgent } from "../../../support/running-agent.ts";
import { cellgate, cellgateFolder, shop, type Folder, type Shop } from "./shop.ts";

const machinesOf = ({ targets }: Shop): string => {
  const portOf = (kind: string): string => (targets[kind] ?? "").split(":")[1] ?? "";
  return [
    `  - id: LATHE-1\n    sources: [{type: focas, host: localhost, port: ${portOf("focas")}, interval: 100ms}]`,
    `  - id: MILL-2\n    sources: [{type: haas, host: 127.0.0.1, port: ${portOf("haas")}, interval: 100ms}]`,
    `  - id: METER-3\n    sources: [{type: modbus, host: 127.0.0.1, port: ${portOf("modbus")}, interval: 100ms, devices: [{unit: 1, points: [{address: 0, signal: point/state}]}]}]`,
  ].join("\n");
};

/** While the agent runs and has values of all three. */
async function whileRunning(work: (own: Folder, all: Shop, file: string) => Promise<void>): Promise<void> {
  using own = cellgateFolder();
  await using all = await shop();
  const file = own.configuration(machinesOf(all));
  const agent = await startAgent(`destinations:\n  - {name: bridge, url: "mqtt://127.0.0.1:1"}\nmachines:\n${machinesOf(all)}\n`, {}, own.path);
  try {
    await agent.until(() => ["live/LATHE-1/execution", "live/MILL-2/execution", "live/METER-3/point/state"].every((name) => agent.retained.has(name)), "values of all three");
    await work(own, all, file);
  } finally {
    await agent.stop();
  }
}

describe("while the agent runs", () => {
  it("probe and discover learn from it, and no control sees a second connection", async () => {
    await whileRunning(async (_, all, file) => {
      const { focas = "", haas = "", modbus = "", shdr = "" } = all.targets;
      const byMachine = await cellgate(["probe", "LATHE-1", "--config", file]);
      expect(byMachine.out).toMatch(/as the running agent has it: no second connection was opened/);
      expect(byMachine.out).toMatch(/FANUC 31i-B M/);
      expect(byMachine.out).toMatch(/model +FANUC 31i-B/);
      expect(byMachine.out).toMatch(/execution +READY/);
      // By another name of the same place.
      const byAddress = await cellgate(["probe", "focas", focas, "--config", file, "--json"]);
      expect(JSON.parse(byAddress.out)).toMatchObject({ asked: "agent", machine: "LATHE-1" });
      const found = await cellgate(["discover", `focas@${focas},haas@${haas},modbus@${modbus},shdr@${shdr}`, "--config", file, "--rate", "1000"]);
      expect(found.out).toMatch(/read by the running agent: machine LATHE-1 \(focas\)/);
      expect(found.out).toMatch(/read by the running agent: machine MILL-2 \(haas\)/);
      expect(found.out).toMatch(/read by the running agent: machine METER-3 \(modbus\)/);
      expect(found.out).toMatch(/type: shdr/);
      expect(all.focas.stats).toMatchObject({ opened: 1, refused: 0 });
      expect([all.haas.port.clients, all.modbus.bus.connections, all.shdr.connections]).toEqual([1, 1, 1]);
    });
  });

  it("a register is read over the connection that the agent has", async () => {
    await whileRunning(async (_, all, file) => {
      for (const subject of [["METER-3"], ["modbus", all.targets["modbus"] ?? ""]]) {
        const ran = await cellgate(["probe", ...subject, "--register", "2", "--config", file]);
        expect(ran).toMatchObject({ code: 0, err: "" });
        expect(ran.out).toMatch(/> +2 {2}with 3, ABCD: u32 412 /);
      }
      expect(await cellgate(["probe", "LATHE-1", "--register", "2", "--config", file])).toMatchObject({ code: 1, err: expect.stringMatching(/read by focas, which has no registers/) as string });
      expect([all.modbus.bus.connections, all.focas.stats.opened]).toEqual([1, 1]);
    });
  });
});

describeNeeding(["socat"], "a serial port that the agent reads", () => {
  it("is asked through it, by whichever of its stable names", async () => {
    using own = cellgateFolder();
    const control = new Control({ dialect: "classic", clock: systemClock() });
    const path = join(own.path, "port");
    await using _line = await startHaasSerial(control, { path, clock: systemClock() });
    const byId = join(own.path, "by-id");
    mkdirSync(byId);
    symlinkSync(path, join(byId, "usb-one"));
    symlinkSync("/dev/null", join(byId, "usb-other"));
    const machine = `  - id: OLD-4\n    sources: [{type: haas, serial: {path: ${path}}, interval: 100ms}]`;
    const file = own.configuration(machine);
    const agent = await startAgent(`destinations:\n  - {name: bridge, url: "mqtt://127.0.0.1:1"}\nmachines:\n${machine}\n`, {}, own.path);
    try {
      await agent.until(() => agent.retained.has("live/OLD-4/execution"), "a value");
      const probed = await cellgate(["probe", "haas", join(byId, "usb-one"), "--config", file]);
      expect(probed.out).toMatch(/^machine OLD-4, haas at .*as the running agent has it/);
      const found = await cellgate(["discover", `focas@127.0.0.1:${await freePort()}`, "--config", file], { serialFolder: byId });
      expect(found.out).toMatch(/by-id\/usb-one is read by the running agent: machine OLD-4/);
      expect(found.out).not.toMatch(/path: .*usb-one/);
      expect(found.out).toMatch(/path: .*usb-other/);
      expect(control.writes).toBe(0);
    } finally {
      await agent.stop();
    }
  });
});

describe("an agent that cannot be asked", () => {
  it("one without a socket, one that is too old: nothing is opened", async () => {
    using own = cellgateFolder();
    await using all = await shop();
    const file = own.configuration(machinesOf(all));
    const settings = loadedFrom(`agent: {data_dir: ${own.path}}\ndestinations:\n  - {name: bridge, url: "mqtt://127.0.0.1:1"}\nmachines:\n${machinesOf(all)}\n`);
    const outbox = openOutbox(bufferOptions(settings, testPorts()));
    try {
      for (const words of [["probe", "LATHE-1"], ["discover", `focas@${all.targets["focas"] ?? ""}`]])
        expect(await cellgate([...words, "--config", file])).toMatchObject({ code: 1, out: "", err: expect.stringMatching(/cannot be asked which controls it reads.*nothing was opened/) as string });
    } finally {
      await outbox.close();
    }
    const older = createServer((socket) => void socket.on("error", () => undefined).once("data", () => socket.end('{"ok":false,"reason":"unknown verb \\"sources\\""}\n')));
    older.listen(controlSocketOf(own.path));
    await once(older, "listening");
    expect(await cellgate(["probe", "LATHE-1", "--config", file])).toMatchObject({ code: 1, out: "", err: expect.stringMatching(/of another version than this command/) as string });
    older.close();
    await once(older, "close");
    expect(all.focas.stats.opened).toBe(0);
  });
});
