/**
 * A broker that dies, comes back, or falls silent while a machine works: nothing is lost, what comes twice is the same,
 * and what is shown is current again. The whole agent in this process, a real Mosquitto behind a proxy, and a subscriber
 * of its own at the broker. Only the destination's deadlines run faster, so that a silent broker is noticed in half a second.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { assemble } from "../../agent/assemble.ts";
import { runAgent } from "../../agent/runtime/agent.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import { sleep } from "../bench/support/waiting.ts";
import { Arrived } from "../crash/arrived.ts";
import { scripted } from "../crash/feeds.ts";
import { startMosquitto, subscribe, type Mosquitto, type Subscriber } from "../support/broker.ts";
import { loadedFrom, NO_WINDOWS } from "../support/loaded.ts";
import { describeNeeding } from "../support/needs.ts";
import { testPorts } from "../support/ports.ts";
import { startProxy, type Proxy } from "../support/proxy.ts";

const FASTER = 20;
/** The eight hours of the scripted shift in so many seconds. */
const LASTS_S = 5;
const WAIT_MS = 30_000;
const isRecord = (topic: string): boolean => topic.includes("/rec/");

interface Stage {
  readonly broker: Mosquitto;
  readonly proxy: Proxy;
  /** The subscribers there have been, in order. */
  readonly subscribers: Subscriber[];
  records(): number;
  link(): string;
  until(condition: () => boolean, what: string): Promise<void>;
  /** The shift is over, and every row of the buffer was acknowledged: what arrived, and the number of the last row. */
  finished(): Promise<{ readonly arrived: Arrived; readonly lastSeq: number }>;
  live(name: string): Promise<unknown>;
}

async function during(trouble: (stage: Stage) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "cellgate-broker-"));
  const { feed } = scripted();
  const simulation = await simulate(feed, { clock: systemClock(), speed: (feed.steps.at(-1)?.atMs ?? 0) / (LASTS_S * 1_000), maxPauseMs: 60_000 });
  await using broker = await startMosquitto(["max_queued_messages 0"]);
  await using proxy = await startProxy(broker.port);
  const subscribers = [await subscribe(broker.port)];
  const loaded = loadedFrom(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:${proxy.port}", ${NO_WINDOWS}}]
machines: [{id: VMC-3, sources: [{type: mtconnect, url: "${simulation.agent.url}", history: buffer, heartbeat: 200ms, time: source}]}]
`);
  const ports = testPorts();
  const stopping = new AbortController();
  const parts = assemble({ ...loaded, agent: { ...loaded.agent, dataDir: folder } }, ports, "test");
  const running = runAgent({ ...parts, destination: (settings, identity, own) => parts.destination(settings, identity, { ...own, network: systemClock(FASTER) }) }, stopping.signal);
  const messages = (): { readonly topic: string; readonly text: string }[] => subscribers.flatMap(({ received }) => received);
  const stage: Stage = {
    broker, proxy, subscribers,
    records: () => messages().filter(({ topic }) => isRecord(topic)).length,
    link: () => JSON.stringify(parts.outbox.status().destinations),
    async until(condition, what) {
      for (const end = Date.now() + WAIT_MS; !condition(); await sleep(10)) if (Date.now() > end) throw new Error(`not within ${WAIT_MS} ms: ${what}; ${stage.link()}; log: ${JSON.stringify(ports.lines.slice(-5))}`);
    },
    async finished() {
      await simulation.playback.finished;
      const { core } = simulation.agent;
      const parted = core.stats.parts;
      await stage.until(() => core.stats.parts >= parted + 4 && [...core.listeners].every(({ pending }) => pending === null), "the agent has been told everything");
      await stage.until(() => parts.outbox.status().destinations.every(({ waiting }) => waiting === 0) && parts.outbox.status().syncedSeq === parts.outbox.status().lastSeq, "everything is acknowledged");
      const { lastSeq } = parts.outbox.status();
      await stage.until(() => messages().some(({ topic, text }) => isRecord(topic) && (JSON.parse(text) as { readonly seq: number }).seq === lastSeq), "the last row has arrived");
      const arrived = new Arrived();
      for (const { topic, text } of messages()) if (isRecord(topic)) arrived.take(text);
      return { arrived, lastSeq };
    },
    async live(name) {
      await using late = await subscribe(broker.port, `cellgate/v1/+/+/live/${name}`);
      await late.until(({ length }) => length > 0);
      return (JSON.parse(late.received.at(-1)?.text ?? "{}") as { readonly value?: unknown }).value;
    },
  };
  try {
    await trouble(stage);
  } finally {
    stopping.abort(new Error("the test is over"));
    await running;
    for (const one of subscribers) await one[Symbol.asyncDispose]();
    await simulation.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Chain, bodies and order are judged by `Arrived`; what is shown is what the last record says. */
async function whole(stage: Stage): Promise<{ readonly faults: readonly string[]; readonly missing: number; readonly shown: unknown; readonly repeats: number }> {
  const { arrived, lastSeq } = await stage.finished();
  const last = arrived.lastRow();
  const open = [...arrived.records.values()].map(({ data }) => JSON.parse(data) as { readonly schema: string; readonly status: string; readonly state?: string }).filter(({ schema, status }) => schema === "state/1" && status === "open");
  const shown = await stage.live("state");
  return { faults: [...arrived.faults, ...(open.length === 1 && open[0]?.state === shown ? [] : [`shown is ${String(shown)}, open are ${JSON.stringify(open)}`])], missing: lastSeq - last, shown, repeats: arrived.messages - lastSeq };
}

describeNeeding(["mosquitto"], "while a machine works, the broker", () => {
  it("is killed and started again, three times: nothing is lost, and what is shown is current", { timeout: 60_000 }, async () => {
    await during(async (stage) => {
      for (let kill = 1; kill <= 3; kill += 1) {
        const before = stage.records();
        await stage.until(() => stage.records() > before + 40, "records arrive");
        await stage.broker.kill();
        // Until somebody is subscribed again: a broker keeps nothing for nobody.
        stage.proxy.set({ refuses: true });
        await stage.broker.start();
        stage.subscribers.push(await subscribe(stage.broker.port));
        stage.proxy.set({});
      }
      expect(await whole(stage)).toMatchObject({ faults: [], missing: 0, shown: "READY" });
    });
  });

  it("falls silent with the connection open: noticed, nothing is lost, and repeats are the same", { timeout: 60_000 }, async () => {
    await during(async (stage) => {
      for (let hole = 1; hole <= 2; hole += 1) {
        const before = stage.records();
        await stage.until(() => stage.records() > before + 40, "records arrive");
        const { accepted } = stage.proxy;
        stage.proxy.set({ mutes: "both" });
        await stage.until(() => stage.proxy.accepted > accepted, "the agent gives the connection up and tries another");
        stage.proxy.set({});
        stage.proxy.cut();
      }
      expect(await whole(stage)).toMatchObject({ faults: [], missing: 0, shown: "READY" });
    });
  });

  it("takes everything and acknowledges nothing: all comes again under the same ids, with the same bodies", { timeout: 60_000 }, async () => {
    await during(async (stage) => {
      await stage.until(() => stage.records() > 40, "records arrive");
      const { accepted } = stage.proxy;
      stage.proxy.set({ mutes: "back" });
      await stage.until(() => stage.proxy.accepted > accepted, "the agent gives the connection up and tries another");
      stage.proxy.set({});
      stage.proxy.cut();
      const { repeats, ...found } = await whole(stage);
      expect(found).toMatchObject({ faults: [], missing: 0, shown: "READY" });
      expect(repeats).toBeGreaterThan(0);
    });
  });
});
