/** What breaks other readers of Modbus over TCP (modbus.md §5, §6; peers-and-issues.md §4, 12 to 15), each with a test. */
import { once } from "node:events";
import * as net from "node:net";
import { describe, expect, it } from "vitest";
import type { Link } from "../../../agent/contract/source.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { supervise } from "../../../agent/runtime/link/supervise.ts";
import { SimulatedDevice } from "../../../agent/simulate/modbus/device.ts";
import { serveTcp, type ServerOptions, type SimulatedBus } from "../../../agent/simulate/modbus/server.ts";
import { modbus } from "../../../protocols/modbus/driver.ts";
import { Units } from "../../../protocols/modbus/units.ts";
import { freePort } from "../../support/free-port.ts";
import { testPorts, type TestPorts } from "../../support/ports.ts";
import { config, open, words, type Keys } from "./reading.ts";

/** Holding registers 0 to 199 hold their own address, but for those left out. */
function device(without: readonly number[] = [], options: ConstructorParameters<typeof SimulatedDevice>[0] = {}): SimulatedDevice {
  const made = new SimulatedDevice(options);
  for (let address = 0; address < 200; address++) if (!without.includes(address)) made.holdings.set(address, address);
  return made;
}
async function server(devices: Readonly<Record<number, SimulatedDevice>>, more: Partial<ServerOptions> = {}, port = 0): Promise<SimulatedBus & { readonly port: number } & AsyncDisposable> {
  const made = await serveTcp({ devices: new Map(Object.entries(devices).map(([unit, one]) => [Number(unit), one])), network: systemClock(), ...more }, { port });
  return Object.assign(made, { [Symbol.asyncDispose]: () => made.close() });
}
const at = (port: number, devices: readonly Keys[], more: Keys = {}): Keys => ({ host: "127.0.0.1", port, interval: "10ms", devices, ...more });
const said = (ports: TestPorts): readonly string[] => ports.lines.map(({ sentence }) => sentence);

describe("what a device refuses", () => {
  it("a block with one register that it does not have is split once, and the rest is read", async () => {
    const plc = device([5]);
    await using peer = await server({ 1: plc });
    const ports = testPorts();
    await using source = await open(at(peer.port, [{ points: words([3, 4, 6, 7]) }]), ports);
    await source.next();
    expect(Object.fromEntries(source.values)).toEqual({ "point/p3": 3, "point/p4": 4, "point/p6": 6, "point/p7": 7 });
    const before = plc.reads;
    await source.next();
    expect(plc.reads - before).toBe(4);
    expect(said(ports)).toEqual([expect.stringContaining("refuses a block of registers") as string]);
  });

  it("a register that it does not have is unknown, is said once, and is left alone", async () => {
    const plc = device([5]);
    await using peer = await server({ 1: plc });
    const ports = testPorts();
    await using source = await open(at(peer.port, [{ points: words([5, 100]), gap: 0 }]), ports);
    for (let turn = 0; turn < 5; turn++) await source.next();
    expect(Object.fromEntries(source.values)).toEqual({ "point/p5": null, "point/p100": 100 });
    expect(plc.reads).toBe(6);
    expect(ports.lines.map(({ sentence, fields }) => [sentence, fields["address"], fields["exception"]])).toEqual([["the device refuses a value: it stays unknown", 5, 2]]);
  });

  it("is asked again after a minute, without a word more, and is known when the device has it", async () => {
    const plc = device([5]);
    await using peer = await server({ 1: plc });
    const clock = systemClock(200);
    const ports = testPorts({ clock, network: clock });
    await using source = await open(at(peer.port, [{ points: words([5, 100]), gap: 0 }], { interval: "1s", timeout: "60s" }), ports);
    let asked = 0;
    for (let before = 0; asked < 4;) {
      await source.next();
      // Besides the one that is read with each poll.
      asked += plc.reads - before - 1;
      before = plc.reads;
    }
    plc.holdings.set(5, 55);
    await source.until((values) => values.get("point/p5") === 55);
    expect(ports.lines).toHaveLength(1);
  });

  it("125 registers at once, and a device that gives no more than 60", async () => {
    await using peer = await server({ 1: device(), 2: device([], { maxBlock: 60 }) });
    const all = Array.from({ length: 126 }, (_, n) => n);
    const named = all.map((address) => ({ address, signal: `point/q${address}` }));
    await using source = await open(at(peer.port, [{ unit: 1, points: words(all) }, { unit: 2, points: named, max_block: 60 }]));
    await source.next();
    for (const address of all) expect([source.values.get(`point/p${address}`), source.values.get(`point/q${address}`)]).toEqual([address, address]);
  });

  it("busy is passing: unknown now, and asked again with the next poll", async () => {
    let isBusy = true;
    await using peer = await server({ 1: device() }, { fate: () => (isBusy ? { answer: Buffer.from([0x83, 6]) } : null) });
    await using source = await open(at(peer.port, [{ points: words([1, 2]) }]));
    await source.next();
    expect([...source.values.values()]).toEqual([null, null]);
    isBusy = false;
    await source.until((values) => values.get("point/p2") === 2);
  });
});

