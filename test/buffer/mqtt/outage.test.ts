import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/clock.ts";
import { startMosquitto, subscribe, type Received } from "../../support/broker.ts";
import { delivering, destinationAt, eventOf, put } from "../../support/delivering.ts";
import { memoryOutbox } from "../../support/memory-outbox.ts";
import { describeNeeding } from "../../support/needs.ts";
import { testPorts } from "../../support/ports.ts";
import { startProxy } from "../../support/proxy.ts";
import { manyRecords } from "../../support/sample-records.ts";

const COUNT = 4_000;
const ALL = Array.from({ length: COUNT }, (_, index) => index + 1);
const ids = new Map(manyRecords(COUNT).map(({ id }, index) => [index + 1, `${id}:1`]));

/** Nothing missing, repeats carry the id of what they repeat, and what came for the first time came in order. */
function expectWhole(received: readonly Received[]): void {
  const seen = new Set<number>();
  const first: number[] = [];
  for (const { text } of received) {
    const { seq, id, replay } = eventOf(text);
    expect(id).toBe(ids.get(seq));
    if (!seen.has(seq) && replay !== true) first.push(seq);
    seen.add(seq);
  }
  expect([...seen].toSorted((a, b) => a - b)).toEqual(ALL);
  expect(first).toEqual(first.toSorted((a, b) => a - b));
}
const whole = (received: readonly Received[]): boolean => new Set(received.map(({ text }) => eventOf(text).seq)).size === COUNT;
const filter = "cellgate/+/+/+/+/+/rec/+";

describeNeeding(["mosquitto"], "a broker that comes and goes during delivery", () => {
  it("ten cuts: nothing lost, repeats carry the same id, first transmissions in order", async () => {
    await using broker = await startMosquitto();
    await using proxy = await startProxy(broker.port);
    await using subscriber = await subscribe(broker.port, filter);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(COUNT));
    const ports = testPorts({ network: systemClock(50), random: () => 0 });
    await using running = delivering(destinationAt(proxy.port, { window: 100 }, ports), outbox, { ports });
    for (let cut = 1; cut <= 10; cut++) {
      await subscriber.until((received) => received.length >= cut * 350);
      proxy.cut();
    }
    await outbox.drained();
    await subscriber.until(whole);
    expectWhole(subscriber.received);
    expect(running.links.filter(({ state }) => state === "down").length).toBeGreaterThanOrEqual(5);
  });

  it("killed and started again: nothing lost", async () => {
    await using broker = await startMosquitto();
    await using proxy = await startProxy(broker.port);
    const received: Received[] = [];
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(COUNT));
    const ports = testPorts({ network: systemClock(50) });
    await using before = await subscribe(broker.port, filter);
    await using running = delivering(destinationAt(proxy.port, {}, ports), outbox, { ports });
    await before.until(({ length }) => length >= 500);
    proxy.set("reset"); // Until somebody is subscribed again: a broker keeps nothing for nobody.
    await broker.kill();
    await broker.start();
    await using after = await subscribe(broker.port, filter);
    proxy.set("pass");
    await outbox.drained();
    received.push(...before.received);
    await after.until((later) => whole([...received, ...later]));
    expectWhole([...received, ...after.received]);
    expect(running.links.some(({ state }) => state === "down")).toBe(true);
  });

  it("black-holed: noticed by the oldest unacknowledged message, and nothing lost", async () => {
    await using broker = await startMosquitto();
    await using proxy = await startProxy(broker.port);
    await using subscriber = await subscribe(broker.port, filter);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(COUNT));
    const ports = testPorts({ network: systemClock(20) });
    await using running = delivering(destinationAt(proxy.port, {}, ports), outbox, { ports });
    await subscriber.until((received) => received.length >= 500);
    proxy.set("black-hole");
    const down = await running.untilLink(({ state }) => state === "down");
    expect(down).toMatchObject({ fault: "timeout", message: "The broker has not acknowledged a message for 10 s." });
    proxy.set("pass");
    await outbox.drained();
    await subscriber.until(whole);
    expectWhole(subscriber.received);
  });

  it("acknowledgements swallowed: everything arrives twice at most with one id, and says so", async () => {
    await using broker = await startMosquitto();
    await using proxy = await startProxy(broker.port);
    await using subscriber = await subscribe(broker.port, filter);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(COUNT));
    const ports = testPorts({ network: systemClock(20) });
    await using running = delivering(destinationAt(proxy.port, {}, ports), outbox, { ports });
    await running.untilLink(({ state }) => state === "up");
    proxy.muteTarget(true);
    await running.untilLink(({ state }) => state === "down");
    proxy.muteTarget(false);
    await outbox.drained();
    await subscriber.until(whole);
    expectWhole(subscriber.received);
    const repeats = subscriber.received.filter(({ text }) => eventOf(text).replay === true);
    expect(repeats.length).toBe(subscriber.received.length - COUNT);
  });

  it("an idle link gone half-open is noticed by the keepalive", async () => {
    await using broker = await startMosquitto();
    await using proxy = await startProxy(broker.port);
    await using running = delivering(destinationAt(proxy.port, { keepalive: "1s" }), memoryOutbox());
    await running.untilLink(({ state }) => state === "up");
    proxy.set("black-hole");
    expect(await running.untilLink(({ state }) => state === "down")).toMatchObject({ fault: "timeout", message: expect.stringContaining("gone silent") as string });
  });
});

