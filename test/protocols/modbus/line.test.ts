/** What breaks other readers of Modbus on serial lines (modbus.md §4, §5), over real pseudo-terminals. */
import { once } from "node:events";
import * as net from "node:net";
import { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { SimulatedDevice } from "../../../agent/simulate/modbus/device.ts";
import { serveLine, type Fate, type SimulatedBus } from "../../../agent/simulate/modbus/server.ts";
import { Bus } from "../../../protocols/modbus/bus.ts";
import { wireOver } from "../../../protocols/modbus/guard.ts";
import { RtuPort } from "../../../protocols/modbus/rtu-port.ts";
import { closeSerial, openSerial } from "../../../protocols/shared/serial.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { describeNeeding } from "../../support/needs.ts";
import { testPorts } from "../../support/ports.ts";
import { serialCable, type Cable } from "../../support/pty.ts";
import { open, words, type Keys } from "./reading.ts";

interface Line extends AsyncDisposable {
  readonly cable: Cable;
  readonly bus: SimulatedBus;
  readonly far: Duplex;
}
/** Units 1 and 2; holding registers hold unit × 1,000 and their address. */
async function line(fate: (unit: number, pdu: Uint8Array) => Fate | null = () => null, haste = 1): Promise<Line> {
  const cable = await serialCable();
  const far = await openSerial({ path: cable.far, baud: 115_200, parity: "none", stopBits: 1, dataBits: 8 });
  const devices = new Map([1, 2].map((unit) => {
    const device = new SimulatedDevice();
    for (let address = 0; address < 200; address++) device.holdings.set(address, 1_000 * unit + address);
    return [unit, device] as const;
  }));
  const bus = serveLine({ devices, network: systemClock(haste), fate }, far);
  return {
    cable, bus, far,
    async [Symbol.asyncDispose]() {
      await bus.close();
      await closeSerial(far);
      await cable[Symbol.asyncDispose]();
    },
  };
}
const on = (cable: Cable, devices: readonly Keys[], more: Keys = {}): Keys => ({ serial: { path: cable.near, baud: 115_200 }, interval: "10ms", devices, ...more });
/** Deterministic, in [0, 1). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}

it("a second master that never stops is said", async () => {
  const network = fakeClock();
  const stream = new Duplex({ read: () => undefined, write: (_bytes, _encoding, done) => { done(); } });
  const port = new RtuPort(stream, network);
  const bus = new Bus({ where: "/dev/line", wire: await wireOver(port), port, line: { port, gapMs: 2, byteMs: 0.1 }, network, shut: () => Promise.resolve() });
  let ended: unknown = null;
  bus.ask({ unit: 1, table: "holding", address: 3, count: 1 }, { timeoutMs: 20, pauseMs: 0 }, new AbortController().signal).catch((cause: unknown) => { ended = cause; });
  for (let turn = 0; ended === null && turn < 5_000; turn++) {
    stream.push(Buffer.from("0703020001f044", "hex"));
    await network.advance(5);
  }
  expect(ended).toMatchObject({ fault: "protocol", message: expect.stringContaining("/dev/line does not fall silent: is there a second master") as string });
  stream.destroy();
});

describe("a serial device server", () => {
  it("passes the frames of a line on over TCP: a late answer is no other's there either", async () => {
    const device = new SimulatedDevice();
    for (let address = 0; address < 200; address++) device.holdings.set(address, address);
    let asked = 0;
    const devices = new Map([[1, device]]);
    const server = net.createServer((socket) => {
      socket.on("error", () => undefined);
      serveLine({ devices, network: systemClock(), fate: () => ({ delayMs: ++asked === 2 ? 400 : 0 }) }, socket);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const source = await open({ host: "127.0.0.1", port: (server.address() as net.AddressInfo).port, framing: "rtu", interval: "10ms", timeout: "300ms", devices: [{ unit: 1, gap: 0, points: words([0, 50, 100]) }] });
    for (let turn = 0; turn < 5; turn++) {
      await source.next();
      expect([...source.values]).toEqual([["point/p0", 0], ["point/p50", 50], ["point/p100", 100]]);
    }
    await source[Symbol.asyncDispose]();
    server.close();
    await once(server, "close");
    expect([device.writes, device.reads > 15]).toEqual([0, true]);
  });
});

describeNeeding(["socat"], "a serial line", () => {
  it("a late answer is never taken for the next one, although unit, function and length are the same", async () => {
    const random = seeded(7);
    const HASTE = 5;
    let [late, good] = [0, 0];
    // In the line's own time: answers after up to twice the timeout of 500 ms.
    await using one = await line(() => {
      const delayMs = random() < 0.3 ? 520 + Math.trunc(random() * 480) : 1;
      if (delayMs > 1) late++;
      return { delayMs };
    }, HASTE);
    const network = systemClock(HASTE);
    const addresses = [0, 50, 100, 150];
    const devices = [1, 2].map((unit) => ({ unit, gap: 0, points: words(addresses).map((point) => ({ ...point, signal: `point/u${unit}_${String(point["address"])}` })) }));
    while (late < 4 || good < 40) {
      await using source = await open(on(one.cable, devices, { interval: "100ms" }), testPorts({ network, clock: network }));
      // Twice late in a row, for both units: the link is lost, and nothing wrong was given.
      for (let isUp = true; isUp && (late < 4 || good < 40);) {
        isUp = await source.next().then(() => true, () => false);
        for (const unit of [1, 2]) for (const address of addresses) {
          const value = source.values.get(`point/u${unit}_${address}`) ?? null;
          expect([1_000 * unit + address, null]).toContain(value);
          if (value !== null) good++;
        }
      }
    }
  });

  it("a damaged answer is asked for once more; one that stays damaged is unknown", async () => {
    let damaged = 1;
    await using one = await line((unit) => (unit === 1 && damaged-- > 0 ? { answer: Buffer.from("0302ff", "hex") } : null));
    await using source = await open(on(one.cable, [{ unit: 1, points: words([3]) }, { unit: 2, points: words([4]) }], { timeout: "150ms" }));
    await source.next();
    expect(Object.fromEntries(source.values)).toEqual({ "point/p3": 1_003, "point/p4": 2_004 });
    damaged = Number.POSITIVE_INFINITY;
    await source.until((values) => values.get("point/p3") === null);
    expect(source.values.get("point/p4")).toBe(2_004);
  });

  it("an adapter that echoes, noise before an answer, and frames of others between", async () => {
    await using one = await line();
    one.far.on("data", (request: Buffer) => {
      one.far.write(request);
      one.far.write(Buffer.from("00ff00", "hex"));
      one.far.write(Buffer.from("0703020001f044", "hex"));
    });
    await using source = await open(on(one.cable, [{ unit: 1, points: words([3]) }, { unit: 2, points: words([4, 5]) }]));
    for (let turn = 0; turn < 10; turn++) await source.next();
    expect(Object.fromEntries(source.values)).toEqual({ "point/p3": 1_003, "point/p4": 2_004, "point/p5": 2_005 });
  });

  it("frames keep their distance of 3.5 characters", async () => {
    const arrivals: number[] = [];
    await using one = await line(() => {
      arrivals.push(performance.now());
      return null;
    });
    await using source = await open(on(one.cable, [{ unit: 1, gap: 0, points: words([1, 50, 100, 150]) }], { serial: { path: one.cable.near, baud: 1_200 } }));
    await source.next();
    // 11 bits at 1,200 baud: 3.5 characters are 29 ms (10 bits without parity), and timers may be a millisecond early.
    for (const [index, time] of arrivals.slice(1).entries()) expect(time - (arrivals[index] ?? 0)).toBeGreaterThanOrEqual(27);
  });

  it("two sources share one port, and settings that differ are said", async () => {
    await using one = await line();
    await using first = await open(on(one.cable, [{ unit: 1, points: words([1]) }]));
    await using second = await open(on(one.cable, [{ unit: 2, points: words([2]) }]));
    await Promise.all([first.next(), second.next()]);
    expect([first.values.get("point/p1"), second.values.get("point/p2")]).toEqual([1_001, 2_002]);
    await expect(open(on(one.cable, [{ unit: 2, points: words([2]) }], { serial: { path: one.cable.near, baud: 9_600 } }))).rejects.toMatchObject({ fault: "refused", message: expect.stringContaining("other settings of the line") as string });
  });

  it("an adapter that is pulled is a lost link, and is read again when it is back, at the same path", async () => {
    const one = await line();
    const keys = on(one.cable, [{ unit: 1, points: words([1]) }]);
    const source = await open(keys);
    await source.next();
    await one.cable.unplug();
    await expect(source.until(() => false)).rejects.toMatchObject({ fault: "lost" });
    await source[Symbol.asyncDispose]();
    await expect(open(keys)).rejects.toMatchObject({ fault: "unreachable", message: expect.stringContaining("is the adapter plugged in?") as string });
    await one.cable.plug();
    const far = await openSerial({ path: one.cable.far, baud: 115_200, parity: "none", stopBits: 1, dataBits: 8 });
    const device = new SimulatedDevice();
    device.holdings.set(1, 42);
    const bus = serveLine({ devices: new Map([[1, device]]), network: systemClock() }, far);
    const again = await open(keys);
    await again.next();
    expect(again.values.get("point/p1")).toBe(42);
    await again[Symbol.asyncDispose]();
    await bus.close();
    await closeSerial(far);
    await one[Symbol.asyncDispose]();
  });

  it("closing gives the lock back, and a source that reconnects at once waits for it", async () => {
    await using one = await line();
    const keys = on(one.cable, [{ unit: 1, points: words([1]) }]);
    for (let turn = 0; turn < 5; turn++) {
      const source = await open(keys);
      await source.next();
      const [, next] = await Promise.all([source[Symbol.asyncDispose](), open(keys)]);
      await next.next();
      expect(next.values.get("point/p1")).toBe(1_001);
      await next[Symbol.asyncDispose]();
    }
    await closeSerial(await openSerial({ path: one.cable.near, baud: 115_200, parity: "none", stopBits: 1, dataBits: 8 }));
  });
});
