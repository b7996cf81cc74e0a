/**
 * The whole built agent as a process, a simulated machine, a real Mosquitto and a Sparkplug host: birth, data, the machine's
 * death, the agent's own when it is killed (-9) and when it is stopped, with the records arriving all the while.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../../../agent/runtime/time/clock.ts";
import { startMTConnectAgent } from "../../../../agent/simulate/mtconnect/agent.ts";
import { shiftModel } from "../../../../agent/simulate/mtconnect/feeds/shift.ts";
import { startMosquitto, subscribe } from "../../../support/broker.ts";
import { builtBundle, runBundle } from "../../../support/bundle.ts";
import { describeNeeding } from "../../../support/needs.ts";
import { startHost } from "./host.ts";

const IDLE = { avail: "AVAILABLE", estop: "ARMED", power: "ON", mode: "AUTOMATIC", exec: "READY", prog: "O1001", pcount: 10, syscond: "NORMAL", logic: "NORMAL", motion: "NORMAL" };

describeNeeding(["mosquitto"], "the agent as a Sparkplug edge node", () => {
  test("birth, data and every death, from the machine to the host", async () => {
    const folder = await mkdtemp(join(tmpdir(), "cellgate-sparkplug-"));
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using ledger = await subscribe(broker.port, "cellgate/#", 5);
    const machine = await startMTConnectAgent({ model: shiftModel("VMC-3"), clock: systemClock(), instanceId: "1" });
    const says = (values: Readonly<Record<string, string | number>>): void => machine.push(Object.entries(values).map(([item, value]) => ({ item, at: Date.now(), value: String(value) })));
    const config = join(folder, "cellgate.yaml");
    await writeFile(config, `
agent: {id: cell-7, site: lyon, timezone: Europe/Paris, environment: test, data_dir: "${folder}/data"}
destinations:
  - {name: bridge, url: "mqtt://127.0.0.1:${broker.port}", latency: {cycle: 0s}, sparkplug: {group: Plant1, primary_host: scada-1}}
machines:
  - {id: VMC-3, cycle: {counter_join: 0s}, sources: [{type: mtconnect, url: "${machine.url}", time: source}]}
`);
    const bundle = await builtBundle();
    const start = () => runBundle(bundle, ["run", "--config", config], { STATE_DIRECTORY: folder });
    const until = (condition: () => boolean, what: string): Promise<void> => host.until(condition, what, 15_000).catch((cause: unknown) => { throw new Error(`${String(cause)}\n${agent.out()}${agent.err()}`, { cause }); });
    says(IDLE);
    let agent = start();
    try {
      await host.state(true, Date.now());
      await until(() => host.of("DBIRTH").some((birth) => birth.metric("Execution")?.value === "READY") || host.of("DDATA").some((data) => data.metric("Execution")?.value === "READY"), "the machine is born, and ready");
      says({ exec: "ACTIVE", sspeed: 1_200 });
      await until(() => host.of("DDATA").some((data) => data.metric("State")?.value === "RUNNING"), "running");
      says({ exec: "READY", pcount: 11 });
      await until(() => host.of("DDATA").some((data) => data.metric("Part Count")?.value === 11), "counted");
      await until(() => host.of("DDATA").some((data) => data.metric("Last Cycle/Outcome") !== undefined), "the cycle's record");
      expect(host.of("DDATA").find((data) => data.metric("Spindle Speed"))?.metric("Spindle Speed")?.value).toBe(1_200);
      expect(host.seen.slice(0, 2).map(({ type, seq }) => [type, seq])).toEqual([["NBIRTH", 0], ["DBIRTH", 1]]);

      says(Object.fromEntries(Object.keys(IDLE).map((item) => [item, "UNAVAILABLE"])));
      await until(() => host.of("DDEATH").length === 1, "the machine is lost");
      says(IDLE);
      await until(() => host.of("DBIRTH").length >= 2, "the machine is back");

      machine.pullCable("cut");
      await until(() => host.of("DDEATH").length === 2, "the cable is pulled");
      await machine.plugCable();
      await until(() => host.of("DBIRTH").length >= 3, "the cable is back");
      await until(() => [...host.of("DBIRTH").slice(2), ...host.of("DDATA")].some((one) => one.seq !== null && host.seen.indexOf(one) > host.seen.indexOf(host.of("DDEATH")[1] ?? one) && one.metric("State")?.value === "READY"), "and its state with it");

      await agent.kill("SIGKILL");
      await until(() => host.of("NDEATH").length === 1, "the will");
      expect(host.of("NDEATH")[0]?.metric("bdSeq")?.value).toBe(0);
      agent = start();
      await until(() => host.of("NBIRTH").length === 2 && host.of("DBIRTH").length >= 4, "born again");
      expect(host.of("NBIRTH")[1]?.metric("bdSeq")?.value).toBe(1);
      expect(await readFile(join(folder, "data/kept/sparkplug-bdseq-bridge"), "utf8")).toBe("1\n");

      expect((await agent.kill("SIGTERM")).code).toBe(0);
      await until(() => host.of("NDEATH").length >= 2, "the goodbye");
      const types = new Set(ledger.received.filter(({ topic }) => topic.includes("/rec/")).map(({ topic }) => topic.split("/").at(-1)));
      expect(["cycle", "state"].filter((type) => !types.has(type))).toEqual([]);
      const heartbeats = ledger.received.filter(({ topic }) => topic.endsWith("/_agent/cell-7")).map(({ text }) => text);
      expect(heartbeats.some((text) => text.includes("\"kind\":\"sparkplug\"") && text.includes("\"phase\":\"born\""))).toBe(true);
      expect(machine.stats.writes).toBe(0);
    } finally {
      await agent.kill("SIGKILL");
      await machine.close();
      await rm(folder, { recursive: true, force: true });
    }
  }, 90_000);
});
