/**
 * A broker that acknowledges everything and forgets it: a real Mosquitto with its persistence as it comes, killed while
 * the bridge is away. What the bridge then lacks is on no broker; the agent still has it, because an acknowledgement alone
 * frees nothing, and a `replay` from the bridge brings it back. The whole agent in this process, its buffer on disk.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { expect, it } from "vitest";
import { assemble } from "../../agent/assemble.ts";
import { runAgent } from "../../agent/runtime/agent.ts";
import { askAgent } from "../../agent/runtime/health/control.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import { sleep } from "../bench/support/waiting.ts";
import { scripted } from "../crash/feeds.ts";
import { startMosquitto } from "../support/broker.ts";
import { loadedFrom, NO_WINDOWS } from "../support/loaded.ts";
import { describeNeeding } from "../support/needs.ts";
import { testPorts } from "../support/ports.ts";

const WAIT_MS = 20_000;
const AGENT = "cellgate/v1/lyon/_agent/cell-7";

async function until(condition: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  for (const end = Date.now() + WAIT_MS; !(await condition()); await sleep(10)) if (Date.now() > end) throw new Error(`not within ${WAIT_MS} ms: ${what()}`);
}

interface Event {
  readonly id: string;
  readonly epoch: string;
  readonly seq: number;
  readonly prev: number;
  readonly replay?: boolean;
  readonly data: object;
}
interface Heartbeat {
  readonly destinations: readonly {
    readonly waiting: number; readonly acknowledged: number; readonly replaying: number; readonly lastDue: number; readonly confirmedThrough: number | null; readonly isConfirming: boolean;
    readonly downlinks: { readonly accepted: object; readonly refused: object; readonly lastRefusals: readonly string[] };
  }[];
  readonly buffer: { readonly epoch: string; readonly condition: { readonly state: string } };
}

/** A bridge with a session of its own at the broker, as bridges have: QoS 1, kept while it is away. */
class Bridge {
  readonly stored = new Map<number, Event>();
  heartbeat: Heartbeat | null = null;
  #client: MqttClient | null = null;
  readonly #port: number;
  constructor(port: number) {
    this.#port = port;
  }

  async arrive(): Promise<void> {
    const client = await connectAsync({ host: "127.0.0.1", port: this.#port, protocol: "mqtt", clientId: "bridge", clean: false, reconnectPeriod: 0 });
    client.on("error", () => undefined);
    client.on("message", (topic, payload) => {
      if (topic.includes("/rec/")) {
        const event = JSON.parse(payload.toString()) as Event;
        this.stored.set(event.seq, event);
      } else if (topic === AGENT) this.heartbeat = JSON.parse(payload.toString()) as Heartbeat;
    });
    this.#client = client;
    await client.subscribeAsync(["cellgate/v1/+/+/rec/+", AGENT], { qos: 1 });
  }
  async leave(): Promise<void> {
    await this.#client?.endAsync(true);
    this.#client = null;
  }
  async ask(kind: "confirm" | "replay" | "cmd", message: object): Promise<void> {
    await this.#client?.publishAsync(`${AGENT}/${kind}`, JSON.stringify(message), { qos: 1 });
  }
}

describeNeeding(["mosquitto"], "a broker that acknowledges and forgets", () => {
  it("is healed by a replay that the bridge asks for", { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "cellgate-heal-"));
    await using broker = await startMosquitto(["persistence true", "persistence_location {folder}/", "max_queued_messages 0"]);
    const { feed } = scripted();
    const simulation = await simulate(feed, { clock: systemClock(), speed: "all" });
    const loaded = loadedFrom(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations: [{name: erp, url: "mqtt://127.0.0.1:${broker.port}", ${NO_WINDOWS}}]
machines: [{id: VMC-3, sources: [{type: mtconnect, url: "${simulation.agent.url}", history: buffer, heartbeat: 200ms, time: source}]}]
`);
    const ports = testPorts();
    const parts = assemble({ ...loaded, agent: { ...loaded.agent, dataDir: folder } }, ports, "test");
    const bridge = new Bridge(broker.port);
    await bridge.arrive();
    await bridge.leave();
    const stopping = new AbortController();
    const running = runAgent(parts, stopping.signal);
    const status = async (): Promise<Heartbeat> => {
      const reply = await askAgent(folder, { verb: "status" }, ports.network, stopping.signal);
      if (reply?.ok !== true) throw new Error(`no status: ${JSON.stringify(reply)}`);
      return (reply.result as { readonly heartbeat: Heartbeat }).heartbeat;
    };
    try {
      const { core } = simulation.agent;
      await until(() => core.stats.parts > 0 && [...core.listeners].every(({ pending }) => pending === null), () => "the machine's history is read");
      await until(async () => {
        const { destinations: [erp] } = await status();
        return erp !== undefined && erp.waiting === 0 && erp.acknowledged > 100;
      }, () => `everything is acknowledged: ${JSON.stringify(ports.lines.slice(-3))}`);
      const due = (await status()).destinations[0]?.lastDue ?? 0;

      await broker.kill();
      await broker.start();
      await bridge.arrive();
      await until(() => bridge.heartbeat !== null, () => "the agent is back at the broker");
      expect(bridge.stored.size).toBe(0);

      const epoch = bridge.heartbeat?.buffer.epoch ?? "";
      await bridge.ask("replay", { destination: "erp", epoch: "of-another-file", from: 1, to: due });
      await bridge.ask("replay", { destination: "erp", epoch, from: 1, to: due });
      await until(() => bridge.stored.size >= due, () => `the bridge has ${bridge.stored.size} of ${due} rows`);
      expect([...bridge.stored.values()].filter(({ seq, replay }) => seq <= due && replay !== true)).toEqual([]);
      for (let seq = due; seq > 0; seq = bridge.stored.get(seq)?.prev ?? -1) expect(bridge.stored.has(seq)).toBe(true);
      const kept = parts.outbox.history(0, 10_000).filter(({ seq }) => seq <= due);
      expect(kept.map(({ id, rev }) => `${id}:${rev}`)).toEqual(kept.map(({ seq }) => bridge.stored.get(seq)?.id));

      await bridge.ask("confirm", { destination: "erp", epoch, through: due });
      await until(async () => (await status()).destinations[0]?.confirmedThrough === due, () => "the confirmation has come");
      expect((await status()).destinations[0]).toMatchObject({
        isConfirming: true, replaying: 0, waiting: 0,
        downlinks: { accepted: { confirm: 1, replay: 1, cmd: 0 }, refused: { confirm: 0, replay: 1, cmd: 0 }, lastRefusals: [expect.stringMatching(/^replay: /)] },
      });
      bridge.heartbeat = null;
      await bridge.ask("cmd", { verb: "heartbeat" });
      // One that was on its way already may come first.
      await until(() => bridge.heartbeat?.destinations[0]?.confirmedThrough === due, () => `the heartbeat it asked for: ${JSON.stringify(bridge.heartbeat)}`);
      expect(bridge.heartbeat).toMatchObject({ buffer: { condition: { state: "ok" } } });
    } finally {
      stopping.abort(new Error("the test is over"));
      await running;
      await bridge.leave();
      await simulation.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