describe("units that do not answer", () => {
  it("a dead one is left to rest, whatever a gateway says of it; the others are read on", async () => {
    for (const isGateway of [true, false]) {
      const [live, asked] = [device(), { times: 0 }];
      await using peer = await server({ 1: live }, { fate: (unit) => {
        if (unit === 9) asked.times++;
        return unit === 9 && !isGateway ? { answer: null } : null;
      } });
      const ports = testPorts();
      await using source = await open(at(peer.port, [{ unit: 9, points: words([0]) }, { unit: 1, points: words([1]) }], { timeout: "150ms" }), ports);
      for (let turn = 0; turn < 30; turn++) await source.next();
      expect(Object.fromEntries(source.values)).toEqual({ "point/p0": null, "point/p1": 1 });
      expect([live.reads, asked.times]).toEqual([30, isGateway ? 1 : 2]);
      expect(said(ports)).toEqual(["a unit does not answer: its values are unknown, and it is asked again at longer and longer intervals"]);
    }
  });

  it("one that comes back is read again", async () => {
    let isDead = true;
    await using peer = await server({ 1: device(), 2: device() }, { fate: (unit) => (unit === 2 && isDead ? { answer: null } : null) });
    const clock = systemClock(50);
    await using source = await open(at(peer.port, [{ unit: 1, points: words([1]) }, { unit: 2, points: words([2]) }], { interval: "500ms", timeout: "500ms" }), testPorts({ clock, network: clock }));
    await source.until((values) => values.get("point/p2") === null);
    isDead = false;
    await source.until((values) => values.get("point/p2") === 2);
    expect(source.values.get("point/p1")).toBe(1);
  });

  it("costs the others at most one part in 25, however long its timeout", () => {
    for (const costMs of [100, 1_000, 10_000]) {
      const units = new Units();
      let [nowMs, lostMs] = [0, 0];
      units.silent(9, { nowMs, costMs: 2 * costMs, why: "" });
      for (const end = nowMs + 3_600_000; nowMs < end;) {
        nowMs += units.restLeftMs(9, nowMs);
        expect(units.isDue(9, nowMs)).toBe(true);
        nowMs += costMs;
        lostMs += costMs;
        units.silent(9, { nowMs, costMs, why: "" });
      }
      expect(lostMs / nowMs).toBeLessThanOrEqual(0.04);
    }
  });

  it("where none answers the link is lost, and says which and what to look at", async () => {
    await using peer = await server({}, { fate: () => ({ answer: null }) });
    await using source = await open(at(peer.port, [{ unit: 3, points: words([1]) }, { unit: 4, points: words([2]) }], { timeout: "30ms" }));
    await expect(source.next()).rejects.toMatchObject({ fault: "timeout", retry: "backoff", message: expect.stringMatching(/no unit answers \(3, 4\): no answer within 30 ms; check power/u) as string });
  });
});

