/** Commands and the primary host's STATE at a real Mosquitto. Ids in brackets: tck-id-… of Sparkplug 3.0. */
import { expect, test } from "vitest";
import { startMosquitto } from "../../../support/broker.ts";
import { describeNeeding } from "../../../support/needs.ts";
import { PrimaryHost } from "../../../../buffer/mqtt/sparkplug/primary-host.ts";
import { encodeByOracle, REBIRTH, startHost } from "./host.ts";
import { startRig, topic } from "./rig.ts";

const count = (rig: { status(): Readonly<Record<string, unknown>> }, key: string): number => Number(rig.status()[key]);

describeNeeding(["mosquitto"], "commands at a real broker", () => {
  test("a rebirth: data stops, NBIRTH and all DBIRTHs come with the same bdSeq, then data goes on [operational-behavior-data-commands-ncmd-rebirth-verb] [operational-behavior-data-commands-ncmd-rebirth-name] [operational-behavior-data-commands-ncmd-rebirth-value] [operational-behavior-data-commands-rebirth-action-1] [operational-behavior-data-commands-rebirth-action-2] [operational-behavior-data-commands-rebirth-action-3] [topics-ncmd-topic]", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using rig = startRig(broker.port);
    for (const machine of ["VMC-3", "LATHE-1"]) rig.health("up", { machine });
    rig.live("execution", "READY");
    await host.until(() => host.of("DBIRTH").length === 2, "births");
    rig.live("execution", "ACTIVE");
    await host.until(() => host.of("DDATA").length === 1, "data");
    await host.command(topic("NCMD"), REBIRTH);
    await host.until(() => host.of("DBIRTH").length === 4, "rebirth");
    rig.live("execution", "READY");
    await host.until(() => host.of("DDATA").length === 2, "data again");
    expect(host.seen.map(({ type, seq }) => [type, seq])).toEqual([["NBIRTH", 0], ["DBIRTH", 1], ["DBIRTH", 2], ["DDATA", 3], ["NBIRTH", 0], ["DBIRTH", 1], ["DBIRTH", 2], ["DDATA", 3]]);
    const [first, second] = host.of("NBIRTH");
    expect(second?.metric("bdSeq")?.value).toBe(first?.metric("bdSeq")?.value);
    const names = (nth: number): unknown => host.of("DBIRTH", "VMC-3")[nth]?.metrics.map(({ name, alias }) => `${name} ${alias}`).sort();
    expect(names(1)).toEqual(names(0));
    expect(host.of("DBIRTH", "VMC-3")[1]?.metric("Execution")?.value).toBe("ACTIVE");
    expect(rig.status()).toMatchObject({ rebirths: 1, births: 2, refusedCommands: 0 });
  });

  test("a host that asks again and again gets one rebirth per interval; what changes meanwhile comes as history", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using rig = startRig(broker.port, { keys: { rebirth_interval: "1s" } });
    rig.health("up");
    await host.until(() => host.of("DBIRTH").length === 1, "births");
    for (let asked = 0; asked < 50; asked++) await host.command(topic("NCMD"), REBIRTH);
    await rig.until(() => count(rig, "rebirths") === 1 && rig.status()["phase"] === "paused", "one at once, the others wait");
    rig.live("part_count", 7);
    await Promise.resolve();
    rig.live("part_count", 8);
    await host.until(() => host.of("NBIRTH").length === 3 && host.of("DDATA").length === 1, "the others answered by one");
    expect(host.of("DBIRTH").at(-1)?.metric("Part Count")?.value).toBe(8);
    expect(host.of("DDATA")[0]?.metric("Part Count")).toMatchObject({ value: 7, historical: true });
    const [, one, two] = host.of("NBIRTH");
    expect((two?.timestamp ?? 0) - (one?.timestamp ?? 0)).toBeGreaterThanOrEqual(990);
    expect(rig.status()).toMatchObject({ phase: "born", rebirths: 2, refusedCommands: 0 });
  });

  test("every other command is refused and counted, and changes nothing [operational-behavior-data-commands-ncmd-verb] [operational-behavior-data-commands-dcmd-verb] [topics-dcmd-topic]", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using rig = startRig(broker.port);
    rig.health("up");
    rig.live("execution", "READY");
    await host.until(() => host.of("DBIRTH").length === 1, "births");
    await host.command(topic("NCMD"), [{ name: "Node Control/Rebirth", type: "Boolean", value: false }]);
    await host.command(topic("NCMD"), [{ name: "Node Control/Reboot", type: "Boolean", value: true }]);
    await host.command(topic("DCMD", "VMC-3"), [{ name: "Execution", type: "String", value: "ACTIVE" }]);
    await host.command(topic("DCMD", "VMC-3"), REBIRTH);
    await host.command(topic("DCMD", "no-such-machine"), [{ name: "Execution", type: "String", value: "ACTIVE" }]);
    await rig.until(() => count(rig, "refusedCommands") === 5, "five refused");
    const harm = [new Uint8Array(), new Uint8Array(60_000).fill(0x12), Uint8Array.from([0x0b]), Uint8Array.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]), Buffer.from("{\"__proto__\": 1}")];
    for (const payload of harm) await host.client.publishAsync(topic("NCMD"), Buffer.from(payload));
    for (let sent = 0; sent < 1_000; sent++) host.client.publish(topic("NCMD"), Buffer.from(encodeByOracle({ metrics: [{ name: "x", type: "Int32", value: sent }] })));
    await rig.until(() => count(rig, "refusedCommands") === 5 + harm.length + 1_000, "all refused");
    rig.live("execution", "ACTIVE");
    await host.until(() => host.of("DDATA").length === 1, "still sending");
    expect(host.seen.map(({ type }) => type)).toEqual(["NBIRTH", "DBIRTH", "DDATA"]);
    expect(rig.ports.lines.filter(({ sentence }) => sentence.startsWith("a Sparkplug command is refused")).length).toBe(1);
  });

  test("a rebirth that lies retained at the broker is nobody's wish now", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await host.client.publishAsync(topic("NCMD"), Buffer.from(encodeByOracle({ metrics: [{ ...REBIRTH[0] }] })), { retain: true });
    await using rig = startRig(broker.port);
    await rig.until(() => count(rig, "refusedCommands") === 1, "refused");
    expect(rig.status()).toMatchObject({ phase: "born", rebirths: 0 });
  });

  test("a packet of more than we take ends this link and no other, and it comes back", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using rig = startRig(broker.port, { destination: { protocol: "3.1.1" } });
    await host.until(() => host.of("NBIRTH").length === 1, "NBIRTH");
    await host.client.publishAsync(topic("NCMD"), Buffer.alloc(5_000_000));
    await host.until(() => host.of("NBIRTH").length === 2, "NBIRTH again", 20_000);
    expect(rig.status()).toMatchObject({ rebirths: 0, bdSeq: 1 });
  }, 30_000);
});

