/** What goes wrong with Sparkplug stays there: records go on, the agent's start and stop too; and what is wrong is told. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createBoard } from "../../../../agent/runtime/link/board.ts";
import { BirthNumber } from "../../../../buffer/mqtt/sparkplug/birth-number.ts";
import { startMosquitto, subscribe } from "../../../support/broker.ts";
import { delivering, destinationAt, put } from "../../../support/delivering.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { freePort } from "../../../support/free-port.ts";
import { memoryOutbox } from "../../../support/memory-outbox.ts";
import { describeNeeding } from "../../../support/needs.ts";
import { memoryKeep, testPorts } from "../../../support/ports.ts";
import { startProxy } from "../../../support/proxy.ts";
import { manyRecords } from "../../../support/sample-records.ts";
import { startScriptedBroker } from "../../../support/scripted-broker.ts";
import { startHost } from "./host.ts";
import { GROUP, startRig } from "./rig.ts";

describeNeeding(["mosquitto"], "beside the records", () => {
  test("a broker that lets us write records and no Sparkplug: the records arrive, on one link of two", async () => {
    await using broker = await startMosquitto(["acl_file {folder}/acl"], (folder) => writeFile(join(folder, "acl"), "topic readwrite cellgate/#\n"));
    await using reader = await subscribe(broker.port, "#");
    const ports = testPorts();
    const outbox = memoryOutbox();
    const board = createBoard();
    const destination = destinationAt(broker.port, { sparkplug: { group: GROUP } }, ports);
    const stopping = new AbortController();
    const running = destination.live?.run(board, stopping.signal);
    await using _delivering = delivering(destination, outbox, { ports, board });
    await put(outbox, manyRecords(200));
    await reader.until((received) => received.filter(({ topic }) => topic.endsWith("/rec/state")).length === 200);
    expect(reader.received.filter(({ topic }) => topic.startsWith("spBv1.0"))).toEqual([]);
    stopping.abort(new Error("the test is over"));
    await running;
  });

  test("a broker that refuses the subscriptions: nothing is born, and health says which", async () => {
    await using broker = await startScriptedBroker({ subscribe: (filters) => filters.map((_, at) => (at === 0 ? 1 : 0x87)) });
    await using rig = startRig(broker.port);
    await rig.until(() => String(rig.status()["message"]).includes("refuses the subscription to spBv1.0/Plant1/DCMD/cell-7/+"), "told");
    expect([rig.status()["births"], broker.published]).toEqual([0, []]);
  });

  test("a broker that never answers them: given up", async () => {
    await using broker = await startScriptedBroker({ subscribe: () => "silent" });
    const network = fakeClock();
    await using rig = startRig(broker.port, { ports: { network } });
    await rig.until(() => broker.subscriptions.length === 2, "asked");
    await network.advance(10_000);
    await rig.until(() => String(rig.status()["message"]).includes("does not answer the Sparkplug subscriptions"), "told");
    expect(rig.status()).toMatchObject({ births: 0, phase: "absent" });
  });

  test("no broker at all: it waits and tries again, and stops at once when told to", async () => {
    await using rig = startRig(await freePort());
    await rig.until(() => rig.status()["link"] === "down", "down");
    rig.live("execution", "ACTIVE");
    await rig.stop();
    expect(rig.status()).toMatchObject({ link: "stopped" });
  });

  test("a link that swallows everything is given up, and the end of the agent does not wait for it", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using proxy = await startProxy(broker.port);
    await using rig = startRig(proxy.port, { destination: { keepalive: "1s" } });
    await host.until(() => host.of("NBIRTH").length === 1, "NBIRTH");
    proxy.set({ mutes: "both" });
    await rig.until(() => rig.status()["link"] !== "up", "given up");
    proxy.set({ refuses: true });
    proxy.set({});
    await host.until(() => host.of("NBIRTH").length === 2, "NBIRTH again", 20_000);
    proxy.set({ mutes: "both" });
    const began = performance.now();
    await rig.stop();
    expect(performance.now() - began).toBeLessThan(4_500); // Two bounded waits of 1 s each.
  }, 40_000);

  test("what changes within `latency.live` leaves together", async () => {
    await using broker = await startMosquitto();
    await using host = await startHost(broker.port);
    await using rig = startRig(broker.port, { destination: { latency: { live: "200ms" } } });
    rig.health("up");
    await host.until(() => host.of("DBIRTH").length === 1, "DBIRTH");
    for (let count = 1; count <= 50; count++) {
      rig.live("part_count", count);
      await Promise.resolve();
    }
    rig.live("execution", "READY");
    await host.until(() => host.of("DDATA").length === 1, "DDATA");
    expect(host.of("DDATA")[0]?.metrics.map(({ known, value }) => [known, value])).toEqual([["Part Count", 50], ["Execution", "READY"]]);
  });

  test("a fault of ours in it is logged, ends its link and no more", async () => {
    await using broker = await startMosquitto();
    await using rig = startRig(broker.port);
    await rig.until(() => rig.status()["phase"] === "born", "born");
    const { proxy: hostile, revoke } = Proxy.revocable<object>({}, {});
    revoke();
    rig.board.put({ scope: "health", machine: "VMC-3", payload: hostile });
    await rig.until(() => rig.ports.lines.some(({ level, sentence }) => level === "error" && sentence.startsWith("the Sparkplug output failed")), "logged");
    await rig.until(() => rig.status()["link"] === "down", "its link ended");
    expect(rig.status()).toMatchObject({ phase: "absent" });
  });
});

test("bdSeq: counts on in memory, and says so, where the disk fails; what is kept and no number is as if never used", async () => {
  const failing = { read: () => Promise.reject(new Error("EIO")), write: () => Promise.reject(new Error("ENOSPC")) };
  const ports = testPorts();
  const number = new BirthNumber("bridge", { keep: failing, log: ports.log });
  expect([await number.next(), await number.next()]).toEqual([0, 1]);
  expect(ports.lines.map(({ fields }) => fields["reason"])).toEqual(["EIO", "ENOSPC", "ENOSPC"]);
  for (const text of ["", "abc", "-1", "256", "1e2", "12 34"]) {
    const keep = memoryKeep();
    await keep.write("sparkplug-bdseq-bridge", text);
    expect([text, await new BirthNumber("bridge", { keep, log: ports.log }).next()]).toEqual([text, 0]);
  }
  const keep = memoryKeep();
  const named = new BirthNumber("ERP-Brücke/1", { keep, log: ports.log });
  expect([await named.next(), await new BirthNumber("ERP-Brücke/1", { keep, log: ports.log }).next(), await new BirthNumber("other", { keep, log: ports.log }).next()]).toEqual([0, 1, 0]);
});
