/** Peers that hang, die, lie or speak something else. */
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { testPorts } from "../../support/ports.ts";
import { httpAnswer, rawServer, type RawAnswer, type RawRequest } from "./raw-server.ts";
import { run } from "./reading.ts";
import { TinyAgent } from "./tiny-agent.ts";

const answers = (body: string | Uint8Array, options?: Parameters<typeof httpAnswer>[1]) => (): RawAnswer => ({ bytes: httpAnswer(body, options) });
const bytes = (text: string, ending: RawAnswer["ending"] = "close") => (): RawAnswer => ({ bytes: Buffer.from(text, "latin1"), ending });
/** Real peers, network time ten times as fast: deadlines of seconds pass in tenths. */
const fast = () => testPorts({ network: systemClock(10) });

/** A peer that answers the first two questions like an agent and then does as told. */
async function agentThat(sample: (request: RawRequest) => RawAnswer | null): Promise<{ readonly url: string; readonly sent: number } & AsyncDisposable> {
  const tiny = new TinyAgent({ streams: true });
  const real = await tiny.listen();
  const ask = async (target: string): Promise<Uint8Array> => httpAnswer(await (await fetch(real + target)).text());
  const [probe, current] = [await ask("/probe"), await ask("/current")];
  const server = await rawServer((request) => (request.target.includes("/sample") ? sample(request) : { bytes: request.target.includes("/probe") ? probe : current }));
  return {
    url: server.url,
    get sent() { return server.sent; },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await tiny[Symbol.asyncDispose]();
    },
  };
}

