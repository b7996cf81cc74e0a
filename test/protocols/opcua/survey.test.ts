/** The few messages that ask a server what it offers: against node-opcua's server, against hostile bytes, and what cannot be said with them. */
import { describe, expect, it } from "vitest";
import { LinkError } from "../../../agent/contract/errors.ts";
import { startServer } from "../../../agent/simulate/opcua/server.ts";
import { decodeEndpoints, decodeError, decodeOpened, encodeClose, encodeGetEndpoints, encodeHello, encodeOpen, MessageFramer, type Message } from "../../../protocols/opcua/greeting-codec.ts";
import { survey } from "../../../protocols/opcua/survey.ts";
import { seeded } from "../../support/seeded.ts";
import { stranger } from "../../agent/cli/find/shop.ts";
import { freePort } from "../../support/free-port.ts";
import { testPorts } from "../../support/ports.ts";
import { temporaryFolder } from "./support.ts";

const forever = new AbortController().signal;
const looking = (port: number) => ({ at: { host: "127.0.0.1", port }, timeoutMs: 5_000 });
const URL_OF = "opc.tcp://127.0.0.1:4840";

describe("a server", () => {
  it("says what it offers: all policies, all ways to log in, without a session", async () => {
    using own = temporaryFolder("survey");
    const server = await startServer({ port: await freePort(), folder: own.path, secured: true, users: { reader: "x" }, product: "Shop server" });
    try {
      const [found, ...others] = await survey.identify(looking(Number(new URL(server.url).port)), testPorts(), forever);
      expect(others).toEqual([]);
      expect(found).toMatchObject({ words: "OPC UA server Shop server", keys: { security: "encrypt" } });
      expect(found?.facts?.["security"]?.split(", ")).toEqual(expect.arrayContaining(["none", "sign (Basic256Sha256)", "encrypt (Basic256Sha256)"]));
      expect(found?.facts?.["logins"]).toContain("user name");
      expect([server.sessions, server.counts.writes, server.counts.calls]).toEqual([0, 0, 0]);
    } finally {
      await server.close();
    }
  });

  it("that refuses is told in its words; one of another protocol is none", async () => {
    const words = Buffer.from("no more connections");
    const error = Buffer.alloc(16 + words.length);
    error.write("ERRF", 0, "latin1");
    error.writeUInt32LE(error.length, 4);
    error.writeUInt32LE(0x807d0000, 8);
    error.writeUInt32LE(words.length, 12);
    words.copy(error, 16);
    await using refusing = await stranger((socket) => socket.once("data", () => socket.write(error)));
    const [found] = await survey.identify(looking(refusing.port), testPorts(), forever);
    expect(found?.notes?.join()).toContain("no more connections (0x807d0000)");
    await using web = await stranger((socket) => socket.once("data", () => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n")));
    await expect(survey.identify(looking(web.port), testPorts(), forever)).rejects.toThrow(/is no OPC UA message.*485454502f/);
  });
});

describe("the messages", () => {
  const sent = [encodeHello(URL_OF), encodeOpen(5_000), encodeGetEndpoints({ channel: 7, token: 9 }, URL_OF, 5_000), encodeClose({ channel: 7, token: 9 })];

  it("are four, each as long as it says", () => {
    expect(sent.map((bytes) => bytes.toString("latin1", 0, 4))).toEqual(["HELF", "OPNF", "MSGF", "CLOF"]);
    expect(sent.map((bytes) => bytes.readUInt32LE(4))).toEqual(sent.map(({ length }) => length));
    expect(sent[0]?.toString("hex")).toBe(`48454c463800000000000000${"00000100".repeat(2)}000010004000000018000000${Buffer.from(URL_OF).toString("hex")}`);
  });

  it("mutated in any way are understood or refused with words, never worse (seed 5)", async () => {
    const real = await recorded();
    const random = seeded(5);
    const below = (limit: number): number => Math.floor(random() * limit);
    const outcomes = { read: 0, refused: 0, worse: new Set<unknown>() };
    for (let round = 0; round < 50_000; round++) {
      const bytes = Buffer.from(real[below(real.length)] ?? Buffer.alloc(0));
      for (let edits = 1 + below(4); edits > 0; edits--) bytes[below(bytes.length)] = below(256);
      const cut = bytes.subarray(0, random() < 0.2 ? below(bytes.length) : bytes.length);
      try {
        const framer = new MessageFramer("it");
        const at = below(cut.length + 1);
        for (const message of [...framer.push(cut.subarray(0, at)), ...framer.push(cut.subarray(at))]) understood(message);
        outcomes.read++;
      } catch (cause) {
        if (cause instanceof LinkError) outcomes.refused++;
        else outcomes.worse.add(cause);
      }
    }
    expect(outcomes.worse).toEqual(new Set());
    expect(Math.min(outcomes.read, outcomes.refused)).toBeGreaterThan(1_000);
  });
});

function understood(message: Message): void {
  if (message.type === "ERR") decodeError(message, "it");
  else if (message.type !== "ACK") {
    decodeOpened(message, "it");
    decodeEndpoints(message, "it");
  }
}

/** What a real server answers to the three questions. */
async function recorded(): Promise<readonly Buffer[]> {
  using own = temporaryFolder("survey");
  const server = await startServer({ port: await freePort(), folder: own.path, secured: true });
  const { createConnection } = await import("node:net");
  const socket = createConnection({ host: "127.0.0.1", port: Number(new URL(server.url).port) });
  const framer = new MessageFramer("it");
  const answers: Buffer[] = [];
  const ask = async (bytes: Buffer): Promise<Message> => {
    socket.write(bytes);
    const chunks: Buffer[] = [];
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      const [message] = framer.push(chunk);
      if (message === undefined) continue;
      answers.push(Buffer.concat(chunks));
      return message;
    }
    throw new Error("the server ended the connection");
  };
  try {
    await ask(encodeHello(server.url));
    const channel = decodeOpened(await ask(encodeOpen(5_000)), "it");
    if (channel === null) throw new Error("no channel was opened");
    const offered = decodeEndpoints(await ask(encodeGetEndpoints(channel, server.url, 5_000)), "it");
    expect(offered?.endpoints.length).toBeGreaterThan(1);
    socket.write(encodeClose(channel));
  } finally {
    socket.destroy();
    await server.close();
  }
  return answers;
}
