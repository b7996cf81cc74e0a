import { getEventListeners, once } from "node:events";
import * as net from "node:net";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { dial } from "../../../protocols/shared/dial.ts";
import { Exchange, type Framer } from "../../../protocols/shared/exchange.ts";
import { LinkError } from "../../../agent/contract/errors.ts";
import { freePort } from "../../support/free-port.ts";
import { testPorts } from "../../support/ports.ts";

/** Lines; one that begins with `!` is none. */
function lines(): Framer<string> {
  let rest = "";
  return {
    push(bytes) {
      rest += Buffer.from(bytes).toString("latin1");
      const whole = rest.split("\n");
      rest = whole.pop() ?? "";
      if (whole.some((line) => line.startsWith("!"))) throw new LinkError("protocol", "backoff", "no line");
      return whole;
    },
    reset: () => void (rest = ""),
  };
}

interface Server extends AsyncDisposable {
  readonly port: number;
  readonly heard: string[];
  say(text: string): void;
  end(): void;
}
/** Says what `answer` gives for each piece that it hears; null: nothing. */
async function server(answer: (text: string) => string | null): Promise<Server> {
  const sockets = new Set<net.Socket>();
  const heard: string[] = [];
  const listening = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      const text = bytes.toString("latin1");
      heard.push(text);
      const said = answer(text);
      if (said !== null) socket.write(said);
    });
  }).listen(0, "127.0.0.1");
  await once(listening, "listening");
  return {
    heard,
    port: (listening.address() as net.AddressInfo).port,
    say: (text) => { for (const socket of sockets) socket.write(text); },
    end: () => { for (const socket of sockets) socket.end(); },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listening.close();
      await once(listening, "close");
    },
  };
}

const forever = new AbortController().signal;
const ports = testPorts();
async function exchangeWith(port: number, timeoutMs = 2_000): Promise<Exchange<string> & AsyncDisposable> {
  const stream = await dial({ what: "the test", host: "127.0.0.1", port, timeoutMs: 2_000 }, ports, forever);
  return Object.assign(new Exchange({ stream, framer: lines(), where: "the test", network: systemClock(), timeoutMs }), {
    async [Symbol.asyncDispose]() {
      stream.destroy();
      await Promise.resolve();
    },
  });
}
const bytes = (text: string): Uint8Array => Buffer.from(text);

describe("one request in flight", () => {
  it("concurrent askers take turns, and each gets its own answer", async () => {
    let open = 0;
    await using peer = await server((text) => {
      expect(++open).toBe(1);
      open--;
      return `re ${text}`;
    });
    await using exchange = await exchangeWith(peer.port);
    const answers = await Promise.all(["a\n", "b\n", "c\n"].map((text) => exchange.ask(bytes(text), forever)));
    expect(answers).toEqual(["re a", "re b", "re c"]);
    expect(peer.heard).toEqual(["a\n", "b\n", "c\n"]);
  });

  it("what nobody asked for is dropped and counted", async () => {
    await using peer = await server((text) => text);
    await using exchange = await exchangeWith(peer.port);
    await exchange.ask(bytes("a\n"), forever);
    peer.say("stray\nstray\n");
    await expect.poll(() => exchange.strays, { interval: 2 }).toBe(2);
    expect(await exchange.ask(bytes("b\n"), forever)).toBe("b");
  });

  it("a late answer is never taken for the next one", async () => {
    await using peer = await server((text) => (text === "slow\n" ? null : text));
    await using exchange = await exchangeWith(peer.port, 50);
    await expect(exchange.ask(bytes("slow\n"), forever)).rejects.toMatchObject({ fault: "timeout" });
    await expect(exchange.ask(bytes("next\n"), forever)).rejects.toMatchObject({ fault: "lost", message: expect.stringContaining("still owed") as string });
    const settling = exchange.settle(30, 2_000, forever);
    peer.say("sl");
    peer.say("ow\n");
    await settling;
    expect(await exchange.ask(bytes("next\n"), forever, 2_000)).toBe("next");
    expect(peer.heard).toEqual(["slow\n", "next\n"]);
  });

  it.each<[string, "protocol" | "lost", (peer: Server) => void]>([
    ["rubbish", "protocol", (peer) => { peer.say("!\n"); }],
    ["the end of the stream", "lost", (peer) => { peer.end(); }],
  ])("%s ends it for the one who waits and for all after", async (_, fault, happens) => {
    await using peer = await server(() => null);
    await using exchange = await exchangeWith(peer.port);
    const asked = exchange.ask(bytes("a\n"), forever);
    await expect.poll(() => peer.heard, { interval: 2 }).toHaveLength(1);
    happens(peer);
    await expect(asked).rejects.toMatchObject({ fault });
    await expect(exchange.ask(bytes("b\n"), forever)).rejects.toMatchObject({ fault });
  });

  it("an abort ends the wait with its reason, and leaves no listener", async () => {
    await using peer = await server(() => null);
    await using exchange = await exchangeWith(peer.port);
    const stop = new AbortController();
    const asked = [exchange.ask(bytes("a\n"), stop.signal), exchange.ask(bytes("b\n"), stop.signal)];
    stop.abort(new Error("enough"));
    for (const one of asked) await expect(one).rejects.toThrow("enough");
    expect(getEventListeners(stop.signal, "abort")).toEqual([]);
    expect(peer.heard.filter((text) => text.includes("b"))).toEqual([]);
  });
});

describe("dialling", () => {
  it("says what to do when nobody listens", async () => {
    const port = await freePort();
    await expect(dial({ what: "the FOCAS server", host: "127.0.0.1", port, timeoutMs: 1_000 }, ports, forever))
      .rejects.toMatchObject({ fault: "refused", message: expect.stringMatching(/^the FOCAS server at 127\.0\.0\.1:\d+: nothing listens there/u) as string });
  });

  it("ends with the signal", async () => {
    const stop = new AbortController();
    const dialling = dial({ what: "x", host: "192.0.2.1", port: 9, timeoutMs: 60_000 }, ports, stop.signal);
    stop.abort(new Error("enough"));
    await expect(dialling).rejects.toThrow("enough");
    expect(getEventListeners(stop.signal, "abort")).toEqual([]);
  });
});
