/** TLS: files read anew, what is wrong in its own words, expiry and the clock, protocol names, and the same over WebSocket. */
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer as createHttps } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { createServer as createTls } from "node:tls";
import { expect, it } from "vitest";
import { createWebSocketStream, WebSocketServer } from "ws";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { unixMs } from "../../../agent/contract/time.ts";
import { startAedes, startMosquitto, type Mosquitto } from "../../support/broker.ts";
import { delivering, destinationAt, put } from "../../support/delivering.ts";
import { memoryOutbox } from "../../support/memory-outbox.ts";
import { describeNeeding } from "../../support/needs.ts";
import { testPorts } from "../../support/ports.ts";
import { manyRecords } from "../../support/sample-records.ts";
import { authority, certificate } from "./certificates.ts";

const DAY_MS = 86_400_000;
const forever = new AbortController().signal;
const ignore = (): void => undefined;
const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

const start = (extra: readonly string[] = [], prepare: (folder: string) => Promise<void> = async () => undefined) =>
  startMosquitto(["cafile {folder}/ca.pem", "certfile {folder}/broker.pem", "keyfile {folder}/broker.key", ...extra], async (folder) => {
    await authority(folder, "ca");
    await authority(folder, "stranger");
    await certificate(folder, "broker", "DNS:broker.example.com,IP:127.0.0.1");
    await certificate(folder, "cell-7", "DNS:cell-7");
    await prepare(folder);
  });
const file = (broker: Mosquitto, name: string): string => join(broker.folder, name);
/** Why a connection cannot be made. */
async function refusal(port: number, tls: object, ports = testPorts()): Promise<string> {
  try {
    await (await destinationAt(port, { tls }, ports, "mqtts").connect(forever, ignore)).close();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "connected";
}

describeNeeding(["mosquitto", "openssl"], "MQTT over TLS", () => {
  it("delivers with our authority and our certificate, read anew at each connect", async () => {
    await using broker = await start(["require_certificate true", "use_identity_as_username true"]);
    await writeFile(file(broker, "used.pem"), await readFile(file(broker, "stranger.pem")));
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(100));
    const ports = testPorts({ network: systemClock(20) });
    const tls = { ca: file(broker, "used.pem"), cert: file(broker, "cell-7.pem"), key: file(broker, "cell-7.key") };
    await using running = delivering(destinationAt(broker.port, { tls }, ports, "mqtts"), outbox, { ports });
    expect(await running.untilLink(({ state }) => state === "down")).toMatchObject({ fault: "refused", message: expect.stringContaining("tls.ca") as string });
    await writeFile(file(broker, "used.pem"), await readFile(file(broker, "ca.pem")));
    await outbox.drained();
  });

  it("says what is wrong: the name, the missing file, no TLS at the other end, a certificate that the broker does not know", async () => {
    await using broker = await start();
    await using plain = await startMosquitto();
    await using strict = await start(["require_certificate true"]);
    const ca = file(broker, "ca.pem");
    expect(await refusal(broker.port, { ca, servername: "other.example.com" })).toContain("its certificate is for DNS:");
    expect(await refusal(broker.port, { ca, servername: "broker.example.com" })).toBe("connected");
    expect(await refusal(broker.port, { ca: "/nowhere/ca.pem" })).toContain("/nowhere/ca.pem (tls.ca) cannot be read");
    expect(await refusal(broker.port, { ca: file(broker, "broker.ext") })).toMatch(/cannot be used|tls\.ca/);
    expect(await refusal(plain.port, { ca })).toMatch(/mqtts|TLS/);
    expect(await refusal(strict.port, { ca: file(strict, "ca.pem") })).toMatch(/does not accept our certificate|closed the connection/);
    expect(await refusal(strict.port, { ca: file(strict, "ca.pem"), cert: file(strict, "stranger.pem"), key: file(strict, "stranger.key") })).toContain("does not accept our certificate (tls.cert)");
  });
});

