/** The FOCAS driver does what every driver must, against a simulated control behind a proxy that misbehaves. */
import { setImmediate as turn } from "node:timers/promises";
import { describe } from "vitest";
import { focas } from "../../../protocols/focas/driver.ts";
import { driverConformance, type DriverPeer } from "../../conformance/driver.ts";
import { tcpWay } from "../../conformance/tcp-peer.ts";
import { freePort } from "../../support/free-port.ts";
import { config, control } from "./reading.ts";

async function peer(): Promise<DriverPeer> {
  const server = await control();
  const way = await tcpWay(server.port);
  const { first } = server.control;
  let count = 0;
  return {
    driver: (ports) => focas.create(config({ port: way.port }), ports),
    change() {
      first.parameters.set(6711, ++count);
      return { signal: "part_count", value: count };
    },
    blank() {
      server.refuse.set(0x8d, 5);
      return "part_count";
    },
    die: way.die, stall: way.stall, babble: way.babble,
    async flood() {
      const before = server.stats.asked;
      for (let waited = 0; waited < 300; waited++) await turn();
      return { taken: server.stats.asked - before, most: 1 };
    },
    get connections() { return way.connections; },
    get writes() { return server.stats.writes; },
    async [Symbol.asyncDispose]() {
      await way[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe("as every driver", () => {
  driverConformance(peer, async (ports) => focas.create(config({ port: await freePort(), timeout: "5s" }), ports), { polled: true });
});
