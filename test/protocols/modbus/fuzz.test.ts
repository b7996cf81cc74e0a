/**
 * Rubbish from the other side: 20,000 mutated answers over a socket, which the library decodes, and 50,000 mutated frames
 * of a serial line, which we find ourselves (FUZZ_INPUTS sets how many of these, FUZZ_SEED which): no crash, no hang,
 * memory bounded, and on a line never a frame whose checksum does not fit.
 */
import { once } from "node:events";
import * as net from "node:net";
import { expect, it } from "vitest";
import { LinkError } from "../../../agent/contract/errors.ts";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { crc16, findAnswer } from "../../../protocols/modbus/rtu-frame.ts";
import { testPorts } from "../../support/ports.ts";
import { seeded } from "../../support/seeded.ts";
import { open, words, type Source } from "./reading.ts";

const FRAMES = Number(process.env["FUZZ_INPUTS"] ?? 50_000);
const ANSWERS = 20_000;
const SEED = Number(process.env["FUZZ_SEED"] ?? 20_260_105);

function mutated(bytes: Buffer, random: () => number): Buffer {
  const whole = (limit: number): number => Math.floor(random() * limit);
  let made = Buffer.from(bytes);
  for (let turn = 1 + whole(3); turn > 0; turn--) {
    const at = whole(made.length + 1);
    const kind = whole(7);
    if (kind === 0 && made.length > 0) made[whole(made.length)] = whole(256);
    if (kind === 1) made = made.subarray(0, at);
    if (kind === 2) made = Buffer.concat([made.subarray(0, at), Buffer.from(Array.from({ length: whole(40) }, () => whole(256))), made.subarray(at)]);
    if (kind === 3) made = Buffer.concat([made, made]);
    if (kind === 4 && made.length > 6) made.writeUInt16BE(whole(65_536), 4);
    if (kind === 5 && made.length > 7) made[7] = 0x80 | whole(128);
    if (kind === 6 && made.length > 8) made[8] = whole(256);
  }
  return made;
}

/** One server and one reader of it, until the server gave so many answers. Returns the connections it took. */
async function readRubbish(answersWanted: number, random: () => number): Promise<number> {
  let answers = 0;
  const server = net.createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (request) => {
      const good = Buffer.concat([request.subarray(0, 4), Buffer.from([0, 9, request[6] ?? 0, 3, 6, 0, 1, 0, 2, 0, 3])]);
      const answer = random() < 0.2 ? good : mutated(good, random);
      answers++;
      if (answer.length > 0 && !socket.destroyed) socket.write(answer);
      if (random() < 0.01) socket.destroy();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const network = systemClock(100);
  const ports = testPorts({ network, clock: network });
  const keys = { host: "127.0.0.1", port: (server.address() as net.AddressInfo).port, interval: "10ms", timeout: "200ms", devices: [1, 2, 3].map((unit) => ({ unit, points: words([10 * unit, 10 * unit + 1, 10 * unit + 2]) })) };
  let links = 0;
  while (answers < answersWanted) {
    links++;
    let source: Source | null = null;
    try {
      source = await open(keys, ports);
      // A new link now and then: what the test itself keeps would be measured.
      while (answers < answersWanted && source.batches.length < 1_000) {
        const { items } = await source.next();
        for (const item of items) if (item.kind !== "reading" || (item.value === null) !== (item.quality === "UNAVAILABLE")) throw new Error(`given: ${JSON.stringify(item)}`);
      }
    } catch (cause) {
      if (!(cause instanceof LinkError)) throw cause;
    } finally {
      await source?.[Symbol.asyncDispose]();
    }
  }
  server.close();
  await once(server, "close");
  return links;
}

it(`${ANSWERS} mutated answers over a socket, FUZZ_SEED=${SEED}`, async () => {
  const before = process.memoryUsage().heapUsed;
  const READERS = 10;
  const links = await Promise.all(Array.from({ length: READERS }, (_, index) => readRubbish(ANSWERS / READERS, seeded(SEED + index))));
  expect(Math.min(...links)).toBeGreaterThan(2);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 * 1024 * 1024);
}, 120_000);

it(`${FRAMES} mutated frames of a line, FUZZ_SEED=${SEED}`, () => {
  const random = seeded(SEED + 1);
  const framed = (bytes: readonly number[]): Buffer => {
    const frame = Buffer.from([...bytes, 0, 0]);
    frame.writeUInt16LE(crc16(frame.subarray(0, -2)), frame.length - 2);
    return frame;
  };
  let found = 0;
  for (let turn = 0; turn < FRAMES; turn++) {
    const [unit, code, count] = [1 + Math.floor(random() * 247), 1 + Math.floor(random() * 4), 1 + Math.floor(random() * 125)];
    const request = framed([unit, code, 0, Math.floor(random() * 256), 0, count]);
    const size = code <= 2 ? Math.ceil(count / 8) : 2 * count;
    const answer = random() < 0.1 ? framed([unit, code | 0x80, 2]) : framed([unit, code, size, ...Array.from({ length: size }, () => Math.floor(random() * 256))]);
    const heard = random() < 0.2 ? Buffer.concat([request, answer]) : mutated(answer, random);
    const frame = findAnswer(heard, request);
    if (frame === null) continue;
    found++;
    const whole = frame[0] === unit && ((frame[1] === code && frame[2] === size && frame.length === size + 5) || (frame[1] === (code | 0x80) && frame.length === 5)) && crc16(frame.subarray(0, -2)) === Buffer.from(frame).readUInt16LE(frame.length - 2);
    if (!whole) throw new Error(`${heard.toString("hex")} gave ${Buffer.from(frame).toString("hex")} for ${request.toString("hex")}`);
  }
  // Those after an echo, and those that the mutation only added to.
  expect(found).toBeGreaterThan(FRAMES * 0.15);
});
