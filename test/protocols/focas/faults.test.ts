/** A control that answers wrongly, late, half or not at all; that has no slot left; and every way out closes politely. */
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { LinkError } from "../../../agent/contract/errors.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import type { Fault } from "../../../agent/simulate/focas/faults.ts";
import type { FocasServer } from "../../../agent/simulate/focas/server.ts";
import { focas } from "../../../protocols/focas/driver.ts";
import { testPorts } from "../../support/ports.ts";
import { config, control, run } from "./reading.ts";
import { SHEET } from "./frames.ts";

/** Network time, twenty times as fast: nobody waits five seconds for a control that says nothing. */
const hasty = () => testPorts({ network: systemClock(20) });

describe("answers", () => {
  it.each<Fault>(["bytewise", "detail"])("%s: all values come none the less", async (fault) => {
    await using server = await control();
    server.control.first.parameters.set(6711, 5);
    server.fault = fault;
    const told = await run(server.port);
    expect(told.error).toBeNull();
    expect(told.last("part_count")).toBe(5);
  });

  it.each<[Fault, LinkError["fault"], string]>([
    ["sync", "protocol", "does not begin a FOCAS frame"], ["longer", "protocol", "bytes more than its answers"], ["count", "protocol", "questions"], ["swapped", "protocol", "out of step"],
    ["twice", "protocol", "nobody had asked for"], ["reset", "lost", "cut the connection"], ["cut", "lost", "ended the connection"], ["half", "timeout", "no answer"], ["silent", "timeout", "no answer"],
  ])("%s: the link is given up as %s", async (fault, kind, words) => {
    await using server = await control();
    let seen = 0;
    const told = await run(server.port, {}, { ports: hasty(), until: () => {
      if (++seen === 2) server.fault = fault;
      return seen > 6;
    } });
    expect(told.error?.fault).toBe(kind);
    expect(told.error?.message).toContain(words);
    expect(told.error?.message).toMatch(kind === "protocol" && fault !== "twice" ? /at byte \d+: [0-9a-f]+/u : /127\.0\.0\.1:\d+/u);
    // What was wrong is in no reading.
    expect(told.readings.filter(({ quality }) => quality === "UNAVAILABLE" ).map(({ signal }) => signal)).toEqual(["program_comment"]);
    await expect.poll(() => server.connections, { interval: 5 }).toBe(0);
  });

  it("a frame refused whole: each value is asked alone, and one that cannot be had costs no other", async () => {
    await using server = await control();
    server.control.first.parameters.set(6711, 5);
    server.refuse.set(0x1d, "broken");
    const told = await run(server.port, {}, { until: (_, { length }) => length === 3 });
    expect([told.error, told.last("part_count"), told.last("execution"), told.last("block")]).toEqual([null, 5, "READY", null]);
    // It is known after the first time: the others are asked for together again.
    expect(server.asked.get(0x1d)).toBe(2);
  });
});

describe("opening", () => {
  it("the third connection is refused, with the remedy, and costs no slot", async () => {
    await using server = await control({ slots: 2 });
    const stop = new AbortController();
    const driver = focas.create(config({ port: server.port }), testPorts());
    const [one, two] = [await driver.connect(stop.signal), await driver.connect(stop.signal)];
    const third = await driver.connect(stop.signal).catch((cause: unknown) => cause);
    expect(third).toBeInstanceOf(LinkError);
    expect(third).toMatchObject({ fault: "refused", retry: { afterMs: 5_000 } });
    expect(String(third)).toContain("few slots");
    expect(server.stats).toMatchObject({ opened: 2, refused: 1 });
    await one.close();
    await expect.poll(() => server.connections, { interval: 5 }).toBe(1);
    const again = await driver.connect(stop.signal);
    await again.close();
    await two.close();
    await expect.poll(() => [server.connections, server.stats.forgotten], { interval: 5 }).toEqual([0, 0]);
  });

  it("a port that speaks something else is told by its bytes", async () => {
    await using server = await control();
    server.fault = "sync";
    expect((await run(server.port)).error).toMatchObject({ fault: "protocol" });
  });

  it("the simulated control resets a question on the transfer channel, and counts a download as a write", async () => {
    await using server = await control();
    const socket = connect({ host: "127.0.0.1", port: server.port });
    socket.on("error", () => undefined);
    socket.write(SHEET.openTransfer);
    await once(socket, "data");
    socket.write(Buffer.from("a0a0a0a0000111010000", "hex"));
    await new Promise((resolve) => socket.once("close", resolve));
    expect(server.stats).toMatchObject({ writes: 1, forgotten: 1 });
  });
});

