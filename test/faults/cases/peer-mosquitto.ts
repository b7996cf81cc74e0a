/**
 * The same work for a peer: 5,000 messages while the remote broker is down, then up; and the same with a kill -9 in
 * between. The peer is a Mosquitto with a bridge to the remote, as it is by default but for a queue file; ours is the
 * whole agent with a backlog. What the peer delivers is told, not judged; ours must deliver all.
 */
import { connectAsync } from "mqtt";
import { startMosquitto } from "../../support/broker.ts";
import { freePort } from "../../support/free-port.ts";
import type { FaultCase, Run, Tally } from "../case.ts";
import { startBridge } from "../support/bridge.ts";
import { openShop, sleep } from "../support/shop.ts";

const MESSAGES = 5_000;
const BODY = JSON.stringify({ text: "x".repeat(280) });
const QUIET_MS = 2_000;

/** How many of them reach the remote broker. */
async function bridged(kill: boolean): Promise<number> {
  const remotePort = await freePort();
  await using remote = await startMosquitto([`listener ${remotePort} 127.0.0.1`, "max_queued_messages 0"]);
  await remote.kill();
  await using local = await startMosquitto([
    "persistence true", "persistence_location {folder}/", "connection remote", `address 127.0.0.1:${remotePort}`, "topic # out 1", "cleansession false", "restart_timeout 1 2",
  ]);
  const client = await connectAsync({ host: "127.0.0.1", port: local.port, protocol: "mqtt", reconnectPeriod: 0, clientId: "work" });
  client.on("error", () => undefined);
  await Promise.all(Array.from({ length: MESSAGES }, (_, index) => client.publishAsync(`work/${index}`, BODY, { qos: 1 })));
  await client.endAsync(true);
  if (kill) {
    await local.kill();
    await local.start();
  }
  await remote.start();
  const got = new Set<string>();
  const listener = await connectAsync({ host: "127.0.0.1", port: remotePort, protocol: "mqtt", reconnectPeriod: 0, clientId: "listener" });
  let newestMs = performance.now();
  listener.on("message", (topic) => {
    got.add(topic);
    newestMs = performance.now();
  });
  await listener.subscribeAsync("work/#", { qos: 1 });
  // The bridge connects again within 2 s, and then delivers at once.
  for (const end = performance.now() + 20_000; performance.now() < end && (got.size === 0 || performance.now() - newestMs < QUIET_MS);) await sleep(100);
  await listener.endAsync(true);
  return got.size;
}

async function ours(run: Run): Promise<Tally> {
  await using bridge = await startBridge(run.folder, "bridge");
  bridge.behave({ connack: "close" });
  await using shop = await openShop(run, { ways: [bridge], plays: "backlog" });
  shop.start();
  await shop.told(60_000);
  await shop.kill("SIGKILL");
  shop.start();
  bridge.behave({});
  return await shop.settle({ faults: 2, exact: false, bridges: [bridge], withinMs: 240_000 });
}

export const peerMosquitto: FaultCase = {
  name: "peer-mosquitto",
  what: `${MESSAGES} messages with the remote broker down: a Mosquitto bridge, and ours beside it with more`,
  needs: ["mosquitto"],
  runs: { short: 1, long: 1 },
  longestMs: 330_000,
  async run(run) {
    const [kept, afterKill] = [await bridged(false), await bridged(true)];
    const tally = await ours(run);
    return { ...tally, note: `Mosquitto delivered ${kept} of ${MESSAGES}, after a kill ${afterKill}; ours ${tally.messages - tally.repeats}, all of them, after a kill` };
  },
};
