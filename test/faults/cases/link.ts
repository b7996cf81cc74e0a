/**
 * The whole agent over a poor link: 64 kbit/s with one piece in ten lost; a link that is silent one way and then the
 * other, longer than the agent waits for an answer; and one that is cut again and again.
 */
import { startProxy } from "../../support/proxy.ts";
import type { FaultCase } from "../case.ts";
import { startBridge } from "../support/bridge.ts";
import { openShop, sleep } from "../support/shop.ts";

const BYTES_PER_SECOND = 8_000;
const LOSS = 0.1;
const SETTLES_MS = 150_000;

export const linkPoor: FaultCase = {
  name: "link-poor",
  what: "the whole agent over 64 kbit/s with 10 % loss, a tenth of a shift",
  runs: { short: 1, long: 6 },
  longestMs: 240_000,
  async run(run) {
    await using bridge = await startBridge(run.folder, "bridge");
    await using link = await startProxy(bridge.port);
    link.set({ bytesPerSecond: BYTES_PER_SECOND, loses: () => run.random() < LOSS });
    await using shop = await openShop(run, { ways: [{ name: "bridge", port: link.port }], plays: 4_000, share: 0.1 });
    shop.start();
    return await shop.settle({ faults: 1, exact: true, bridges: [bridge], withinMs: SETTLES_MS });
  },
};

export const linkOneWay: FaultCase = {
  name: "link-one-way",
  what: "the whole agent, its link silent one way and then the other, longer than the agent waits",
  runs: { short: 1, long: 6 },
  longestMs: 240_000,
  async run(run) {
    await using bridge = await startBridge(run.folder, "bridge");
    await using link = await startProxy(bridge.port);
    await using shop = await openShop(run, { ways: [{ name: "bridge", port: link.port }], plays: 20_000 });
    shop.start();
    const first = run.random() < 0.5 ? "there" : "back";
    for (const mutes of [first, first === "there" ? "back" : "there"] as const) {
      await sleep(1_500 + run.random() * 1_000);
      link.set({ mutes });
      await sleep(11_000 + run.random() * 2_000);
      link.set({});
    }
    const tally = await shop.settle({ faults: 2, exact: true, bridges: [bridge], withinMs: SETTLES_MS });
    return { ...tally, violations: [...tally.violations, ...(link.accepted > 1 ? [] : ["the agent never noticed that its link was dead"])] };
  },
};

/** A third within a minute, and the agent would think that another client uses its name, and stay away for minutes. */
const CUTS = 2;
export const linkCuts: FaultCase = {
  name: "link-cuts",
  what: `the whole agent, its link reset ${CUTS} times at random points`,
  runs: { short: 2, long: 30 },
  longestMs: 240_000,
  async run(run) {
    await using bridge = await startBridge(run.folder, "bridge");
    await using link = await startProxy(bridge.port);
    await using shop = await openShop(run, { ways: [{ name: "bridge", port: link.port }], plays: 5_000 });
    shop.start();
    for (let cut = 0; cut < CUTS; cut++) {
      const before = link.accepted;
      // A cut while nothing is connected would show nothing.
      for (let looks = 0; link.accepted === before && cut > 0 && looks < 300; looks++) await sleep(50);
      await sleep(100 + run.random() * 700);
      link.cut();
    }
    return await shop.settle({ faults: CUTS, exact: true, bridges: [bridge], withinMs: SETTLES_MS });
  },
};
