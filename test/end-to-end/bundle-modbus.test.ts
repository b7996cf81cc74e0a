/** The built bundle reads Modbus over TCP and on a serial line: what is native, and what is left out of it, is not missed. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { METER_UNIT, PLC_UNIT, SHIFT_DEVICES } from "../../agent/simulate/modbus/shift.ts";
import { simulateModbus, type ModbusSimulationOptions } from "../../agent/simulate/modbus/start.ts";
import { closeSerial, openSerial } from "../../protocols/shared/serial.ts";
import { startAedes, subscribe } from "../support/broker.ts";
import { builtBundle, runBundle } from "../support/bundle.ts";
import { NO_WINDOWS } from "../support/loaded.ts";
import { describeNeeding } from "../support/needs.ts";
import { serialCable } from "../support/pty.ts";

/** The PLC's program and the meter's power reach the broker. */
async function reaches(source: object, place: ModbusSimulationOptions["place"]): Promise<void> {
  const clock = systemClock();
  const bundle = await builtBundle();
  const folder = mkdtempSync(join(tmpdir(), "cellgate-bundle-"));
  const simulation = await simulateModbus({ clock, network: clock, place });
  const port = simulation.port === 0 ? {} : { port: simulation.port };
  await using broker = await startAedes();
  await using subscriber = await subscribe(broker.port, "cellgate/v1/lyon/+/live/#");
  const file = join(folder, "cellgate.yaml");
  writeFileSync(file, `agent: {id: cell-7, site: lyon, timezone: UTC, environment: test, data_dir: ${join(folder, "data")}}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:${broker.port}", ${NO_WINDOWS}}]
machines: [{id: VMC-3, sources: [${JSON.stringify({ type: "modbus", interval: "100ms", timeout: "5s", devices: SHIFT_DEVICES, ...source, ...port })}]}]
`);
  try {
    await using agent = runBundle(bundle, ["run", "--config", file]);
    const got = (name: string): unknown => subscriber.received.findLast(({ topic }) => topic.endsWith(`/live/${name}`))?.text;
    await expect.poll(() => [got("program"), got("point-power-total")], { interval: 20, timeout: 30_000, message: agent.err() }).toEqual([expect.stringContaining("O1234") as string, expect.stringContaining("300") as string]);
    expect(await agent.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    await expect.poll(() => (simulation.port === 0 ? 0 : simulation.bus.connections), { interval: 5 }).toBe(0);
  } finally {
    await simulation.close();
    rmSync(folder, { recursive: true, force: true });
  }
  expect([PLC_UNIT, METER_UNIT].map((unit) => simulation.devices.get(unit)?.writes)).toEqual([0, 0]);
}

describeNeeding(["socat"], "the bundle", () => {
  it("reads over TCP", () => expect(reaches({ host: "127.0.0.1" }, { host: "127.0.0.1" })).resolves.toBeUndefined(), 120_000);

  it("reads on a serial line", async () => {
    await using cable = await serialCable();
    const line = await openSerial({ path: cable.far, baud: 115_200, parity: "none", stopBits: 1, dataBits: 8 });
    await expect(reaches({ serial: { path: cable.near, baud: 115_200 } }, { line })).resolves.toBeUndefined();
    await closeSerial(line);
  }, 120_000);
});
