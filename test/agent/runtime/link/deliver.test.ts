import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { unixMs } from "../../../../agent/contract/time.ts";
import { deliver } from "../../../../agent/runtime/link/deliver.ts";
import { AT_ONCE } from "../../../../agent/runtime/link/pacing.ts";
import { StoreError } from "../../../../agent/contract/errors.ts";
import type { Outbox } from "../../../../agent/contract/outbox.ts";
import type { Link } from "../../../../agent/contract/source.ts";
import { freePort } from "../../../support/free-port.ts";
import { delivering, destinationAt, eventOf, put, testBoard } from "../../../support/delivering.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { memoryOutbox } from "../../../support/memory-outbox.ts";
import { testPorts } from "../../../support/ports.ts";
import { manyRecords, SAMPLE_CONTEXT, SAMPLES } from "../../../support/sample-records.ts";
import { startScriptedBroker } from "../../../support/scripted-broker.ts";
import { systemClock } from "../../../../agent/runtime/time/clock.ts";

const downs = (links: readonly Link[]): readonly number[] => links.flatMap((link) => (link.state === "down" ? [link.retryInMs] : []));

describe("the delivery loop", () => {
  it("a destination that is not there is tried at growing intervals, and a second one is not delayed by it", async () => {
    await using broker = await startScriptedBroker({});
    const ports = testPorts({ network: systemClock(100) });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(100));
    await using dead = delivering(destinationAt(await freePort(), {}, ports), memoryOutbox(), { ports });
    await using _ = delivering(destinationAt(broker.port), outbox);
    await outbox.drained(2_000);
    await dead.untilLink((link) => link.state === "connecting" && link.attempt === 5);
    expect(downs(dead.links).slice(0, 4)).toEqual([750, 1_500, 3_000, 6_000]); // Its clock is fast: a further one may have come.
    expect(dead.links.filter(({ state }) => state === "down").every((link) => "fault" in link && link.fault === "unreachable")).toBe(true);
  });

  it("a link that is lost as soon as it is made does not shorten the interval; one that has held does", async () => {
    await using broker = await startScriptedBroker({ publish: (_, nth) => (nth <= 3 ? "die" : 0) });
    const clock = fakeClock();
    const ports = testPorts({ network: clock });
    const outbox = memoryOutbox();
    await put(outbox, [SAMPLES.state]);
    await using running = delivering(destinationAt(broker.port, {}, ports), outbox, { ports });
    const nthDown = async (count: number): Promise<void> => void await running.untilLink(() => downs(running.links).length === count);
    for (const [count, waitMs] of [[1, 750], [2, 1_500], [3, 3_000]] as const) {
      await nthDown(count);
      await clock.advance(waitMs);
    }
    await outbox.drained();
    await clock.advance(15_000);
    broker.dismiss(0x8b);
    await nthDown(4);
    expect(downs(running.links)).toEqual([750, 1_500, 3_000, 750]);
  });

  it("new records leave at once while older ones are still under way", async () => {
    await using broker = await startScriptedBroker({ publish: (_, nth) => (nth === 1 ? "silent" : 0) });
    const outbox = memoryOutbox();
    await put(outbox, [SAMPLES.state]);
    await using _ = delivering(destinationAt(broker.port), outbox);
    while (broker.published.length === 0) await new Promise((resolve) => setImmediate(resolve));
    for (let count = 2; count <= 20; count++) {
      await put(outbox, manyRecords(1, count));
      while (outbox.accepted.length < count - 1) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(outbox.accepted).toEqual(Array.from({ length: 19 }, (_, index) => index + 2));
  });

  it("keeps the window full across hand-overs", async () => {
    await using broker = await startScriptedBroker({ delayMs: 30 });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(3_000));
    await using _ = delivering(destinationAt(broker.port, { window: 1_000 }), outbox);
    await outbox.drained();
    expect(broker.mostInFlight).toBe(1_000);
  });

  it("a record that the peer refuses again and again ends among the dead letters, and is told once", async () => {
    await using broker = await startScriptedBroker({ publish: ({ text }) => (text.includes('"seq":2,') ? 0x87 : 0) });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(5));
    const ports = testPorts({ network: systemClock(200) });
    await using running = delivering(destinationAt(broker.port, {}, ports), outbox, { ports });
    await outbox.drained();
    expect(outbox.rejected).toEqual([{ seq: 2, reason: "not authorised (0x87)" }]);
    const [first, ...again] = broker.published.filter(({ text }) => eventOf(text).seq === 2).map(({ text }) => eventOf(text).replay);
    // Five tries count, 20 s apart at least; those between cost nothing.
    expect([first, again.length >= 4, again.every((replay) => replay === true)]).toEqual([undefined, true, true]);
    expect(ports.lines.filter(({ level }) => level === "error")).toHaveLength(1);
    expect(running.links.filter(({ state }) => state === "down")).toEqual([]);
  });

  it("stopping waits for what is in flight, settles it, and says goodbye", async () => {
    await using broker = await startScriptedBroker({ delayMs: 100 });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(500));
    const running = delivering(destinationAt(broker.port), outbox);
    while (broker.published.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await running.stop();
    const records = broker.published.filter(({ topic }) => topic.includes("/rec/"));
    expect(outbox.accepted).toEqual(records.map(({ text }) => eventOf(text).seq));
    expect(records.length).toBeLessThan(100);
    expect(eventOf(broker.published.at(-1)?.text ?? "{}")).toMatchObject({ status: "offline", reason: "closed" });
  });

  it("stopping sends what waits within its window, before it says goodbye; a window ends by itself too", async () => {
    await using broker = await startScriptedBroker({ delayMs: 20 });
    const outbox = memoryOutbox();
    const running = delivering(destinationAt(broker.port), outbox, { pacing: { ...AT_ONCE, latencyMs: { ...AT_ONCE.latencyMs, cycle: 1_500, summary: 900_000 } } });
    await running.untilLink(({ state }) => state === "up");
    const learned = { machine: "VMC-3", context: JSON.stringify(SAMPLE_CONTEXT), checkpoint: null, observedAt: unixMs(Date.now()) };
    const records = (): readonly string[] => broker.published.map(({ topic }) => topic).filter((topic) => topic.includes("/rec/")).map((topic) => topic.split("/rec/")[1] ?? "");
    await new Promise((resolve) => setTimeout(resolve, 50));
    await outbox.commit({ ...learned, records: [SAMPLES.summary, SAMPLES.cycle] });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(records()).toEqual([]);
    await outbox.drained();
    expect(records()).toEqual(["summary", "cycle"]);
    await outbox.commit({ ...learned, records: [SAMPLES.summary] });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(records()).toHaveLength(2);
    await running.stop();
    expect(records()).toEqual(["summary", "cycle", "summary"]);
    expect(outbox.accepted).toEqual([1, 2, 3]);
    expect(eventOf(broker.published.at(-1)?.text ?? "{}")).toMatchObject({ status: "offline", reason: "closed" });
  });

  it("stops promptly while connecting, while waiting to try again, and while idle", async () => {
    await using silent = await startScriptedBroker({ connack: () => "silent" });
    await using willing = await startScriptedBroker({});
    for (const port of [silent.port, willing.port, await freePort()]) {
      const running = delivering(destinationAt(port), memoryOutbox());
      if (port !== silent.port) await running.untilLink(({ state }) => state === "up" || state === "down");
      const before = performance.now();
      await running.stop();
      expect(performance.now() - before).toBeLessThan(1_500);
      expect(running.links.at(-1)).toEqual({ state: "stopped" });
    }
  });

  it("leaves no listener on the signal, nor on the board", async () => {
    await using broker = await startScriptedBroker({ publish: ({ connection }) => (connection < 12 ? "die" : 0) });
    const ports = testPorts({ network: systemClock(250) });
    const outbox = memoryOutbox();
    await put(outbox, manyRecords(40));
    const board = testBoard();
    let listening = 0;
    const counted = { all: () => board.all(), onChange: (listener: Parameters<typeof board.onChange>[0]) => {
      const off = board.onChange(listener);
      listening++;
      return () => {
        listening--;
        off();
      };
    } };
    const controller = new AbortController();
    const ended = deliver({ destination: destinationAt(broker.port, {}, ports), outbox, board: counted, ports, onLink: () => undefined }, controller.signal);
    await outbox.drained();
    expect(broker.connections).toBeGreaterThanOrEqual(12);
    expect(listening).toBe(1);
    expect(getEventListeners(controller.signal, "abort").length).toBeLessThanOrEqual(2);
    controller.abort(new Error("over"));
    await ended;
    expect(listening).toBe(0);
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  });

  it("a buffer that fails for now is waited for: the link stays, and nothing new leaves before what came back is settled", async () => {
    await using broker = await startScriptedBroker({});
    const outbox = memoryOutbox();
    await put(outbox, [SAMPLES.state]);
    let failing = true;
    let refused = 0;
    const ill: Outbox = { ...outbox, settle: (...args) => {
      refused += failing ? 1 : 0;
      if (failing) throw new StoreError("io", "the disk is gone");
      outbox.settle(...args);
    } };
    const ports = testPorts({ network: systemClock(20) });
    const board = testBoard();
    await using running = delivering(destinationAt(broker.port, {}, ports), ill, { ports, board });
    while (refused < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    await put(outbox, manyRecords(1, 2));
    board.put({ scope: "live", machine: "VMC-3", name: "state", payload: { value: "RUNNING" } });
    while (!broker.published.some(({ topic }) => topic.endsWith("/live/state"))) await new Promise((resolve) => setImmediate(resolve));
    expect(broker.published.filter(({ topic }) => topic.includes("/rec/"))).toHaveLength(1);
    failing = false;
    await outbox.drained();
    expect(outbox.accepted).toEqual([1, 2]);
    expect(broker.published.filter(({ topic }) => topic.includes("/rec/"))).toHaveLength(2);
    expect(running.links.filter(({ state }) => state === "down")).toEqual([]);
  });

  it("a buffer that only a restart can mend ends it", async () => {
    await using broker = await startScriptedBroker({});
    const outbox = memoryOutbox();
    await put(outbox, [SAMPLES.state]);
    const failing: Outbox = { ...outbox, sendable: () => {
      throw new StoreError("corrupt", "the file is damaged");
    } };
    const ended = deliver({ destination: destinationAt(broker.port), outbox: failing, board: testBoard(), ports: testPorts(), onLink: () => undefined }, new AbortController().signal);
    await expect(ended).rejects.toMatchObject({ name: "StoreError", fault: "corrupt" });
  });

  it("a destination that breaks in a way it should not is our fault: told with its stack, tried again later", async () => {
    const ports = testPorts();
    await using running = delivering({ kind: "broken", name: "broken", connect: () => Promise.reject(new TypeError("x is not a function")) }, memoryOutbox(), { ports });
    expect(await running.untilLink(({ state }) => state === "down")).toMatchObject({ fault: "internal", retryInMs: 60_000 });
    expect(ports.lines).toEqual([expect.objectContaining({ level: "error" })]);
  });
});
