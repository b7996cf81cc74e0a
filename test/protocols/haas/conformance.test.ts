/** The Haas driver does what every driver must, against the simulated control. */
import { describe } from "vitest";
import { startHaasPort } from "../../../agent/simulate/haas/port.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { haas } from "../../../protocols/haas/driver.ts";
import { driverConformance, type DriverPeer } from "../../conformance/driver.ts";
import { tcpWay } from "../../conformance/tcp-peer.ts";
import { freePort } from "../../support/free-port.ts";
import { config, idleControl } from "./reading.ts";

const keys = (port: number) => config({ host: "127.0.0.1", port, dialect: "ngc", interval: "100ms", pause: "0ms", timeout: "2s", variables: [{ variable: 500, signal: "door", values: { 0: "OPEN", 1: "CLOSED" } }] });

async function peer(): Promise<DriverPeer> {
  const control = idleControl();
  control.setVariable(500, "1");
  const port = await startHaasPort(control, { clock: systemClock() });
  const way = await tcpWay(port.port);
  let count = 380;
  return {
    driver: (ports) => haas.create(keys(way.port), ports),
    change() {
      control.set({ part_count: String(++count) });
      return { signal: "part_count", value: count };
    },
    blank() {
      control.setVariable(500, "NaN");
      return "door";
    },
    die: () => way.die(), stall: () => { way.stall(); }, babble: () => { way.babble(); },
    async flood() {
      const before = control.questions;
      await way.untilFull();
      return { taken: control.questions - before, most: 1 };
    },
    get connections() { return way.connections; },
    get writes() { return control.writes; },
    async [Symbol.asyncDispose]() {
      await way[Symbol.asyncDispose]();
      await port.close();
    },
  };
}

describe("as every driver", () => {
  driverConformance(peer, async (ports) => haas.create(keys(await freePort()), ports), { polled: true });
});
