/**
 * The built agent at one Mosquitto through every kind of address at once: what bundling leaves out or puts Node's own in
 * place of (deploy/bundle.ts) shows here. TCP, TLS and both WebSockets, MQTT 5 and 3.1.1, Sparkplug, a broker that is
 * killed, and what the bridge asks for.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import { authority, certificate } from "../buffer/mqtt/certificates.ts";
import { startHost } from "../buffer/mqtt/sparkplug/host.ts";
import { scripted } from "../crash/feeds.ts";
import { startMosquitto, subscribe } from "../support/broker.ts";
import { builtBundle, runBundle } from "../support/bundle.ts";
import { freePort } from "../support/free-port.ts";
import { NO_WINDOWS } from "../support/loaded.ts";
import { describeNeeding } from "../support/needs.ts";

interface Event {
  readonly seq: number;
  readonly prev: number;
  readonly replay?: boolean;
}
interface Heartbeat {
  readonly buffer: { readonly epoch: string };
  readonly destinations: readonly { readonly name: string; readonly link: { readonly state: string; readonly peer?: string }; readonly waiting: number; readonly lastDue: number; readonly confirmedThrough: number | null }[];
}
const SHIFT_MS = 4_000;
const ENOUGH = 60;
const WAIT_MS = 20_000;

describeNeeding(["mosquitto", "openssl"], "the built agent", () => {
  it("delivers, comes back and is asked over mqtt, mqtts, ws and wss", { timeout: 90_000 }, async () => {
    const [tls, web, webTls] = [await freePort(), await freePort(), await freePort()];
    const own = ["cafile {folder}/ca.pem", "certfile {folder}/broker.pem", "keyfile {folder}/broker.key", "require_certificate true"];
    await using broker = await startMosquitto(["max_queued_messages 1000000", `listener ${tls} 127.0.0.1`, ...own, `listener ${web} 127.0.0.1`, "protocol websockets", `listener ${webTls} 127.0.0.1`, "protocol websockets", ...own], async (folder) => {
      await authority(folder, "ca");
      await certificate(folder, "broker", "IP:127.0.0.1");
      await certificate(folder, "cell-7", "DNS:cell-7");
    });
    const certificates = `tls: {ca: ${broker.folder}/ca.pem, cert: ${broker.folder}/cell-7.pem, key: ${broker.folder}/cell-7.key}`;
    const destinations = Object.entries({
      tcp: `url: "mqtt://127.0.0.1:${broker.port}", protocol: "5", sparkplug: {group: Plant1}`,
      tls: `url: "mqtts://127.0.0.1:${tls}", protocol: "3.1.1", ${certificates}`,
      web: `url: "ws://127.0.0.1:${web}/mqtt", protocol: "3.1.1"`,
      webtls: `url: "wss://127.0.0.1:${webTls}/mqtt", protocol: "5", ${certificates}`,
    });
    const names = destinations.map(([name]) => name);
    const { feed } = scripted();
    const simulation = await simulate({ ...feed, steps: feed.steps.map(({ atMs, observations }) => ({ atMs, observations })) }, { clock: systemClock(), speed: (feed.steps.at(-1)?.atMs ?? 0) / SHIFT_MS, maxPauseMs: Infinity });
    const config = join(broker.folder, "cellgate.yaml");
    await writeFile(config, `
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test, data_dir: ${broker.folder}/data}
destinations:
${destinations.map(([name, keys]) => `  - {name: ${name}, client_id: ${name}, topic: "${name}/{machine}", ${NO_WINDOWS}, ${keys}}`).join("\n")}
machines: [{id: VMC-3, sources: [{type: mtconnect, url: "${simulation.agent.url}", history: buffer, heartbeat: 200ms, time: source}]}]
`);
    try {
      await using host = await startHost(broker.port);
      await using before = await subscribe(broker.port, "+/+/rec/+");
      await using agent = runBundle(await builtBundle(), ["run", "--config", config], { STATE_DIRECTORY: broker.folder });
      const said = (cause: unknown): never => { throw new Error(`${String(cause)}\n${agent.out()}${agent.err()}`, { cause }); };
      await before.until((received) => names.every((name) => received.filter(({ topic }) => topic.startsWith(`${name}/`)).length > ENOUGH), WAIT_MS).catch(said);
      await host.until(() => host.of("DBIRTH").length > 0, "the machine is born", WAIT_MS);
      expect(host.seen.slice(0, 2).map(({ type, seq }) => [type, seq])).toEqual([["NBIRTH", 0], ["DBIRTH", 1]]);
      await broker.kill();
      await broker.start();

      await using bridge = await subscribe(broker.port, "#");
      const heartbeat = (): Heartbeat | undefined => bridge.received.filter(({ topic }) => topic.startsWith("tcp/_agent/") && topic.split("/").length === 3).map(({ text }) => JSON.parse(text) as Heartbeat).at(-1);
      const until = async (condition: (destination: Heartbeat["destinations"][number]) => boolean): Promise<Heartbeat> => {
        for (const end = Date.now() + WAIT_MS; ;) {
          await bridge.publish("tcp/_agent/cell-7/cmd", '{"verb":"heartbeat"}');
          await new Promise((resolve) => setTimeout(resolve, 200));
          const now = heartbeat();
          if (now?.destinations.length === names.length && now.destinations.every(condition)) return now;
          if (Date.now() > end) said(JSON.stringify(now));
        }
      };
      await simulation.playback.finished;
      const { buffer: { epoch }, destinations: settled } = await until(({ link, waiting, lastDue }) => link.state === "up" && waiting === 0 && lastDue > ENOUGH);
      expect(settled.map(({ link: { peer } }) => peer?.replace(/,? whose.*/, ""))).toEqual([
        `broker at mqtt://127.0.0.1:${broker.port}, MQTT 5`, `broker at mqtts://127.0.0.1:${tls}, MQTT 3.1.1`, `broker at ws://127.0.0.1:${web}/mqtt, MQTT 3.1.1`, `broker at wss://127.0.0.1:${webTls}/mqtt, MQTT 5`,
      ]);
      for (const { name, lastDue } of settled) await bridge.publish(`${name}/_agent/cell-7/replay`, JSON.stringify({ destination: name, epoch, from: 1, to: lastDue }));
      for (const { name, lastDue } of settled) await bridge.publish(`${name}/_agent/cell-7/confirm`, JSON.stringify({ destination: name, epoch, through: lastDue }));
      await until(({ name, confirmedThrough, waiting }) => waiting === 0 && confirmedThrough === settled.find((one) => one.name === name)?.lastDue);
      for (const { name, lastDue } of settled) {
        const again = new Map(bridge.received.filter(({ topic }) => topic.startsWith(`${name}/`) && topic.includes("/rec/")).map(({ text }) => JSON.parse(text) as Event).filter(({ replay }) => replay === true).map((event) => [event.seq, event]));
        for (let seq = lastDue; seq > 0; seq = again.get(seq)?.prev ?? 0) expect(again.has(seq), `${name} ${seq}`).toBe(true);
      }
      expect(await agent.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    } finally {
      await simulation.close();
    }
  });
});
