/**
 * Whoever may publish at the broker may send us anything: thousands of messages on the topics we listen to, huge, deep,
 * of other shapes and with other verbs, while a machine works. Nothing of it delays or costs a record; each is refused and
 * counted. The whole agent in this process, a real Mosquitto, a stranger beside the bridge.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { expect, it } from "vitest";
import { assemble } from "../../agent/assemble.ts";
import { runAgent } from "../../agent/runtime/agent.ts";
import { askAgent } from "../../agent/runtime/health/control.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import type { DownlinkStatus } from "../../agent/runtime/link/downlinks.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import { sleep } from "../bench/support/waiting.ts";
import { Arrived } from "../crash/arrived.ts";
import { scripted } from "../crash/feeds.ts";
import { startMosquitto, subscribe } from "../support/broker.ts";
import { loadedFrom, NO_WINDOWS } from "../support/loaded.ts";
import { describeNeeding } from "../support/needs.ts";
import { testPorts } from "../support/ports.ts";

const AGENT = "cellgate/v1/lyon/_agent/cell-7";
const MESSAGES = 6_000;
const A_TURN = 20;
const WAIT_MS = 30_000;
const HOSTILE: readonly (string | Buffer)[] = [
  "", "null", "[]", "\u0000\u0007\u001b[31m", Buffer.from([0xff, 0xfe, 0x7b]), "[".repeat(16_000), `{"a":${"{\"a\":".repeat(3_000)}1${"}".repeat(3_000)}}`, "x".repeat(200_000),
  '{"__proto__":{"destination":"erp"},"epoch":"e","through":1}', '{"constructor":{"prototype":{"polluted":1}}}', '{"verb":"update","url":"http://192.0.2.1/x"}', '{"verb":"__proto__"}',
  '{"destination":"erp","epoch":"another","through":9007199254740991}', '{"destination":"../../etc","epoch":"e","through":1}', '{"epoch":"e","from":1,"to":1e308}', `{"epoch":"${"e".repeat(15_000)}","from":1,"to":2}`,
  `{${Array.from({ length: 1_500 }, (_, at) => `"k${at}":1`).join(",")}}`,
];

describeNeeding(["mosquitto"], "hostile messages from the broker", () => {
  it("are refused and counted, a thousand a second, and no record is late, lost or out of order for it", { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "cellgate-hostile-"));
    const { feed } = scripted();
    const simulation = await simulate(feed, { clock: systemClock(), speed: (feed.steps.at(-1)?.atMs ?? 0) / 5_000, maxPauseMs: 60_000 });
    await using broker = await startMosquitto(["max_queued_messages 0"]);
    await using subscriber = await subscribe(broker.port, "cellgate/v1/+/+/rec/+");
    const loaded = loadedFrom(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations: [{name: erp, url: "mqtt://127.0.0.1:${broker.port}", ${NO_WINDOWS}}]
machines: [{id: VMC-3, sources: [{type: mtconnect, url: "${simulation.agent.url}", history: buffer, heartbeat: 200ms, time: source}]}]
`);
    const ports = testPorts();
    const parts = assemble({ ...loaded, agent: { ...loaded.agent, dataDir: folder } }, ports, "test");
    const stopping = new AbortController();
    const running = runAgent(parts, stopping.signal);
    const until = async (condition: () => boolean, what: () => string): Promise<void> => {
      for (const end = Date.now() + WAIT_MS; !condition(); await sleep(10)) if (Date.now() > end) throw new Error(`not within ${WAIT_MS} ms: ${what()}`);
    };
    try {
      await until(() => subscriber.received.length > 20, () => "records arrive");
      const stranger = await connectAsync({ host: "127.0.0.1", port: broker.port, protocol: "mqtt", clientId: "stranger", reconnectPeriod: 0 });
      for (let sent = 0; sent < MESSAGES; sent += A_TURN) {
        for (let nth = 0; nth < A_TURN; nth++) stranger.publish(`${AGENT}/${["confirm", "replay", "cmd"][nth % 3] ?? "cmd"}`, HOSTILE[(sent + nth) % HOSTILE.length] ?? "", { qos: 0 });
        await sleep(A_TURN);
      }
      await stranger.endAsync();
      await simulation.playback.finished;
      const { core } = simulation.agent;
      const parted = core.stats.parts;
      await until(() => core.stats.parts >= parted + 4 && [...core.listeners].every(({ pending }) => pending === null), () => "the agent has been told everything");
      await until(() => parts.outbox.status().destinations[0]?.waiting === 0, () => "everything is acknowledged");
      const { lastSeq } = parts.outbox.status();
      const arrived = (): Arrived => {
        const found = new Arrived();
        for (const { text } of subscriber.received) found.take(text);
        return found;
      };
      await until(() => arrived().lastRow() === lastSeq, () => "the last row has arrived");
      expect(arrived()).toMatchObject({ faults: [], messages: lastSeq });

      const reply = await askAgent(folder, { verb: "status" }, ports.network, stopping.signal);
      const { downlinks } = (reply?.ok === true ? (reply.result as { readonly heartbeat: { readonly destinations: readonly [{ readonly downlinks: DownlinkStatus }] } }) : { heartbeat: { destinations: [{ downlinks: undefined }] } }).heartbeat.destinations[0];
      expect(downlinks?.accepted).toEqual({ confirm: 0, replay: 0, cmd: 0 });
      for (const count of Object.values(downlinks?.refused ?? {})) expect(count).toBeGreaterThan(0);
      for (const reason of downlinks?.lastRefusals ?? []) expect(reason).toMatch(/^[^\p{C}]{1,200}$/u);
      expect(({} as { readonly polluted?: number }).polluted).toBeUndefined();
      expect(ports.lines.filter(({ fields }) => fields["destination"] === "erp").length).toBeLessThan(30);
    } finally {
      stopping.abort(new Error("the test is over"));
      await running;
      await simulation.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