describe("late answers over TCP", () => {
  it("are never taken for the next one: requests have numbers", async () => {
    let turn = 0;
    await using peer = await server({ 1: device() }, { fate: () => ({ delayMs: ++turn % 3 === 0 ? 160 : 0 }) });
    await using source = await open(at(peer.port, [{ points: words([0, 50, 100, 150]), gap: 0 }], { timeout: "100ms" }));
    for (let polls = 0; polls < 12; polls++) {
      await source.next();
      for (const address of [0, 50, 100, 150]) expect([address, null]).toContain(source.values.get(`point/p${address}`));
    }
    await source.until((values) => values.get("point/p150") === 150);
  });
});

describe("what is no Modbus TCP", () => {
  it.each<[string, Buffer, RegExp]>([
    ["another protocol's greeting", Buffer.from("SSH-2.0-OpenSSH_9.2\r\n"), /is no Modbus TCP.*at byte 0: 5353482d322e30/u],
    ["a length beyond every frame", Buffer.from("000100000fff0103", "hex"), /at byte 0: 000100000fff0103/u],
    ["a length below every frame", Buffer.from("0001000000020183", "hex"), /at byte 0: 0001000000020183/u],
    ["another protocol's number", Buffer.from("000100010005010302002a", "hex"), /at byte 0: 00010001/u],
  ])("%s is said, with the bytes, and never a value", async (_, bytes, message) => {
    const strange = net.createServer((socket) => void socket.on("error", () => undefined).resume().write(bytes)).listen(0, "127.0.0.1");
    await once(strange, "listening");
    const ended = await open(at((strange.address() as net.AddressInfo).port, [{ points: words([1]) }]), testPorts({ network: systemClock(20) })).then(async (source) => {
      const cause = await source.next().catch((error: unknown) => error);
      await source[Symbol.asyncDispose]();
      return cause;
    });
    expect(ended).toMatchObject({ fault: "protocol", message: expect.stringMatching(message) as string });
    strange.close();
    await once(strange, "close");
  });

  it("half an answer, and the rest too late, leave the next answers whole", async () => {
    let asked = 0;
    let turn = Promise.resolve();
    const slow = net.createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (request) => {
        const answer = Buffer.concat([request.subarray(0, 4), Buffer.from([0, 5, 1, 3, 2, 0, request[9] ?? 0])]);
        const isHalf = ++asked === 2;
        turn = turn.then(async () => {
          socket.write(isHalf ? answer.subarray(0, 8) : answer);
          if (!isHalf) return;
          await new Promise((resolve) => setTimeout(resolve, 250));
          socket.write(answer.subarray(8));
        });
      });
    }).listen(0, "127.0.0.1");
    await once(slow, "listening");
    await using source = await open(at((slow.address() as net.AddressInfo).port, [{ points: words([7, 77, 177]), gap: 0 }], { timeout: "200ms" }));
    for (let turn = 0; turn < 4; turn++) await source.next();
    expect(Object.fromEntries(source.values)).toEqual({ "point/p7": 7, "point/p77": 77, "point/p177": 177 });
    await source.session.close();
    slow.close();
    await once(slow, "close");
  });
});