describeNeeding(["mosquitto", "openssl"], "MQTT over TLS", () => {
  const openssl = (folder: string, ...args: readonly string[]): Promise<unknown> => promisify(execFile)("openssl", args, { cwd: folder });
  const authority = async (folder: string, name: string): Promise<void> => {
    await openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.pem`);
  };
  const certificate = async (folder: string, name: string, names: string): Promise<void> => {
    await writeFile(join(folder, `${name}.ext`), `subjectAltName=${names}\n`);
    await openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.csr`);
    await openssl(folder, "x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", `${name}.ext`, "-out", `${name}.pem`);
  };
  const start = (...extra: readonly string[]) => startMosquitto(["cafile {folder}/ca.pem", "certfile {folder}/broker.pem", "keyfile {folder}/broker.key", ...extra], async (folder) => {
    await authority(folder, "ca");
    await authority(folder, "stranger");
    await certificate(folder, "broker", "DNS:broker.example.com,IP:127.0.0.1");
    await certificate(folder, "cell-7", "DNS:cell-7");
  });

  it("delivers with our authority and our certificate, read anew at each connect", async () => {
    await using broker = await start("require_certificate true", "use_identity_as_username true");
    const file = (name: string): string => join(broker.folder, name);
    await writeFile(file("used.pem"), await readFile(file("stranger.pem")));
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(100));
    const ports = testPorts({ network: systemClock(20) });
    const tls = { ca: file("used.pem"), cert: file("cell-7.pem"), key: file("cell-7.key") };
    await using running = delivering(destinationAt(broker.port, { tls }, ports, "mqtts"), outbox, { ports });
    expect(await running.untilLink(({ state }) => state === "down")).toMatchObject({ fault: "refused", message: expect.stringContaining("tls.ca") as string });
    await writeFile(file("used.pem"), await readFile(file("ca.pem")));
    await outbox.drained();
  });

  it("says what is wrong: the name, the missing file, no TLS at the other end", async () => {
    await using broker = await start();
    await using plain = await startMosquitto();
    const ca = join(broker.folder, "ca.pem");
    const message = async (port: number, tls: object): Promise<string> => {
      try {
        await destinationAt(port, { tls }, testPorts(), "mqtts").connect(new AbortController().signal, () => undefined);
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
      return "connected";
    };
    expect(await message(broker.port, { ca, servername: "other.example.com" })).toContain("carries another name");
    expect(await message(broker.port, { ca, servername: "broker.example.com" })).toBe("connected");
    expect(await message(broker.port, { ca: "/nowhere/ca.pem" })).toContain("/nowhere/ca.pem (tls.ca) cannot be read");
    expect(await message(broker.port, { ca: join(broker.folder, "broker.ext") })).toMatch(/cannot be used|tls\.ca/);
    expect(await message(plain.port, { ca })).toMatch(/mqtts|TLS/);
  });
});
