/** Servers and serial peers written here from the specification, byte by byte: answers that lie, are owed, or are another's. */
import { once } from "node:events";
import * as net from "node:net";
import { describe, expect, it } from "vitest";
import type { Reading } from "../../../agent/contract/observation.ts";
import { crc16 } from "../../../protocols/modbus/rtu-frame.ts";
import { closeSerial, openSerial } from "../../../protocols/shared/serial.ts";
import { describeNeeding } from "../../support/needs.ts";
import { testPorts } from "../../support/ports.ts";
import { serialCable } from "../../support/pty.ts";
import { open, words, type Keys } from "./reading.ts";

interface Asked { readonly head: Buffer; readonly unit: number; readonly code: number; readonly address: number; readonly count: number }
/** A TCP server that answers each request with what `answer` says, as it is; null: not at all. */
async function raw(answer: (asked: Asked, socket: net.Socket) => Buffer | null): Promise<{ readonly port: number } & AsyncDisposable> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    socket.on("data", (request) => {
      const bytes = answer({ head: request.subarray(0, 4), unit: request[6] ?? 0, code: request[7] ?? 0, address: request.readUInt16BE(8), count: request.readUInt16BE(10) }, socket);
      if (bytes !== null) socket.write(bytes);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
const mbap = ({ head }: Asked, pdu: readonly number[]): Buffer => Buffer.concat([head, Buffer.from([0, pdu.length]), Buffer.from(pdu)]);
/** Each register holds its own address. */
const truth = ({ address, count }: Asked): readonly number[] => Array.from({ length: count }, (_, n) => [(address + n) >> 8, (address + n) & 0xff]).flat();
const good = (asked: Asked): Buffer => mbap(asked, [asked.unit, asked.code, asked.count * 2, ...truth(asked)]);
function frame(bytes: readonly number[]): Buffer {
  const sum = crc16(Buffer.from(bytes));
  return Buffer.from([...bytes, sum & 0xff, sum >> 8]);
}
const at = (port: number, devices: readonly Keys[], more: Keys = {}): Keys => ({ host: "127.0.0.1", port, interval: "10ms", timeout: "100ms", devices, ...more });

describe("an answer that is not what was asked for", () => {
  it.each<[string, (asked: Asked) => Buffer]>([
    ["fewer registers", (asked) => mbap(asked, [asked.unit, asked.code, 2, 0, 99])],
    ["more registers", (asked) => mbap(asked, [asked.unit, asked.code, asked.count * 2 + 2, ...truth(asked), 0, 99])],
    ["a byte count that is too small", (asked) => mbap(asked, [asked.unit, asked.code, 2, ...truth(asked)])],
    ["a byte count that is too large", (asked) => mbap(asked, [asked.unit, asked.code, 250, ...truth(asked)])],
    ["no registers", (asked) => mbap(asked, [asked.unit, asked.code, 0])],
  ])("%s in one block: its values are unknown, those of the other block stand", async (_, lie) => {
    await using peer = await raw((asked) => (asked.address < 100 ? lie(asked) : good(asked)));
    const ports = testPorts();
    await using source = await open(at(peer.port, [{ gap: 0, points: [{ address: 3, type: "f32", signal: "point/lie" }, ...words([150])] }]), ports);
    for (let turn = 0; turn < 5; turn++) await source.next();
    expect(Object.fromEntries(source.values)).toEqual({ "point/lie": null, "point/p150": 150 });
    expect(ports.lines.map(({ sentence }) => sentence)).toEqual(["the device refuses a value: it stays unknown"]);
  });

  it("a refusal that passes is said once, however often it comes back, and shown while it lasts", async () => {
    let turn = 0;
    await using peer = await raw((asked) => (asked.address > 100 || turn++ % 2 === 0 ? good(asked) : mbap(asked, [asked.unit, 0x83, 4])));
    const ports = testPorts();
    await using source = await open(at(peer.port, [{ gap: 0, points: words([3, 150]) }]), ports);
    for (let polls = 0; polls < 8; polls++) await source.next();
    expect(source.session.describe?.().refused).toEqual([{ what: "point/p3 (1/holding/3)", why: "it reports a failure of its own" }]);
    expect(ports.lines.map(({ sentence, fields }) => [sentence, fields["address"], fields["exception"]])).toEqual([["the device gives no value for now: it is unknown, and asked again with each poll", 3, 4]]);
    await source.next();
    expect(source.session.describe?.().refused).toEqual([]);
  });

  it.each([3, 150])("none at all to one block, at %d: its values are unknown, those of the other block stand", async (mute) => {
    let asked = 0;
    await using peer = await raw((asking) => {
      if (asking.address === mute) asked++;
      return asking.address === mute ? null : good(asking);
    });
    const ports = testPorts();
    const other = mute === 3 ? 150 : 3;
    await using source = await open(at(peer.port, [{ gap: 0, points: words([3, 150]) }]), ports);
    for (let polls = 0; polls < 8; polls++) await source.next();
    expect([source.values.get(`point/p${mute}`), source.values.get(`point/p${other}`)]).toEqual([null, other]);
    // Asked twice, then left alone for a minute.
    expect(asked).toBe(2);
    expect(ports.lines.map(({ sentence, fields }) => [sentence, fields["address"]])).toEqual([["the device is silent about a value and answers others: it stays unknown", mute]]);
  });

  it("in the name of another unit is no value, and is said", async () => {
    await using peer = await raw((asked) => mbap(asked, [9, 3, 2, 0, 5]));
    await using source = await open(at(peer.port, [{ points: words([5]) }]));
    await expect(source.next()).rejects.toMatchObject({ fault: "timeout", message: expect.stringContaining("no unit answers (1): it answers as unit 9: is that its number?") as string });
  });
});

describeNeeding(["socat"], "an answer that is still owed on a line", () => {
  const LINE = { baud: 115_200, parity: "none", stopBits: 1, dataBits: 8 } as const;

  it("when a source is told to stop and another one takes the line is not taken for that one's", async () => {
    const cable = await serialCable();
    const far = await openSerial({ path: cable.far, ...LINE });
    let asked = 0;
    far.on("data", (request: Buffer) => {
      asked++;
      // The device's usual time, well within the timeout; the value is the register's address.
      setTimeout(() => { far.write(frame([request[0] ?? 0, 3, 2, request[2] ?? 0, request[3] ?? 0])); }, 150);
    });
    const keys = (address: number): Keys => ({ serial: { path: cable.near, baud: 115_200 }, interval: "10ms", timeout: "300ms", devices: [{ unit: 1, points: words([address]) }] });
    const first = await open(keys(10));
    const reading = first.next().catch((cause: unknown) => cause);
    await expect.poll(() => asked, { interval: 2 }).toBe(1);
    await first[Symbol.asyncDispose]();
    await reading;
    const second = await open(keys(50));
    await second.next();
    expect(Object.fromEntries(second.values)).toEqual({ "point/p50": 50 });
    await second[Symbol.asyncDispose]();
    await closeSerial(far);
    await cable[Symbol.asyncDispose]();
  });

  it("is awaited twice as long as an answer may take, where another source shares the line", async () => {
    const cable = await serialCable();
    const far = await openSerial({ path: cable.far, ...LINE });
    let asked = 0;
    far.on("data", (request: Buffer) => {
      const delayMs = [5, 5, 450, 200][++asked] ?? 5;
      setTimeout(() => { far.write(frame([request[0] ?? 0, 3, 2, request[2] ?? 0, request[3] ?? 0])); }, delayMs);
    });
    const keys = (address: number): Keys => ({ serial: { path: cable.near, baud: 115_200 }, interval: "10ms", timeout: "300ms", devices: [{ unit: 1, points: words([address]) }] });
    const sharing = await open(keys(50));
    await sharing.next();
    const stopped = await open(keys(10));
    const reading = stopped.next().catch((cause: unknown) => cause);
    await expect.poll(() => asked, { interval: 2 }).toBe(2);
    await stopped[Symbol.asyncDispose]();
    await reading;
    for (let turn = 0; turn < 2; turn++) {
      await sharing.next();
      expect(Object.fromEntries(sharing.values)).toEqual({ "point/p50": 50 });
    }
    await sharing[Symbol.asyncDispose]();
    await closeSerial(far);
    await cable[Symbol.asyncDispose]();
  });
});

describeNeeding(["socat"], "a second master that asks the same unit", () => {
  it.each(["just before us", "while we wait"])("%s: its answer is not taken for ours", async (when) => {
    const cable = await serialCable();
    const far = await openSerial({ path: cable.far, baud: 115_200, parity: "none", stopBits: 1, dataBits: 8 });
    const [theirs, theirAnswer] = [frame([1, 3, 0, 10, 0, 1]), frame([1, 3, 2, 0, 10])];
    let asked = 0;
    far.on("data", () => {
      const isFirst = ++asked === 2;
      if (isFirst && when === "while we wait") far.write(theirs);
      if (isFirst && when === "while we wait") setTimeout(() => { far.write(theirAnswer); }, 30);
      setTimeout(() => { far.write(frame([1, 3, 2, 0, 50])); }, isFirst ? 60 : 5);
    });
    await using source = await open({ serial: { path: cable.near, baud: 115_200 }, interval: "50ms", timeout: "300ms", devices: [{ unit: 1, points: words([50]) }] });
    await source.next();
    if (when === "just before us") far.write(theirs);
    // The device answers it, whether we ask or not.
    if (when === "just before us") setTimeout(() => { far.write(theirAnswer); }, 70);
    for (let turn = 0; turn < 3; turn++) {
      await source.next();
      expect(Object.fromEntries(source.values)).toEqual({ "point/p50": 50 });
    }
    await source[Symbol.asyncDispose]();
    await closeSerial(far);
    await cable[Symbol.asyncDispose]();
  });
});

describeNeeding(["socat"], "an adapter that is pulled while an answer is awaited", () => {
  it("ends the wait at once; what it owed is not taken for an answer when it is back", async () => {
    const cable = await serialCable();
    const line = { baud: 115_200, parity: "none", stopBits: 1, dataBits: 8 } as const;
    let far = await openSerial({ path: cable.far, ...line });
    let asked = 0;
    far.on("data", () => { asked++; });
    const keys = (address: number): Keys => ({ serial: { path: cable.near, baud: 115_200 }, interval: "10ms", timeout: "400ms", devices: [{ unit: 1, points: words([address]) }] });
    const source = await open(keys(10));
    const reading = source.next().catch((cause: unknown) => cause);
    await expect.poll(() => asked, { interval: 2 }).toBe(1);
    await cable.unplug();
    expect(await reading).toMatchObject({ fault: "lost", message: expect.stringContaining("the adapter is gone") as string });
    await source[Symbol.asyncDispose]();
    await closeSerial(far);
    await cable.plug();
    far = await openSerial({ path: cable.far, ...line });
    far.on("data", () => void setTimeout(() => { far.write(frame([1, 3, 2, 0, 50])); }, 60));
    const again = await open(keys(50));
    setTimeout(() => { far.write(frame([1, 3, 2, 0, 10])); }, 30);
    await again.next();
    expect(Object.fromEntries(again.values)).toEqual({ "point/p50": 50 });
    await again[Symbol.asyncDispose]();
    await closeSerial(far);
    await cable[Symbol.asyncDispose]();
  });
});

describe("how much earlier a change may have been", () => {
  const sinceOf = (items: readonly unknown[], signal: string): unknown => (items as readonly Reading[]).find((item) => item.signal === signal)?.uncertaintyMs;

  it("counts from the last read that gave a value, not from those that were refused between", async () => {
    let [isBusy, parts] = [false, 1];
    await using peer = await raw((asked) => mbap(asked, isBusy ? [asked.unit, 0x83, 6] : [asked.unit, 3, 2, 0, parts]));
    await using source = await open(at(peer.port, [{ points: words([1]) }]));
    await source.next();
    [isBusy, parts] = [true, 2];
    const beganMs = performance.now();
    for (let turn = 0; turn < 15; turn++) await source.next();
    isBusy = false;
    const lastedMs = performance.now() - beganMs;
    const { items } = await source.next();
    expect(items).toMatchObject([{ value: 2 }]);
    expect(sinceOf(items, "point/p1")).toBeGreaterThanOrEqual(Math.floor(lastedMs));
  });

  it("counts to the end of the poll, where it is dated, also for the unit that was read first", async () => {
    let [value, delayMs] = [1, 0];
    await using peer = await raw((asked, socket) => {
      if (asked.unit === 1) return mbap(asked, [1, 3, 2, 0, value]);
      setTimeout(() => { socket.write(mbap(asked, [2, 3, 2, 0, 7])); }, delayMs);
      return null;
    });
    await using source = await open(at(peer.port, [{ unit: 1, points: words([1]) }, { unit: 2, points: words([2]) }], { timeout: "1s" }));
    await source.next();
    [value, delayMs] = [2, 300];
    const { items } = await source.next();
    expect(items).toMatchObject([{ signal: "point/p1", value: 2 }]);
    expect(sinceOf(items, "point/p1")).toBeGreaterThanOrEqual(299);
  });
});
