/** The MTConnect driver does what every driver must, against a small agent of our own. */
import { describe } from "vitest";
import { driverConformance, type DriverPeer } from "../../conformance/driver.ts";
import { tcpWay } from "../../conformance/tcp-peer.ts";
import { freePort } from "../../support/free-port.ts";
import { mtconnect } from "../../../protocols/mtconnect/driver.ts";
import { config } from "./reading.ts";
import { BASE, TinyAgent } from "./tiny-agent.ts";

async function peer(): Promise<DriverPeer> {
  const agent = new TinyAgent({ ring: 1_000_000 });
  await agent.listen();
  const way = await tcpWay(agent.port);
  let count = 0;
  const add = (id: string, value: string): void => { agent.add({ id, value, at: BASE + ++count }); };
  add("exec", "READY");
  add("count", "0");
  return {
    driver: (ports) => mtconnect.create(config({ url: `http://127.0.0.1:${way.port}`, timeout: "5s", heartbeat: "1s" }), ports),
    change() {
      add("count", String(count));
      return { signal: "part_count", value: count - 1 };
    },
    blank() {
      add("exec", "UNAVAILABLE");
      return "execution";
    },
    die: way.die, stall: way.stall, babble: way.babble,
    async flood() {
      for (let turn = 0; turn < 1_500; turn++) add("prog", `O${turn}${"x".repeat(20_000)}`);
      return { taken: await way.untilFull(), most: 20_000_000 };
    },
    get connections() { return way.connections; },
    get writes() { return [...agent.methods].filter((method) => method !== "GET").length; },
    async [Symbol.asyncDispose]() {
      await way[Symbol.asyncDispose]();
      await agent[Symbol.asyncDispose]();
    },
  };
}

describe("as every driver", () => {
  driverConformance(peer, async (ports) => mtconnect.create(config({ url: `http://127.0.0.1:${await freePort()}`, timeout: "5s" }), ports), { polled: false });
});
