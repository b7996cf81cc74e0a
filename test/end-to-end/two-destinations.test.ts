/**
 * Two destinations of one agent, one of them away for most of the run: the other notices nothing, and the one that comes
 * back gets everything, in order, while what it shows is current at once. Real Mosquittos, the second behind a proxy.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { expect, it } from "vitest";
import { assemble } from "../../agent/assemble.ts";
import { runAgent } from "../../agent/runtime/agent.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import { sleep } from "../bench/support/waiting.ts";
import { Arrived } from "../crash/arrived.ts";
import { scripted } from "../crash/feeds.ts";
import { startMosquitto, subscribe, type Subscriber } from "../support/broker.ts";
import { loadedFrom, NO_WINDOWS } from "../support/loaded.ts";
import { describeNeeding } from "../support/needs.ts";
import { testPorts } from "../support/ports.ts";
import { startProxy, type Quality } from "../support/proxy.ts";

const WAIT_MS = 30_000;
const FASTER = 20;

async function until(condition: () => boolean, what: () => string): Promise<void> {
  for (const end = Date.now() + WAIT_MS; !condition(); await sleep(10)) if (Date.now() > end) throw new Error(`not within ${WAIT_MS} ms: ${what()}`);
}
const isRecord = (topic: string): boolean => topic.includes("/rec/");
async function publish(port: number, topic: string, message: string): Promise<void> {
  const client = await connectAsync({ host: "127.0.0.1", port, protocol: "mqtt", reconnectPeriod: 0, clientId: "asking" });
  await client.publishAsync(topic, message, { qos: 1 });
  await client.endAsync();
}
function arrivedAt({ received }: Subscriber): Arrived {
  const arrived = new Arrived();
  for (const { topic, text } of received) if (isRecord(topic)) arrived.take(text);
  return arrived;
}

describeNeeding(["mosquitto"], "two destinations", () => {
  it.each<Quality>([{ mutes: "both" }, { refuses: true }])("one that is away (%o) delays no record of the other, and gets everything when it is back", { timeout: 60_000 }, async (trouble) => {
    const folder = mkdtempSync(join(tmpdir(), "cellgate-two-"));
    const { feed } = scripted();
    const simulation = await simulate(feed, { clock: systemClock(), speed: (feed.steps.at(-1)?.atMs ?? 0) / 3_000, maxPauseMs: 60_000 });
    await using broker = await startMosquitto(["max_queued_messages 0"]);
    await using other = await startMosquitto(["max_queued_messages 0"]);
    await using away = await startProxy(other.port);
    away.set(trouble);
    await using bridge = await subscribe(broker.port);
    await using second = await subscribe(other.port);
    const loaded = loadedFrom(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations:
  - {name: bridge, url: "mqtt://127.0.0.1:${broker.port}", ${NO_WINDOWS}}
  - {name: second, url: "mqtt://127.0.0.1:${away.port}", drain_rate: 200/s, ${NO_WINDOWS}}
machines: [{id: VMC-3, sources: [{type: mtconnect, url: "${simulation.agent.url}", history: buffer, heartbeat: 200ms, time: source}]}]
`);
    const parts = assemble({ ...loaded, agent: { ...loaded.agent, dataDir: folder } }, testPorts(), "test");
    const stopping = new AbortController();
    // Deadlines of the destination that is away run faster; its drain does not matter here.
    const running = runAgent({ ...parts, destination: (settings, identity, own) => parts.destination(settings, identity, settings.name === "second" ? { ...own, network: systemClock(FASTER) } : own) }, stopping.signal);
    const backlog = (name: string) => parts.outbox.status().destinations.find((one) => one.name === name);
    try {
      await simulation.playback.finished;
      const { core } = simulation.agent;
      const parted = core.stats.parts;
      await until(() => core.stats.parts >= parted + 4 && [...core.listeners].every(({ pending }) => pending === null), () => "the agent has been told everything");
      await until(() => backlog("bridge")?.waiting === 0, () => `the first has everything: ${JSON.stringify(backlog("bridge"))}`);
      const { lastSeq } = parts.outbox.status();
      await until(() => arrivedAt(bridge).lastRow() === lastSeq, () => "the last row has arrived at the first");
      expect(arrivedAt(bridge)).toMatchObject({ faults: [], messages: lastSeq });
      expect(backlog("second")).toMatchObject({ waiting: lastSeq, acknowledged: 0 });
      expect(second.received.filter(({ topic }) => !topic.includes("/_agent/"))).toEqual([]);

      away.set({});
      away.cut();
      await until(() => second.received.some(({ topic }) => topic.endsWith("/live/state")), () => "the second shows current values");
      const shown = second.received.findIndex(({ topic }) => topic.endsWith("/live/state"));
      expect(second.received.slice(0, shown).filter(({ topic }) => isRecord(topic)).length).toBeLessThan(lastSeq / 2);
      await until(() => backlog("second")?.waiting === 0, () => `the second has everything: ${JSON.stringify(backlog("second"))}`);
      const all = parts.outbox.status().lastSeq;
      await until(() => arrivedAt(second).lastRow() >= all, () => "the last row has arrived at the second");
      expect(arrivedAt(second).faults).toEqual([]);
    } finally {
      stopping.abort(new Error("the test is over"));
      await running;
      await simulation.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("one with a filter gets a whole chain, and is promised nothing by a row that is not in it", { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "cellgate-filter-"));
    const { feed } = scripted();
    const simulation = await simulate(feed, { clock: systemClock(), speed: (feed.steps.at(-1)?.atMs ?? 0) / 3_000, maxPauseMs: 60_000 });
    await using broker = await startMosquitto(["max_queued_messages 0"]);
    await using bridge = await subscribe(broker.port);
    const loaded = loadedFrom(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations:
  - {name: all, url: "mqtt://127.0.0.1:${broker.port}", client_id: all, topic: "all/{site}/{machine}", ${NO_WINDOWS}}
  - {name: cycles, url: "mqtt://127.0.0.1:${broker.port}", client_id: cycles, topic: "cycles/{site}/{machine}", types: [cycle], ${NO_WINDOWS}}
machines: [{id: VMC-3, sources: [{type: mtconnect, url: "${simulation.agent.url}", history: buffer, heartbeat: 200ms, time: source}]}]
`);
    const parts = assemble({ ...loaded, agent: { ...loaded.agent, dataDir: folder } }, testPorts(), "test");
    const stopping = new AbortController();
    const running = runAgent(parts, stopping.signal);
    try {
      await simulation.playback.finished;
      const { core } = simulation.agent;
      const parted = core.stats.parts;
      await until(() => core.stats.parts >= parted + 4 && [...core.listeners].every(({ pending }) => pending === null), () => "the agent has been told everything");
      await until(() => parts.outbox.status().destinations.every(({ waiting }) => waiting === 0), () => "all is acknowledged");
      // A heartbeat after the last record, asked for as a bridge would.
      const count = bridge.received.length;
      await publish(broker.port, "cycles/lyon/_agent/cell-7/cmd", '{"verb":"heartbeat"}');
      await until(() => bridge.received.slice(count).some(({ topic }) => topic === "cycles/lyon/_agent/cell-7"), () => "the heartbeat");
    } finally {
      stopping.abort(new Error("the test is over"));
      await running;
      await simulation.close();
      rmSync(folder, { recursive: true, force: true });
    }
    const at = (name: string) => bridge.received.filter(({ topic }) => topic.startsWith(`${name}/`));
    const arrived = new Arrived();
    const rows = new Set<number>();
    const promised: number[] = [];
    for (const { topic, text } of at("cycles")) {
      if (isRecord(topic)) {
        arrived.take(text);
        rows.add((JSON.parse(text) as { readonly seq: number }).seq);
      } else if (topic.endsWith("/_agent/cell-7")) {
        const own = (JSON.parse(text) as { readonly completeThrough?: Readonly<Record<string, Readonly<Record<string, { readonly seq: number }>>>> }).completeThrough?.["cycles"] ?? {};
        arrived.heard(JSON.stringify({ completeThrough: { cycles: own } }));
        promised.push(...Object.values(own).map(({ seq }) => seq));
      }
    }
    expect([arrived.lastRow(), arrived.faults]).toEqual([Math.max(...rows), []]);
    expect(rows.size).toBeGreaterThan(20);
    expect(at("all").filter(({ topic }) => isRecord(topic)).length).toBeGreaterThan(2 * rows.size);
    // A row that is not its own may be named only while a later one of its own is on the way: its `prev` then tells.
    expect(promised.filter((seq) => seq !== 0 && !rows.has(seq) && seq > Math.max(...rows))).toEqual([]);
    expect(promised.at(-1)).toBe(Math.max(...rows));
  });
});