describe("one connection", () => {
  it("is shared by all sources of one gateway, one request at a time, and closed by the last", async () => {
    let [inFlight, most] = [0, 0];
    await using peer = await server({ 1: device(), 2: device(), 3: device() }, { fate: () => {
      most = Math.max(most, ++inFlight);
      setTimeout(() => { inFlight--; }, 3);
      return { delayMs: 4 };
    } });
    const sources = await Promise.all([1, 2, 3].map((unit) => open(at(peer.port, [{ unit, points: words([unit, 100 + unit]), gap: 0 }]))));
    for (let turn = 0; turn < 10; turn++) await Promise.all(sources.map((source) => source.next()));
    expect(sources.map(({ values }) => [...values.values()])).toEqual([[1, 101], [2, 102], [3, 103]]);
    expect([most, peer.connections]).toEqual([1, 1]);
    await sources[0]?.[Symbol.asyncDispose]();
    await sources[1]?.next();
    expect(peer.connections).toBe(1);
    await Promise.all(sources.map((source) => source[Symbol.asyncDispose]()));
    await expect.poll(() => peer.connections, { interval: 2 }).toBe(0);
  });

  it("is given up by the one whose units are dead, and kept by the other", async () => {
    await using peer = await server({ 1: device() }, { fate: (unit) => (unit === 2 ? { answer: null } : null) });
    await using live = await open(at(peer.port, [{ unit: 1, points: words([1]) }], { timeout: "150ms" }));
    await live.next();
    await using dead = await open(at(peer.port, [{ unit: 2, points: words([2]) }], { timeout: "150ms" }));
    const ended = await dead.next().catch((cause: unknown) => cause);
    expect(ended).toMatchObject({ fault: "timeout" });
    // It is not asked before its rest is over: the supervisor waits so long.
    expect((ended as { readonly retry: { readonly afterMs: number } }).retry.afterMs).toBeGreaterThan(2_000);
    await dead.session.close();
    await live.next();
    expect([live.values.get("point/p1"), peer.connections]).toEqual([1, 1]);
  });

  it("a source that is told to stop does not wait for another's request", async () => {
    await using peer = await server({ 1: device() }, { fate: (unit) => (unit === 2 ? { answer: null } : null) });
    await using live = await open(at(peer.port, [{ unit: 1, points: words([1]) }]));
    await live.next();
    await using slow = await open(at(peer.port, [{ unit: 2, points: words([2]) }], { timeout: "60s" }));
    const waiting = slow.next().catch((cause: unknown) => cause);
    await expect.poll(() => peer.requests, { interval: 2 }).toBeGreaterThan(1);
    const behind = live.next().catch((cause: unknown) => cause);
    live.stop();
    expect(await behind).toMatchObject({ message: "the session ended" });
    slow.stop();
    expect(await waiting).toMatchObject({ message: "the session ended" });
  });

  it("closes although the peer never closes its side", async () => {
    const hung = net.createServer({ allowHalfOpen: true }, (socket) => void socket.on("error", () => undefined)).listen(0, "127.0.0.1");
    await once(hung, "listening");
    const sockets: net.Socket[] = [];
    hung.on("connection", (socket) => void sockets.push(socket.resume()));
    const source = await open(at((hung.address() as net.AddressInfo).port, [{ points: words([1]) }]), testPorts({ network: systemClock(20) }));
    const reading = source.next().catch((cause: unknown) => cause);
    source.stop();
    await source.session.close();
    expect(await reading).toMatchObject({ message: "the session ended" });
    for (const socket of sockets) socket.destroy();
    hung.close();
    await once(hung, "close");
  });

  it("that goes while a request is out ends the wait at once", async () => {
    await using peer = await server({ 1: device() }, { fate: () => ({ answer: null }) });
    await using source = await open(at(peer.port, [{ points: words([1]) }], { timeout: "60s" }));
    const reading = source.next().catch((cause: unknown) => cause);
    await expect.poll(() => peer.requests, { interval: 2 }).toBe(1);
    await peer.pullCable("refuse");
    expect(await reading).toMatchObject({ fault: "lost" });
  });

  it("is made anew, with a new client, when the server comes late, goes and comes back", async () => {
    const port = await freePort();
    const ports = testPorts({ network: systemClock(20) });
    const links: Link["state"][] = [];
    const values: unknown[] = [];
    const stop = new AbortController();
    const running = supervise({
      driver: modbus.create(config(at(port, [{ points: words([7]) }])), ports), ports, cursor: () => null,
      take: ({ items }) => {
        values.push(...items.map((item) => (item.kind === "reading" ? item.value : item.kind)));
        return Promise.resolve();
      },
      onLink: ({ state }) => { links.push(state); },
    }, stop.signal);
    await expect.poll(() => links.includes("down"), { interval: 2 }).toBe(true);
    await using peer = await server({ 1: device() }, {}, port);
    for (const times of [1, 2, 3]) {
      await expect.poll(() => values.length, { interval: 2, timeout: 10_000 }).toBe(times);
      await peer.pullCable("refuse");
      await peer.plugCable();
    }
    stop.abort(new Error("the test is over"));
    await running;
    expect(values).toEqual([7, 7, 7]);
    expect(links.at(-1)).toBe("stopped");
  });
});