describeNeeding(["mosquitto", "openssl", "faketime"], "certificates and time", () => {
  it("names what expires within 30 days, the broker's, its authority's and ours, with the date", async () => {
    await using broker = await start([], async (folder) => {
      await certificate(folder, "broker", "IP:127.0.0.1", { days: 12 });
      await certificate(folder, "cell-7", "DNS:cell-7", { days: 2 });
    });
    const delivery = await destinationAt(broker.port, { tls: { ca: file(broker, "ca.pem"), cert: file(broker, "cell-7.pem"), key: file(broker, "cell-7.key") } }, testPorts(), "mqtts").connect(forever, ignore);
    const expiring = delivery.warnings();
    await delivery.close();
    expect(expiring).toEqual([
      `The broker's certificate broker expires on ${day(Date.now() + 12 * DAY_MS)}, in 11 days. Renew it.`,
      `Our certificate (tls.cert) cell-7 expires on ${day(Date.now() + 2 * DAY_MS)}, in 1 day. Renew it.`,
    ]);
  });

  it("a link that was made before it expired says that the next one will fail", async () => {
    await using broker = await start();
    let laterMs = 0;
    const real = systemClock();
    const network = { ...real, now: () => ({ ...real.now(), unixMs: unixMs(real.now().unixMs + laterMs) }) };
    const delivery = await destinationAt(broker.port, { tls: { ca: file(broker, "ca.pem") } }, testPorts({ network }), "mqtts").connect(forever, ignore);
    expect(delivery.warnings()).toEqual([]);
    laterMs = 400 * DAY_MS;
    const late = delivery.warnings();
    await delivery.close();
    expect(late).toEqual([expect.stringContaining("The broker's certificate broker expired on") as string, expect.stringContaining("The broker's authority ca expired on") as string]);
  });

  it("tells an expired certificate, one from the future, and a clock that is not set apart", async () => {
    await using expired = await start([], (folder) => certificate(folder, "broker", "IP:127.0.0.1", { days: 10, when: "-40 days" }));
    await using future = await start([], (folder) => certificate(folder, "broker", "IP:127.0.0.1", { days: 10, when: "+40 days" }));
    const expiredDay = day(Date.now() - 30 * DAY_MS);
    expect(await refusal(expired.port, { ca: file(expired, "ca.pem") })).toMatch(new RegExp(`the broker's certificate broker expired on ${expiredDay}, and this machine's clock says .* Renew it, or set this machine's clock\\. \\(CERT_HAS_EXPIRED\\)`));
    const ca = file(future, "ca.pem");
    expect(await refusal(future.port, { ca })).toMatch(/the broker's certificate broker is only valid from .*Wait, set the clock, or renew the certificate/);

    // The same handshake on a machine whose clock stands before this software was made.
    const unset = testPorts({ network: systemClock(1, Date.UTC(1970, 0, 1, 0, 1)) });
    expect(await refusal(future.port, { ca }, unset)).toMatch(/this machine's clock is not set: it says 1970-01-01 00:01 UTC, which is before this software was made.*Nothing is wrong with the certificate/);
  });

  it("our own certificate that has expired is named with its date when the broker refuses it", async () => {
    await using broker = await start(["require_certificate true"], (folder) => certificate(folder, "cell-7", "DNS:cell-7", { days: 10, when: "-40 days" }));
    const tls = { ca: file(broker, "ca.pem"), cert: file(broker, "cell-7.pem"), key: file(broker, "cell-7.key") };
    expect(await refusal(broker.port, tls)).toContain(`our certificate (tls.cert) cell-7 expired on ${day(Date.now() - 30 * DAY_MS)}`);
  });
});

describeNeeding(["mosquitto", "openssl"], "protocol names and WebSocket over TLS", () => {
  async function listening(server: Server): Promise<{ readonly port: number } & AsyncDisposable> {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return { port: (server.address() as AddressInfo).port, async [Symbol.asyncDispose]() { server.close(); } };
  }

  it("offers the names under tls.alpn, and says when the broker takes none of them", async () => {
    await using folder = await start();
    await using aedes = await startAedes();
    const [key, cert] = [await readFile(file(folder, "broker.key")), await readFile(file(folder, "broker.pem"))];
    const agreed: unknown[] = [];
    await using broker = await listening(createTls({ key, cert, ALPNProtocols: ["x-amzn-mqtt-ca"] }, (socket) => {
      agreed.push(socket.alpnProtocol);
      void aedes.aedes.handle(socket.on("error", ignore));
    }).on("tlsClientError", ignore));
    const ca = file(folder, "ca.pem");
    expect(await refusal(broker.port, { ca, alpn: ["x-amzn-mqtt-ca", "other"] })).toBe("connected");
    expect(agreed.at(-1)).toBe("x-amzn-mqtt-ca");
    expect(await refusal(broker.port, { ca, alpn: ["mqtt"] })).toContain("it takes none of the protocols under tls.alpn");
  });

  it("wss: the same verification, the same warnings, records arrive", async () => {
    await using folder = await start([], (into) => certificate(into, "broker", "DNS:broker.example.com,IP:127.0.0.1", { days: 5 }));
    await using aedes = await startAedes();
    const web = createHttps({ key: await readFile(file(folder, "broker.key")), cert: await readFile(file(folder, "broker.pem")) }).on("tlsClientError", ignore);
    const webSockets = new WebSocketServer({ server: web, path: "/mqtt" });
    webSockets.on("connection", (webSocket) => void aedes.aedes.handle(createWebSocketStream(webSocket).on("error", ignore)));
    await using server = await listening(web);
    const url = `wss://127.0.0.1:${server.port}/mqtt`;
    const ca = file(folder, "ca.pem");
    await expect(destinationAt(0, { url, tls: { ca: file(folder, "stranger.pem") } }).connect(forever, ignore)).rejects.toMatchObject({ message: expect.stringContaining("tls.ca") as string });
    await expect(destinationAt(0, { url, tls: { ca, servername: "other.example.com" } }).connect(forever, ignore)).rejects.toMatchObject({ message: expect.stringContaining("its certificate is for DNS:") as string });
    const delivery = await destinationAt(0, { url, tls: { ca } }).connect(forever, ignore);
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(300));
    expect((await delivery.deliver(outbox.pending("bridge", 0, 300), forever)).accepted.length).toBe(300);
    expect(delivery.warnings()[0]).toContain("The broker's certificate broker expires on");
    await delivery.close();
    webSockets.close();
  });
});
