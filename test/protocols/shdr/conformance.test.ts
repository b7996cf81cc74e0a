/** The SHDR driver does what every driver must, against the simulated adapter. */
import { describe } from "vitest";
import { startShdrAdapter } from "../../../agent/simulate/shdr/adapter.ts";
import { shdr } from "../../../protocols/shdr/driver.ts";
import { driverConformance, type DriverPeer } from "../../conformance/driver.ts";
import { tcpWay } from "../../conformance/tcp-peer.ts";
import { freePort } from "../../support/free-port.ts";
import { config, MAP } from "./reading.ts";

const keys = (port: number) => config({ host: "127.0.0.1", port, map: MAP, timeout: "5s", patience: "10s" });

async function peer(): Promise<DriverPeer> {
  const adapter = await startShdrAdapter({ heartbeatMs: 1_000 });
  const way = await tcpWay(adapter.port);
  let count = 0;
  const say = (text: string): void => { adapter.say(new Date().toISOString(), [{ key: text.split("|")[0] ?? "", text }]); };
  say("execution|READY");
  say("part_count|0");
  return {
    driver: (ports) => shdr.create(keys(way.port), ports),
    change() {
      say(`part_count|${++count}`);
      return { signal: "part_count", value: count };
    },
    blank() {
      say("execution|UNAVAILABLE");
      return "execution";
    },
    die: () => way.die(), stall: () => { way.stall(); }, babble: () => { way.babble(); },
    async flood() {
      for (let turn = 0; turn < 1_500; turn++) say(`program|O${turn}${"x".repeat(20_000)}`);
      return { taken: await way.untilFull(), most: 20_000_000 };
    },
    get connections() { return way.connections; },
    get writes() { return adapter.writes; },
    async [Symbol.asyncDispose]() {
      await way[Symbol.asyncDispose]();
      await adapter.close();
    },
  };
}

describe("as every driver", () => {
  driverConformance(peer, async (ports) => shdr.create(keys(await freePort()), ports), { polled: false });
});