describe("every way out says goodbye", () => {
  const ways: readonly (readonly [string, (at: { readonly port: number }, stop: AbortController, server: FocasServer) => Promise<void>])[] = [
    ["closed before it was read", async ({ port }, stop) => {
      const session = await focas.create(config({ port }), testPorts()).connect(stop.signal);
      await session.close();
    }],
    ["stopped while it waits for the next poll", async ({ port }) => { await run(port); }],
    ["stopped while it opens", async ({ port }, stop, server) => {
      server.beforeAnswer = () => { stop.abort(new Error("enough")); };
      await expect(focas.create(config({ port }), testPorts()).connect(stop.signal)).rejects.toThrow("enough");
      server.beforeAnswer = () => undefined;
    }],
    ["the consumer throws", async ({ port }, stop) => {
      const session = await focas.create(config({ port }), testPorts()).connect(stop.signal);
      try {
        for await (const _ of session.read(null, stop.signal)) throw new Error("the disk is full");
      } catch {
        await session.close();
      }
    }],
  ];
  it.each(ways)("%s", async (_, leave) => {
    await using server = await control();
    await leave(server, new AbortController(), server);
    await expect.poll(() => [server.connections, server.stats.forgotten], { interval: 5 }).toEqual([0, 0]);
  });

  it("after a timeout too: the control hears it, though nobody waits for its answer", async () => {
    await using server = await control();
    let seen = 0;
    const told = await run(server.port, {}, { ports: hasty(), until: () => {
      if (++seen === 1) server.fault = "silent";
      return false;
    } });
    expect(told.error?.fault).toBe("timeout");
    await expect.poll(() => [server.connections, server.stats.closed, server.stats.forgotten], { interval: 5 }).toEqual([0, 1, 0]);
  });
});

it("a control that is switched off is missed at once, not with the next poll; it is found again when it is back", async () => {
  await using server = await control();
  const stop = new AbortController();
  const driver = focas.create(config({ port: server.port, interval: "60s", slow_interval: "60s" }), testPorts());
  const session = await driver.connect(stop.signal);
  const batches = session.read(null, stop.signal)[Symbol.asyncIterator]();
  await batches.next();
  const next = batches.next();
  await server.powerOff();
  await expect(next).rejects.toMatchObject({ fault: "lost" });
  await session.close();
  await expect(driver.connect(stop.signal)).rejects.toMatchObject({ fault: "refused" });
  await server.powerOn();
  await (await driver.connect(stop.signal)).close();
  await expect.poll(() => [server.stats.opened, server.stats.forgotten, server.stats.closed], { interval: 5 }).toEqual([2, 1, 1]);
});

it("a control that answers slowly gets a rest as long as its answers took", async () => {
  await using server = await control();
  // Busy for a while, as a control is.
  const busyMs = 60;
  server.beforeAnswer = () => { for (const end = performance.now() + busyMs; performance.now() < end;) continue; };
  const rests: number[] = [];
  const network = systemClock();
  const ports = testPorts({ network: { ...network, sleep: (ms, signal) => {
    rests.push(ms);
    return network.sleep(ms, signal);
  } } });
  await run(server.port, {}, { ports, until: (_, { length }) => length === 4 });
  expect(rests).toHaveLength(3);
  expect(Math.min(...rests)).toBeGreaterThanOrEqual(busyMs);
});
