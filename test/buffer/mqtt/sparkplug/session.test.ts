/** A node's session at a real Mosquitto, read by an independent client: CONNECT, births, data, deaths. Ids in brackets: tck-id-… of Sparkplug 3.0. */
import { expect, test } from "vitest";
import { systemClock } from "../../../../agent/runtime/time/clock.ts";
import { startMosquitto } from "../../../support/broker.ts";
import { describeNeeding } from "../../../support/needs.ts";
import { memoryKeep } from "../../../support/ports.ts";
import { startProxy } from "../../../support/proxy.ts";
import { SAMPLES } from "../../../support/sample-records.ts";
import { decodeRaw, startHost, type Seen } from "./host.ts";
import { readConnect, readSubscribe, startRecorder, startRig, topic } from "./rig.ts";

const types = (seen: readonly Seen[]): readonly string[] => seen.map(({ type, device }) => (device === null ? type : `${type} ${device}`));

describeNeeding(["mosquitto"], "a Sparkplug session at a real broker", () => {
  test.each([["5", 5], ["3.1.1", 4]] as const)("CONNECT and DISCONNECT over MQTT %s [principles-persistence-clean-session-50] [principles-persistence-clean-session-311] [message-flow-edge-node-birth-publish-will-message] [message-flow-edge-node-birth-publish-will-message-topic] [message-flow-edge-node-birth-publish-will-message-payload] [message-flow-edge-node-birth-publish-will-message-payload-bdSeq] [message-flow-edge-node-birth-publish-will-message-qos] [message-flow-edge-node-birth-publish-will-message-will-retained] [payloads-ndeath-will-message] [payloads-ndeath-will-message-qos] [payloads-ndeath-will-message-retain] [message-flow-edge-node-ncmd-subscribe] [message-flow-device-dcmd-subscribe] [payloads-ndeath-will-message-publisher-disconnect-mqtt311] [payloads-ndeath-will-message-publisher-disconnect-mqtt50] [operational-behavior-edge-node-intentional-disconnect-packet]", async (protocol, level) => {
    await using broker = await startMosquitto();
    await using recorder = await startRecorder(broker.port);
    await using rig = startRig(recorder.port, { destination: { protocol } });
    await rig.until(() => rig.status()["phase"] === "born", "born");
    await rig.stop();
    const [connect, subscribed] = recorder.written;
    if (!connect || !subscribed) throw new Error("nothing was written");
    const { will, ...session } = readConnect(connect);
    expect(session).toEqual({ level, clean: true, sessionExpiry: level === 5 ? 0 : null, clientId: "cell-7-spb" });
    expect({ ...will, payload: null }).toEqual({ topic: topic("NDEATH"), qos: 1, retain: false, payload: null });
    expect(decodeRaw(will?.payload ?? new Uint8Array())).toMatchObject({ seq: null, metrics: [{ name: "bdSeq", datatype: 4, value: 0 }] });
    expect([subscribed.kind, readSubscribe(subscribed, level)]).toEqual([8, [[topic("NCMD"), 1], [topic("DCMD", "+"), 1]]]);
    // NBIRTH at QoS 0, NDEATH at QoS 1, then DISCONNECT: over 5 with the reason that keeps the will.
    expect(recorder.written.slice(2).map(({ kind, flags }) => [kind, flags])).toEqual([[3, 0], [3, 2], [14, 0]]);
    expect(recorder.written.at(-1)?.body[0]).toBe(level === 5 ? 0x04 : undefined);
  });

  test("NBIRTH is the first, and complete [principles-birth-certificates-order] [message-flow-edge-node-birth-publish-connect] [topic-structure] [topic-structure-namespace-a] [topic-structure-namespace-device-id-non-associated-message-types] [topics-nbirth-topic] [topics-nbirth-mqtt] [topics-nbirth-seq-num] [topics-nbirth-timestamp] [topics-nbirth-metric-reqs] [topics-nbirth-metrics] [topics-nbirth-bdseq-included] [topics-nbirth-bdseq-matching] [topics-nbirth-rebirth-metric] [message-flow-edge-node-birth-publish-nbirth-topic] [message-flow-edge-node-birth-publish-nbirth-payload] [message-flow-edge-node-birth-publish-nbirth-payload-bdSeq] [message-flow-edge-node-birth-publish-nbirth-qos] [message-flow-edge-node-birth-publish-nbirth-retained] [message-flow-edge-node-birth-publish-nbirth-payload-seq] [operational-behavior-data-publish-nbirth] [operational-behavior-data-publish-nbirth-values] [operational-behavior-data-commands-rebirth-name] [operational-behavior-data-commands-rebirth-name-aliases] [operational-behavior-data-commands-rebirth-datatype] [operational-behavior-data-commands-rebirth-value] [payloads-nbirth-timestamp] [payloads-nbirth-seq] [payloads-nbirth-bdseq] [payloads-nbirth-bdseq-repeat] [payloads-nbirth-rebirth-req] [payloads-nbirth-qos] [payloads-nbirth-retain] [payloads-sequence-num-zero-nbirth] [payloads-metric-datatype-req] [payloads-alias-birth-requirement] [payloads-name-requirement] [payloads-name-birth-data-requirement]", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using rig = startRig(broker.port);
    await host.until((seen) => seen.length > 0, "NBIRTH");
    const [birth] = host.seen;
    expect(birth).toMatchObject({ topic: "spBv1.0/Plant1/NBIRTH/cell-7", qos: 0, retain: false, seq: 0 });
    expect(Math.abs((birth?.timestamp ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(birth?.metric("bdSeq")).toMatchObject({ datatype: 4, value: 0 });
    expect(birth?.metric("Node Control/Rebirth")).toMatchObject({ datatype: 11, value: false, alias: null });
    expect(birth?.metrics.filter(({ name, datatype, timestamp, alias, isNull, value }) =>
      name === null || datatype === null || timestamp === null || isNull !== (value === null) || (alias === null && name !== "Node Control/Rebirth"))).toEqual([]);
    expect(birth?.metric("Buffer/Waiting")).toMatchObject({ isNull: true, quality: 500 });
    await rig.stop();
  });

  test("a machine is born when it is connected and caught up, with all it will ever report [topics-dbirth-topic] [topics-dbirth-mqtt] [topics-dbirth-seq] [topics-dbirth-timestamp] [topics-dbirth-metric-reqs] [topics-dbirth-metrics] [topic-structure-namespace-device-id-associated-message-types] [message-flow-device-birth-publish-nbirth-wait] [message-flow-device-birth-publish-dbirth-topic] [message-flow-device-birth-publish-dbirth-match-edge-node-topic] [message-flow-device-birth-publish-dbirth-payload] [message-flow-device-birth-publish-dbirth-qos] [message-flow-device-birth-publish-dbirth-retained] [message-flow-device-birth-publish-dbirth-payload-seq] [operational-behavior-data-publish-dbirth] [payloads-dbirth-timestamp] [payloads-dbirth-seq] [payloads-dbirth-seq-inc] [payloads-dbirth-order] [payloads-dbirth-qos] [payloads-dbirth-retain]", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using rig = startRig(broker.port);
    rig.health("up", { caughtUp: false });
    rig.live("execution", "READY");
    rig.live("spindle_speed", 1_200.5);
    rig.live("alarms", [{ key: "k", code: "1010", severity: "FAULT", text: "Coolant low", nativeType: "SYSTEM" }]);
    rig.live("door", null);
    rig.live("availability", "AVAILABLE");
    await host.until(() => host.of("NBIRTH").length === 1, "NBIRTH");
    rig.health("up");
    await host.until(() => host.of("DBIRTH").length === 1, "DBIRTH");
    const [birth] = host.of("DBIRTH");
    expect(birth).toMatchObject({ topic: "spBv1.0/Plant1/DBIRTH/cell-7/VMC-3", qos: 0, retain: false, seq: 1 });
    expect(birth?.metric("Execution")).toMatchObject({ datatype: 12, value: "READY", quality: 192 });
    expect(birth?.metric("Spindle Speed")).toMatchObject({ datatype: 10, value: 1_200.5, unit: "rev/min" });
    expect(birth?.metric("Alarms")?.value).toEqual({ columns: ["Code", "Severity", "Text", "Type"], types: [12, 12, 12, 12], rows: [["1010", "FAULT", "Coolant low", "SYSTEM"]] });
    expect(birth?.metric("Alarm Count")).toMatchObject({ datatype: 3, value: 1 });
    expect(birth?.metric("Door")).toMatchObject({ isNull: true, value: null, quality: 0 });
    expect(birth?.metric("Part Count")).toMatchObject({ isNull: true, value: null, datatype: 4, quality: 500 });
    expect(birth?.metric("Last Cycle/Elapsed")).toMatchObject({ isNull: true, datatype: 4, unit: "ms" });
    expect(birth?.metrics.filter(({ name, alias, datatype, timestamp, isNull, value }) => name === null || alias === null || datatype === null || timestamp === null || isNull !== (value === null))).toEqual([]);
  });

  test("data: what changed and nothing else, by alias, in the order of its times [topics-ddata-topic] [topics-ddata-mqtt] [topics-ddata-seq-num] [topics-ddata-timestamp] [topics-ddata-payload] [topics-ndata-topic] [topics-ndata-mqtt] [topics-ndata-seq-num] [topics-ndata-timestamp] [topics-ndata-payload] [principles-rbe-recommended] [operational-behavior-data-publish-nbirth-change] [operational-behavior-data-publish-nbirth-order] [operational-behavior-data-publish-dbirth-change] [operational-behavior-data-publish-dbirth-order] [payloads-alias-data-cmd-requirement] [payloads-metric-datatype-not-req] [payloads-ddata-timestamp] [payloads-ddata-seq] [payloads-ddata-seq-inc] [payloads-ddata-order] [payloads-ddata-qos] [payloads-ddata-retain] [payloads-ndata-timestamp] [payloads-ndata-seq] [payloads-ndata-seq-inc] [payloads-ndata-order] [payloads-ndata-qos] [payloads-ndata-retain]", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using rig = startRig(broker.port);
    rig.health("up");
    const at = Date.now();
    rig.live("execution", "READY", at - 9_000);
    await host.until(() => host.of("DBIRTH").length === 1, "DBIRTH");
    rig.live("execution", "ACTIVE", at - 1_000);
    rig.live("program", "O1234", at - 2_000);
    rig.live("feedrate", null, at - 500);
    await host.until(() => host.of("DDATA").length === 1, "DDATA");
    const [data] = host.of("DDATA");
    expect(data).toMatchObject({ topic: "spBv1.0/Plant1/DDATA/cell-7/VMC-3", qos: 0, retain: false, seq: 2 });
    expect(data?.metrics.map(({ name, known, datatype, timestamp, value, isNull, historical, quality }) => ({ name, known, datatype, timestamp, value, isNull, historical, quality }))).toEqual([
      { name: null, known: "Program", datatype: null, timestamp: at - 2_000, value: "O1234", isNull: false, historical: false, quality: null },
      { name: null, known: "Execution", datatype: null, timestamp: at - 1_000, value: "ACTIVE", isNull: false, historical: false, quality: null },
      { name: null, known: "Feedrate", datatype: null, timestamp: at - 500, value: null, isNull: true, historical: false, quality: 0 },
    ]);
    // The same again is no change; a record and the node's own values are.
    rig.live("execution", "ACTIVE", at);
    rig.record(SAMPLES.cycle);
    rig.board.put({ scope: "heartbeat", payload: { agent: "cell-7", version: "1.2.3", startedAt: "2026-03-03T07:00:00.000Z", buffer: { epoch: "e", bytes: 4_096, condition: { state: "ok" }, destinations: [{ name: "other", waiting: 9 }, { name: "bridge", waiting: 3, acknowledged: 2, rejected: 0, lost: 0 }] } } });
    await host.until(() => host.of("DDATA").length === 2 && host.of("NDATA").length === 1, "DDATA and NDATA");
    const cycle = host.of("DDATA")[1];
    expect(cycle?.metrics.every(({ known }) => known.startsWith("Last Cycle/"))).toBe(true);
    expect(["Program", "Outcome", "Elapsed", "Parts", "Quantity Of Record", "Gap Before", "End"].map((name) => cycle?.metric(`Last Cycle/${name}`)?.value)).toEqual(["O1234", "completed", 60_000, 1, true, null, Date.UTC(2026, 2, 3, 7, 16, 0, 123)]);
    const [own] = host.of("NDATA");
    expect(own).toMatchObject({ topic: "spBv1.0/Plant1/NDATA/cell-7", qos: 0, retain: false });
    expect(["Agent/Version", "Agent/Started", "Buffer/Waiting", "Buffer/State"].map((name) => own?.metric(name)?.value)).toEqual(["1.2.3", Date.UTC(2026, 2, 3, 7), 3, "ok"]);
    expect(types(host.seen)).toEqual(["NBIRTH", "DBIRTH VMC-3", "DDATA VMC-3", "NDATA", "DDATA VMC-3"]);
  });

  test("seq: one sequence over the node and all devices, 0 to 255 and round again [payloads-sequence-num-always-included] [payloads-sequence-num-incrementing] [payloads-alias-uniqueness]", async () => {
    await using broker = await startMosquitto(["max_queued_messages 0"]);
    await using host = await startHost(broker.port);
    await using rig = startRig(broker.port);
    for (const machine of ["VMC-3", "LATHE-1"]) rig.health("up", { machine });
    await host.until(() => host.of("DBIRTH").length === 2, "DBIRTHs");
    for (let count = 1; count <= 300; count++) {
      rig.live("part_count", count, Date.now(), count % 3 === 0 ? "LATHE-1" : "VMC-3");
      await Promise.resolve(); // One turn of the board each.
    }
    await host.until((seen) => seen.length === 303, "303 messages");
    expect(host.seen.map(({ seq }) => seq)).toEqual(host.seen.map((_, index) => index % 256));
    expect(host.of("DDATA", "LATHE-1").map((one) => one.metric("Part Count")?.value)).toEqual(Array.from({ length: 100 }, (_, index) => 3 * (index + 1)));
    const aliases = [...host.of("NBIRTH"), ...host.of("DBIRTH")].flatMap(({ metrics }) => metrics.flatMap(({ alias }) => (alias === null ? [] : [alias])));
    expect(new Set(aliases).size).toBe(aliases.length);
  });

  test("a metric that no birth has named comes with a new birth; one unknown from the first waits for its datatype; a second path has a folder of its own", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using rig = startRig(broker.port);
    rig.health("up");
    await host.until(() => host.of("DBIRTH").length === 1, "DBIRTH");
    rig.live("point/coolant", null);
    rig.live("execution/2", "ACTIVE");
    await host.until(() => host.of("DBIRTH").length === 2, "second DBIRTH");
    expect(host.of("DBIRTH")[1]?.metric("Path 2/Execution")).toMatchObject({ value: "ACTIVE", datatype: 12 });
    rig.live("point/coolant", 21.5);
    await host.until(() => host.of("DBIRTH").length === 3, "third DBIRTH");
    expect(host.of("DBIRTH")[2]?.metric("Points/coolant")).toMatchObject({ value: 21.5, datatype: 10 });
    rig.live("point/coolant", "hot");
    await host.until(() => host.of("DDATA").length === 1, "DDATA");
    expect(host.of("DDATA")[0]?.metric("Points/coolant")).toMatchObject({ isNull: true, value: null, quality: 0 });
    expect(host.seen.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4]);
  });

  test("a machine that is lost dies and is born again; that it is behind for a moment is no death [operational-behavior-device-ddeath] [topics-ddeath-topic] [topics-ddeath-mqtt] [topics-ddeath-seq-num] [payloads-ddeath-timestamp] [payloads-ddeath-seq] [payloads-ddeath-seq-inc] [payloads-ddeath-seq-number]", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using rig = startRig(broker.port);
    rig.health("up");
    await host.until(() => host.of("DBIRTH").length === 1, "DBIRTH");
    rig.health("up", { caughtUp: false });
    rig.live("state", "UNKNOWN");
    rig.health("down");
    await host.until(() => host.of("DDEATH").length === 1, "DDEATH");
    expect(host.of("DDEATH")[0]).toMatchObject({ topic: "spBv1.0/Plant1/DDEATH/cell-7/VMC-3", qos: 0, retain: false, seq: 2, metrics: [] });
    expect(host.of("DDEATH")[0]?.timestamp).toBeGreaterThan(0);
    rig.live("state", "READY");
    rig.health("up");
    await host.until(() => host.of("DBIRTH").length === 2, "second DBIRTH");
    expect(host.of("DBIRTH")[1]?.metric("State")).toMatchObject({ value: "READY", quality: 192 });
    rig.live("availability", null);
    await host.until(() => host.of("DDEATH").length === 2, "second DDEATH");
    rig.live("availability", "AVAILABLE");
    await host.until(() => host.of("DBIRTH").length === 3, "third DBIRTH");
    expect(types(host.seen.filter(({ type }) => type !== "DDATA"))).toEqual(["NBIRTH", "DBIRTH VMC-3", "DDEATH VMC-3", "DBIRTH VMC-3", "DDEATH VMC-3", "DBIRTH VMC-3"]);
  });

  test("NDEATH: as will when the link is torn, ourselves when we stop; bdSeq counts every CONNECT, over restarts, 255 to 0 [topics-ndeath-topic] [topics-ndeath-payload] [topics-ndeath-seq] [payloads-ndeath-seq] [payloads-ndeath-bdseq] [payloads-ndeath-will-message-publisher] [operational-behavior-edge-node-intentional-disconnect-ndeath] [topics-nbirth-bdseq-increment]", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using proxy = await startProxy(broker.port);
    const keep = memoryKeep();
    await keep.write("sparkplug-bdseq-bridge", "254\n");
    {
      await using rig = startRig(proxy.port, { keep });
      await host.until(() => host.of("NBIRTH").length === 1, "NBIRTH");
      proxy.cut();
      await host.until(() => host.of("NBIRTH").length === 2, "NBIRTH after the cut");
      await rig.stop();
    }
    await host.until(() => host.of("NDEATH").length >= 2, "NDEATH of the stop");
    await using again = startRig(proxy.port, { keep });
    await host.until(() => host.of("NBIRTH").length === 3, "NBIRTH after the restart");
    expect(host.of("NBIRTH").map((birth) => birth.metric("bdSeq")?.value)).toEqual([255, 0, 1]);
    const deaths = host.of("NDEATH");
    expect(deaths.map((death) => [death.topic, death.qos, death.retain, death.seq, death.metrics.length, death.metric("bdSeq")?.value])).toEqual(
      deaths.map((_, nth) => [topic("NDEATH"), 1, false, null, 1, nth === 0 ? 255 : 0]));
    expect(again.status()).toMatchObject({ bdSeq: 1, births: 1 });
  });

  test("after an outage of its link: births with what is now, then what was missed as historical, in order, within the bound", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using proxy = await startProxy(broker.port);
    await using rig = startRig(proxy.port, { keys: { history: 200 } });
    rig.health("up");
    const at = Date.now();
    rig.live("part_count", 0, at);
    await host.until(() => host.of("DBIRTH").length === 1, "DBIRTH");
    proxy.set({ refuses: true });
    await rig.until(() => rig.status()["link"] === "down", "link down");
    for (let count = 1; count <= 300; count++) {
      rig.live("part_count", count, at + count);
      await Promise.resolve();
    }
    expect(rig.status()).toMatchObject({ kept: 200, dropped: 100 });
    proxy.set({});
    await host.until(() => host.of("DDATA").flatMap(({ metrics }) => metrics).length === 199, "history", 20_000);
    const [, birth] = host.of("DBIRTH");
    expect(birth?.metric("Part Count")).toMatchObject({ value: 300, historical: false });
    const missed = host.of("DDATA").flatMap(({ metrics }) => metrics);
    expect(missed.map(({ value, timestamp, historical }) => [value, timestamp, historical])).toEqual(Array.from({ length: 199 }, (_, index) => [101 + index, at + 101 + index, true]));
    expect(host.seen.indexOf(host.of("DDATA")[0] as Seen)).toBeGreaterThan(host.seen.indexOf(birth as Seen));
    rig.live("part_count", 301, at + 301);
    await host.until(() => host.of("DDATA").at(-1)?.metric("Part Count")?.value === 301, "live again");
    expect(host.of("DDATA").at(-1)?.metric("Part Count")?.historical).toBe(false);
  }, 40_000);

  test("a broker that is killed and comes back finds the node born anew; a packet limit too small for a birth is told", async () => {
    await using broker = await startMosquitto();
    await using rig = startRig(broker.port);
    await rig.until(() => rig.status()["phase"] === "born", "born");
    await broker.kill();
    await rig.until(() => rig.status()["link"] === "down", "down");
    await broker.start();
    await using host = await startHost(broker.port);
    await host.until(() => host.of("NBIRTH").length === 1, "NBIRTH", 20_000);
    expect(host.of("NBIRTH")[0]?.metric("bdSeq")?.value).toBeGreaterThan(0);
    await using small = await startMosquitto(["max_packet_size 300"]);
    await using other = startRig(small.port);
    await other.until(() => String(other.status()["message"]).includes("takes packets of 300 bytes"), "told");
  }, 40_000);

  test("no template is published, so none has to be defined [topics-nbirth-templates] [payloads-template-definition-nbirth-only] [payloads-template-definition-nbirth]", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using rig = startRig(broker.port);
    rig.health("up");
    await host.until(() => host.of("DBIRTH").length === 1, "births");
    const datatypes = new Set(host.seen.flatMap(({ metrics }) => metrics.map(({ datatype }) => datatype ?? 0)));
    expect([...datatypes].sort((a, b) => a - b)).toEqual([3, 4, 10, 11, 12, 13, 16]);
    await rig.stop();
  });

  test("payload and metric times are ours in UTC, from the agent's clock [payloads-timestamp-in-UTC] [payloads-metric-timestamp-in-UTC]", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    const start = Date.UTC(2026, 0, 5, 6);
    await using rig = startRig(broker.port, { ports: { clock: systemClock(1, start) } });
    await host.until(() => host.of("NBIRTH").length === 1, "NBIRTH");
    const [birth] = host.of("NBIRTH");
    for (const stamp of [birth?.timestamp, ...(birth?.metrics.map(({ timestamp }) => timestamp) ?? [])]) expect((stamp ?? 0) - start).toBeLessThan(60_000);
    await rig.stop();
  });
});