describeNeeding(["mosquitto"], "the primary host at a real broker", () => {
  test("births wait for the configured host's online STATE, whose time is not older than one seen [message-flow-edge-node-birth-publish-phid-wait] [message-flow-edge-node-birth-publish-phid-wait-id] [message-flow-edge-node-birth-publish-phid-wait-online] [message-flow-edge-node-birth-publish-phid-wait-timestamp] [operational-behavior-edge-node-birth-sequence-wait]", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using rig = startRig(broker.port, { keys: { primary_host: "scada-1" } });
    rig.health("up");
    await rig.until(() => rig.status()["link"] === "up", "link up");
    expect(rig.status()).toMatchObject({ phase: "waiting", primaryHost: "awaited" });
    await host.state(true, 1_000, "scada-2");
    await host.state(false, 2_000);
    await rig.until(() => rig.status()["primaryHost"] === "offline", "offline");
    await host.state(true, 1_999);
    await host.client.publishAsync("spBv1.0/STATE/scada-1", "ONLINE", { retain: false, qos: 1 });
    rig.live("execution", "ACTIVE");
    await host.command(topic("NCMD"), [{ name: "x", type: "Int32", value: 1 }]);
    await rig.until(() => count(rig, "refusedCommands") === 1, "all of that has arrived");
    expect([host.seen.length, rig.status()["phase"]]).toEqual([0, "waiting"]);
    await host.state(true, 2_000);
    await host.until(() => host.of("DBIRTH").length === 1, "births");
    expect(host.of("DBIRTH")[0]?.metric("Execution")?.value).toBe("ACTIVE");
    expect(rig.status()).toMatchObject({ phase: "born", primaryHost: "online" });
  });

  test("a retained STATE that is there already is enough; offline with a time not older: NDEATH, DISCONNECT, and the wait begins anew; an older one is ignored [message-flow-edge-node-birth-publish-phid-offline] [operational-behavior-edge-node-termination-host-offline] [operational-behavior-edge-node-termination-host-offline-reconnect] [operational-behavior-edge-node-termination-host-offline-timestamp]", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await host.state(true, 5_000);
    await using rig = startRig(broker.port, { keys: { primary_host: "scada-1" } });
    rig.health("up");
    await host.until(() => host.of("DBIRTH").length === 1, "births");
    await host.state(false, 4_999);
    rig.live("execution", "READY");
    await host.until(() => host.of("DDATA").length === 1, "still sending");
    expect(host.of("NDEATH").length).toBe(0);
    await host.state(false, 5_000);
    await host.until(() => host.of("NDEATH").length >= 1, "NDEATH");
    expect(host.of("NDEATH")[0]?.metric("bdSeq")?.value).toBe(0);
    await rig.until(() => rig.status()["bdSeq"] === 1 && rig.status()["phase"] === "waiting" && rig.status()["primaryHost"] === "offline", "connected again, and waiting");
    rig.live("execution", "ACTIVE");
    await host.state(true, 6_000);
    await host.until(() => host.of("DBIRTH").length === 2, "births again");
    expect(host.of("NBIRTH").map((birth) => birth.metric("bdSeq")?.value)).toEqual([0, 1]);
    expect(host.of("DBIRTH")[1]?.metric("Execution")?.value).toBe("ACTIVE");
  }, 20_000);

  test("with several brokers the one whose host is offline is left for the next; never connected to two [operational-behavior-primary-application-state-with-multiple-servers-single-server] [operational-behavior-primary-application-state-with-multiple-servers-walk]", async () => {
    await using first = await startMosquitto();
    await using second = await startMosquitto();
    await using one = await startHost(first.port);
    await using two = await startHost(second.port);
    await one.state(true, 1_000);
    await two.state(true, 1_001);
    await using rig = startRig(first.port, { keys: { primary_host: "scada-1" }, destination: { url: [`mqtt://127.0.0.1:${first.port}`, `mqtt://127.0.0.1:${second.port}`] } });
    await one.until(() => one.of("NBIRTH").length === 1, "born at the first");
    await one.state(false, 1_001);
    await two.until(() => two.of("NBIRTH").length === 1, "born at the second");
    expect(one.of("NDEATH").length).toBeGreaterThanOrEqual(1);
    await two.state(false, 1_002);
    await one.state(false, 1_002);
    await rig.until(() => rig.status()["phase"] !== "born", "left the second");
    await two.until(() => two.of("NDEATH").length >= 1, "NDEATH at the second");
    await one.state(true, 1_003);
    await one.until(() => one.of("NBIRTH").length === 2, "born at the first again", 30_000);
    const numbers = [...one.of("NBIRTH"), ...two.of("NBIRTH")].map((birth) => Number(birth.metric("bdSeq")?.value));
    expect(new Set(numbers).size).toBe(3);
  }, 60_000);
});

test("STATE: whatever is no {online, timestamp} says nothing", () => {
  const host = new PrimaryHost();
  const take = (text: string): string => host.take(Buffer.from(text));
  expect(["", "ONLINE", "null", "[]", "{}", "{\"online\":true}", "{\"online\":\"true\",\"timestamp\":1}", "{\"online\":true,\"timestamp\":\"1\"}", "{\"online\":true,\"timestamp\":-1}", "{\"online\":true,\"timestamp\":1.5}", `{"online":true,"timestamp":1,"x":"${"y".repeat(5_000)}"}`, "[".repeat(4_000)].map(take))
    .toEqual(Array.from({ length: 12 }, () => "malformed"));
  expect([take("{\"online\":true,\"timestamp\":10}"), take("{\"online\":false,\"timestamp\":9}"), take("{\"online\":false,\"timestamp\":10}"), take("{\"online\":true,\"timestamp\":10,\"bdSeq\":3}")]).toEqual(["online", "stale", "offline", "online"]);
});
