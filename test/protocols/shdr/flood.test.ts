/** An adapter that never stops: the others have their turns meanwhile, and what is given at once is little. */
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { expect, it } from "vitest";
import { shdr } from "../../../protocols/shdr/driver.ts";
import { testPorts } from "../../support/ports.ts";
import { config } from "./reading.ts";

const LINES = 200;

it("leaves the event loop to others after little work, and holds little", async () => {
  let lines = 0;
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    const say = (): void => {
      do lines += LINES;
      while (!socket.destroyed && socket.write(Array.from({ length: LINES }, (_, number) => `${new Date().toISOString()}|S1speed|${lines + number}\n`).join("")));
    };
    socket.on("drain", say);
    say();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const stopping = new AbortController();
  const session = await shdr.create(config({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, map: { S1speed: "spindle_speed" } }), testPorts()).connect(stopping.signal);
  try {
    let [turns, batches, readings, most, longest, without] = [0, 0, 0, 0, 0, 0];
    const count = (): void => {
      [turns, without] = [turns + 1, 0];
      if (!stopping.signal.aborted) setTimeout(count, 0);
    };
    count();
    for await (const { items } of session.read(null, stopping.signal)) {
      // The greeting is one batch, whatever it holds.
      if (batches++ > 0) [most, readings] = [Math.max(most, items.length), readings + items.length];
      without += items.length;
      longest = Math.max(longest, without);
      if (readings > 30_000) break;
    }
    expect(most).toBeLessThanOrEqual(200);
    expect(turns).toBeGreaterThan(20);
    // More than is read in one piece of work never comes without a turn of the others.
    expect(longest).toBeLessThan(20_000);
  } finally {
    stopping.abort(new Error("the test is over"));
    await session.close();
    server.close();
  }
}, 60_000);