describe("what a device needs", () => {
  it("a pause between two requests, where it is asked for", async () => {
    const arrivals: number[] = [];
    await using peer = await server({ 1: device(), 2: device() }, { fate: () => {
      arrivals.push(performance.now());
      return null;
    } });
    await using source = await open(at(peer.port, [{ unit: 1, points: words([1]) }, { unit: 2, points: words([2]) }], { pause: "30ms" }));
    for (let turn = 0; turn < 5; turn++) await source.next();
    // Timers of the system may be a millisecond early.
    for (const [index, time] of arrivals.slice(1).entries()) expect(time - (arrivals[index] ?? 0)).toBeGreaterThanOrEqual(28);
  });

  it("alarms of one register apart: one that goes does not clear the others", async () => {
    const plc = device();
    plc.holdings.set(8, 0b11);
    await using peer = await server({ 1: plc });
    await using source = await open(at(peer.port, [{ points: [1, 2].map((mask) => ({ address: 8, mask, signal: "alarm", alarm: { code: `E${mask}` } })) }]));
    const alarms = (): readonly unknown[] => source.batches.at(-1)?.items.map((item) => item.kind === "reading" && [item.item, item.value]) ?? [];
    await source.next();
    expect(alarms()).toEqual([["1/holding/8 E1", [expect.objectContaining({ code: "E1" }) as object]], ["1/holding/8 E2", [expect.objectContaining({ code: "E2" }) as object]]]);
    plc.holdings.set(8, 0b10);
    await source.until(() => alarms().length > 0 && source.batches.length > 1);
    expect(alarms()).toEqual([["1/holding/8 E1", []]]);
  });

  it("its own interval, a multiple of the source's", async () => {
    const [fast, slow] = [device(), device()];
    await using peer = await server({ 1: fast, 2: slow });
    await using source = await open(at(peer.port, [{ unit: 1, points: words([1]) }, { unit: 2, points: words([2]), interval: "100ms" }]));
    for (let turn = 0; turn < 21; turn++) await source.next();
    expect(fast.reads).toBe(21);
    expect(slow.reads).toBeGreaterThanOrEqual(3);
    expect(slow.reads).toBeLessThan(fast.reads);
  });

  it("to be told how much earlier a change may have been: since the read before began", async () => {
    const slow = device();
    await using peer = await server({ 1: device(), 2: slow });
    await using source = await open(at(peer.port, [{ unit: 1, points: words([1]) }, { unit: 2, points: words([2]), interval: "100ms" }]));
    const [first] = (await source.next()).items;
    expect(first).toMatchObject({ initial: true });
    expect(first).not.toHaveProperty("uncertaintyMs");
    slow.holdings.set(2, 77);
    await source.until((values) => values.get("point/p2") === 77);
    const [changed] = source.batches.at(-1)?.items ?? [];
    expect(changed).toMatchObject({ signal: "point/p2", value: 77 });
    const sinceMs = changed?.kind === "reading" ? changed.uncertaintyMs ?? 0 : 0;
    expect(Number.isInteger(sinceMs)).toBe(true);
    expect(sinceMs).toBeGreaterThanOrEqual(99);
  });
});