describe("peers that are no agent", () => {
  it.each<[string, () => RawAnswer | null, string, RegExp]>([
    ["a web page", answers("<!DOCTYPE html><html><body>hello</body></html>", { headers: { "Content-Type": "text/html" } }), "protocol", /is no MTConnect document \(at byte 0: 3c21444f/u],
    ["well-formed HTML", answers("<html><body/></html>"), "protocol", /is this the agent's address/u],
    ["another XML", answers("<?xml version=\"1.0\"?><catalogue/>"), "protocol", /the root element is <catalogue>/u],
    ["JSON", answers("{\"MTConnectDevices\":{}}", { headers: { "Content-Type": "application/json" } }), "unsupported", /switch the agent to XML/u],
    ["nothing", answers(""), "protocol", /is no MTConnect document/u],
    ["entities", answers("<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x \"y\">]><MTConnectDevices/>"), "protocol", /DOCTYPE/u],
    ["truncated XML", answers("<?xml version=\"1.0\"?><MTConnectDevices><Devices>"), "protocol", /is not a device model: the document ends inside <Devices>, at character 48: \(end\)/u],
    ["a wrong password", answers("no", { status: 401 }), "refused", /set username and password/u],
    ["forbidden", answers("no", { status: 403 }), "refused", /403/u],
    ["too many", answers("no", { status: 429 }), "refused", /asked too often/u],
    ["a redirect", answers("", { status: 302, headers: { Location: "http://evil.example/probe" } }), "refused", /evil\.example.*not followed/u],
    ["an error of old", answers("<MTConnectError><Header/><Error errorCode=\"UNAUTHORIZED\">go away</Error></MTConnectError>"), "refused", /UNAUTHORIZED \(go away\)/u],
    ["an SSH server", bytes("SSH-2.0-OpenSSH_9.2\r\n"), "protocol", /does not speak HTTP.*5353482d322e30/u],
    ["a packed bomb", answers(gzipSync(Buffer.alloc(65 * 1024 * 1024)), { headers: { "Content-Encoding": "gzip" } }), "protocol", /more than 67108864 bytes/u],
    ["packed rubbish", answers("rubbish", { headers: { "Content-Encoding": "gzip" } }), "protocol", /cannot be unpacked/u],
    ["endless heads", bytes(`HTTP/1.1 200 OK\r\nX: ${"y".repeat(20_000)}\r\n\r\n`), "protocol", /does not speak HTTP/u],
    ["a connection that closes", bytes(""), "lost", /connection/u],
    ["a reset", bytes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", "reset"), "lost", /ECONNRESET/u],
    ["half an answer", bytes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"), "lost", /ECONNRESET/u],
  ])("%s", async (_, answer, fault, message) => {
    await using server = await rawServer(answer);
    const { error } = await run({ url: server.url });
    expect(error).toMatchObject({ fault });
    expect(error?.message).toMatch(message);
    expect(error?.retry).not.toBe("never");
  });

  it("a silent peer, and one that stops within the answer", async () => {
    for (const answer of [(): null => null, bytes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", "hang")]) {
      await using server = await rawServer(answer);
      const { error } = await run({ url: server.url, timeout: "2s" }, { ports: fast() });
      expect(error).toMatchObject({ fault: "timeout" });
    }
  });

  it("nobody", async () => {
    const server = await rawServer(() => null);
    await server[Symbol.asyncDispose]();
    const { error } = await run({ url: server.url });
    expect(error).toMatchObject({ fault: "refused" });
    expect(error?.message).toMatch(/is the agent running.*ECONNREFUSED/u);
  });

  it("another device, with those it has", async () => {
    await using agent = new TinyAgent();
    const { error } = await run({ url: await agent.listen(), device: "VF2" });
    expect(error?.message).toMatch(/has no device "VF2"; it has: M1 \(uuid 000\)/u);
  });
});

describe("streams that go wrong", () => {
  const head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n";
  const part = (body: string, more = ""): string => `--b\r\nContent-type: text/xml\r\nContent-length: ${Buffer.byteLength(body)}${more}\r\n\r\n${body}\r\n`;
  it.each<[string, string, string, RegExp]>([
    ["rubbish between parts", `${head}${"x".repeat(70_000)}`, "protocol", /no boundary.*at byte 0: 7878/u],
    ["a part head without end", `${head}--b\r\n${"A: b\r\n".repeat(2_000)}`, "protocol", /part head beyond 8192/u],
    ["a part of 100 GB", `${head}--b\r\nContent-length: 100000000000\r\n\r\n`, "protocol", /100000000000 bytes/u],
    ["a length that is none", `${head}--b\r\nContent-length: -1\r\n\r\n`, "protocol", /Content-length of "-1"/u],
    ["broken XML", head + part("<MTConnectStreams><Header></Streams></MTConnectStreams>"), "protocol", /<\/Streams> where <\/Header> is due, at character 26: 3c2f5374/u],
    ["no header", head + part("<MTConnectStreams><Streams/></MTConnectStreams>"), "protocol", /no Header/u],
    ["no instanceId", head + part("<MTConnectStreams><Header nextSequence=\"5\"/><Streams/></MTConnectStreams>"), "protocol", /neither instanceId/u],
    ["an error within", head + part("<MTConnectError><Header/><Errors><Error errorCode=\"OUT_OF_RANGE\">gone</Error></Errors></MTConnectError>"), "lost", /OUT_OF_RANGE \(gone\)/u],
    ["an orderly end", `${head}--b--\r\n`, "lost", /ended the stream/u],
    ["a part packed wrongly", head + part("rubbish", "\r\nContent-encoding: gzip"), "protocol", /cannot be unpacked/u],
  ])("%s", async (_, stream, fault, message) => {
    await using agent = await agentThat(bytes(stream));
    const { error, batches } = await run({ url: agent.url });
    expect(batches).toHaveLength(2);
    expect(error).toMatchObject({ fault, retry: "backoff" });
    expect(error?.message).toMatch(message);
  });

  it("a stream that falls silent is lost after two heartbeats", async () => {
    await using agent = await agentThat(bytes(head, "hang"));
    const { error } = await run({ url: agent.url, heartbeat: "1s" }, { ports: fast() });
    expect(error).toMatchObject({ fault: "timeout" });
    expect(error?.message).toMatch(/has been silent for 4000 ms/u);
  });

  it("an agent that is told to stream and does not", async () => {
    await using agent = new TinyAgent({ streams: false });
    const { error } = await run({ url: await agent.listen(), streaming: "stream" });
    expect(error?.message).toMatch(/does not stream/u);
  });
});
