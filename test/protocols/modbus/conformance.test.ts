/** The Modbus driver does what every driver must, over TCP and over a serial line, against simulated devices. */
import { setImmediate as turn } from "node:timers/promises";
import { describe } from "vitest";
import { SimulatedDevice } from "../../../agent/simulate/modbus/device.ts";
import { serveLine, serveTcp, type Fate } from "../../../agent/simulate/modbus/server.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { modbus } from "../../../protocols/modbus/driver.ts";
import { closeSerial, openSerial } from "../../../protocols/shared/serial.ts";
import { driverConformance, type DriverPeer } from "../../conformance/driver.ts";
import { tcpWay } from "../../conformance/tcp-peer.ts";
import { freePort } from "../../support/free-port.ts";
import { describeNeeding } from "../../support/needs.ts";
import { serialCable } from "../../support/pty.ts";
import { config, type Keys } from "./reading.ts";

/** A PLC of which a coil can be taken away. */
function plc() {
  const device = new SimulatedDevice();
  device.setRegisters("holdings", 0, [0, 0, 7]);
  device.coils.set(0, true);
  let count = 0;
  return {
    device,
    change: () => {
      device.setRegisters("holdings", 0, [count >> 16, ++count]);
      return { signal: "part_count", value: count };
    },
    blank: () => {
      device.coils.delete(0);
      return "power_state";
    },
    keys: {
      // Network time runs fast in some tests: so long that a busy computer is not taken for a silent device.
      interval: "10ms", timeout: "3s",
      devices: [{ unit: 1, points: [
        { address: 0, type: "u32", signal: "part_count" }, { address: 2, signal: "point/seven" },
        { table: "coil", address: 0, signal: "power_state", values: { 0: "OFF", 1: "ON" } },
      ] }],
    } satisfies Keys,
  };
}
/** Reads asked while nobody took what came: the one that was on its way, and no more. */
async function askedMeanwhile(device: SimulatedDevice): Promise<{ readonly taken: number; readonly most: number }> {
  const before = device.reads;
  for (let turns = 0; turns < 2_000; turns++) await turn();
  return { taken: device.reads - before, most: 2 };
}

async function tcpPeer(): Promise<DriverPeer> {
  const { device, change, blank, keys } = plc();
  const server = await serveTcp({ devices: new Map([[1, device]]), network: systemClock() });
  const way = await tcpWay(server.port);
  return {
    driver: (ports) => modbus.create(config({ ...keys, host: "127.0.0.1", port: way.port }), ports),
    change, blank, die: way.die, stall: way.stall, babble: way.babble,
    flood: () => askedMeanwhile(device),
    get connections() { return way.connections; },
    get writes() { return device.writes; },
    async [Symbol.asyncDispose]() {
      await way[Symbol.asyncDispose]();
      await server.close();
    },
  };
}

async function serialPeer(): Promise<DriverPeer> {
  const { device, change, blank, keys } = plc();
  const cable = await serialCable();
  const far = await openSerial({ path: cable.far, baud: 115_200, parity: "none", stopBits: 1, dataBits: 8 });
  let fate: Fate | null = null;
  const server = serveLine({ devices: new Map([[1, device]]), network: systemClock(), fate: () => fate }, far);
  return {
    driver: (ports) => modbus.create(config({ ...keys, serial: { path: cable.near, baud: 115_200 } }), ports),
    change, blank,
    die: () => cable.unplug(),
    stall: () => { fate = { answer: null }; },
    babble: () => { fate = { answer: Buffer.alloc(20, "?") }; },
    flood: () => askedMeanwhile(device),
    // A port that is still open could not be opened again: its lock is exclusive.
    get connections() { return 0; },
    get writes() { return device.writes; },
    async [Symbol.asyncDispose]() {
      await server.close();
      await closeSerial(far);
      await cable[Symbol.asyncDispose]();
    },
  };
}

describe("as every driver, over TCP", () => {
  driverConformance(tcpPeer, async (ports) => modbus.create(config({ ...plc().keys, host: "127.0.0.1", port: await freePort() }), ports), { polled: true });
});

describeNeeding(["socat"], "as every driver, on a serial line", () => {
  driverConformance(serialPeer, (ports) => Promise.resolve(modbus.create(config({ ...plc().keys, serial: { path: "/dev/serial/by-id/none" } }), ports)), { polled: true });
});
