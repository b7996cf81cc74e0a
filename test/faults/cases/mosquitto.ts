/** A real Mosquitto, killed (-9) and started again, and stopped in its tracks for longer than the agent waits. */
import type { FaultCase } from "../case.ts";
import { startMosquitto } from "../../support/broker.ts";
import { startProxy } from "../../support/proxy.ts";
import { listenAt, type Listener } from "../support/mosquitto.ts";
import { openShop, sleep } from "../support/shop.ts";

const LINES = ["max_inflight_messages 1000", "max_queued_messages 0", "set_tcp_nodelay true"];
const SETTLES_MS = 150_000;
/** A third within a minute, and the agent would think that another client uses its name, and stay away for minutes. */
const KILLS = 2;

export const mosquittoKilled: FaultCase = {
  name: "mosquitto-killed",
  what: `the whole agent before a Mosquitto that is killed (-9) ${KILLS} times`,
  needs: ["mosquitto"],
  runs: { short: 1, long: 20 },
  longestMs: 240_000,
  async run(run) {
    await using broker = await startMosquitto(LINES);
    await using link = await startProxy(broker.port);
    let listener: Listener = await listenAt(broker.port, run.folder, "bridge");
    await using shop = await openShop(run, { ways: [{ name: "bridge", port: link.port }], plays: 7_000 });
    shop.start();
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(800 + run.random() * 1_500);
      await broker.kill();
      // The subscriber must be there before the agent: its subscription died with the broker.
      link.set({ refuses: true });
      await listener[Symbol.asyncDispose]();
      await broker.start();
      listener = await listenAt(broker.port, run.folder, "bridge");
      link.set({});
    }
    try {
      return await shop.settle({ faults: KILLS, exact: true, bridges: [listener], withinMs: SETTLES_MS });
    } finally {
      await listener[Symbol.asyncDispose]();
    }
  },
};

export const mosquittoFrozen: FaultCase = {
  name: "mosquitto-frozen",
  what: "the whole agent before a Mosquitto that is stopped (SIGSTOP) for a moment, and for longer than the agent waits",
  needs: ["mosquitto"],
  runs: { short: 1, long: 6 },
  longestMs: 240_000,
  async run(run) {
    await using broker = await startMosquitto(LINES);
    await using listener = await listenAt(broker.port, run.folder, "bridge");
    await using shop = await openShop(run, { ways: [{ name: "bridge", port: broker.port }], plays: 18_000 });
    shop.start();
    for (const ms of [2_000 + run.random() * 3_000, 13_000 + run.random() * 3_000]) {
      await sleep(1_000 + run.random() * 1_000);
      broker.freeze(true);
      await sleep(ms);
      broker.freeze(false);
    }
    return await shop.settle({ faults: 2, exact: true, bridges: [listener], withinMs: SETTLES_MS });
  },
};
