/** A port that never stops talking: the link ends soon, so that it does not take the time of the others. */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { LinkError } from "../../../agent/contract/errors.ts";
import { decode } from "../../../agent/contract/shape.ts";
import { HAAS_SHAPE } from "../../../protocols/haas/config.ts";
import { haas } from "../../../protocols/haas/driver.ts";
import { testPorts } from "../../support/ports.ts";

it.each([["replies to others", "\u0002STATUS, BUSY\u0017\r\n>"], ["rubbish", "~~~~~~~~~~~~~~\r\n"], ["a line without an end", "x"]])("%s", async (_, text) => {
  let taken = 0;
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    const much = Buffer.from(text.repeat(4_000));
    const say = (): void => {
      do taken += much.length;
      while (!socket.destroyed && socket.write(much));
    };
    socket.on("drain", say);
    say();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const config = decode(HAAS_SHAPE, { host: "127.0.0.1", port: (server.address() as AddressInfo).port, timeout: "10s" });
  if (!config.ok) throw new Error(JSON.stringify(config.problems));
  try {
    const refused = await haas.create(config.value, testPorts()).connect(new AbortController().signal).then(() => null, (error: unknown) => error);
    expect(refused).toBeInstanceOf(LinkError);
    expect(taken).toBeLessThan(32 * 1024 * 1024);
  } finally {
    server.close();
  }
});
