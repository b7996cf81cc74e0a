/**
 * Mutated answers into everything that decodes them: no crash but a clear LinkError, no hang, memory bounded, and no
 * number that is none. FUZZ sets how many (50,000 by default; a million by hand), FUZZ_SEED which ones.
 */
import { expect, it } from "vitest";
import { LinkError } from "../../../agent/contract/errors.ts";
import { activeAlarms } from "../../../protocols/focas/alarms.ts";
import { decodeBlocks, decodeRefusal } from "../../../protocols/focas/blocks.ts";
import * as decoders from "../../../protocols/focas/decode.ts";
import { FrameReader, isRefusal } from "../../../protocols/focas/frame.ts";
import type { Block } from "../../../protocols/focas/functions.ts";
import { decodeText } from "../../../protocols/focas/text.ts";
import { seeded } from "../../support/seeded.ts";
import { SHEET } from "./frames.ts";

const INPUTS = Number(process.env["FUZZ"] ?? 50_000);
const SEED = Number(process.env["FUZZ_SEED"] ?? 20_260_105);

const ANSWERS = [SHEET.opened, SHEET.system0i, SHEET.status, SHEET.statusAlone, SHEET.program, SHEET.parts, SHEET.partsOlder, SHEET.speed, SHEET.speedRefused, SHEET.alarmBits, SHEET.noAlarms, SHEET.alarms, SHEET.dataError, SHEET.refused, SHEET.closed];
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0xa0];

function mutated(random: () => number): Buffer {
  const whole = (limit: number): number => Math.floor(random() * limit);
  let bytes = Buffer.from(ANSWERS[whole(ANSWERS.length)] ?? SHEET.status);
  for (let turn = whole(4); turn > 0; turn--) {
    const at = whole(bytes.length + 1);
    const length = whole(Math.min(bytes.length - at, 40) + 1);
    const kind = whole(5);
    if (kind === 0 && bytes.length > 0) bytes[whole(bytes.length)] = random() < 0.5 ? whole(256) : EDGES[whole(EDGES.length)] ?? 0;
    if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    if (kind === 3) bytes = Buffer.concat([bytes, ANSWERS[whole(ANSWERS.length)] ?? SHEET.status]);
    // The frame's own length put right again, so that what is inside is looked at.
    if (kind === 4 && bytes.length >= 10) bytes.writeUInt16BE(Math.min(0xffff, bytes.length - 10), 8);
  }
  return bytes;
}

/** The questions to which this would be the answer, as far as it says them itself. */
function questionsOf(payload: Uint8Array): readonly Block[] {
  const view = Buffer.from(payload);
  const blocks: Block[] = [];
  for (let at = 2; at + 16 <= view.length && blocks.length < 12; at += Math.max(16, view.readUInt16BE(at))) blocks.push({ device: view.readUInt16BE(at + 2), path: view.readUInt16BE(at + 4), command: view.readUInt16BE(at + 6), values: [] });
  return blocks;
}

function checkNumbers(value: unknown): void {
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error("a number that is none");
  if (Array.isArray(value)) value.forEach(checkNumbers);
}

/** Every decoder over the same data: none may throw, whatever they are given. */
function decodeAll(data: Uint8Array): number {
  const { decodeSystem, decodeStatus, decodeU16, decodeI32, decodeAlarmBits, decodeNumber, decodeProgramNumbers, timerDecoder, decodeCommanded, decodeAxisNames, decodeProgramPath, decodeProgramName, decodeBlockText, decodeOperatorMessage } = decoders;
  const plain = [decodeU16(data), decodeI32(data), decodeAlarmBits(data), decodeNumber(data), timerDecoder()(data), decoders.decodeAxes(data, 32), ...(decodeCommanded(data)?.values() ?? []), decoders.decodeParameter(data, 6711), decoders.decodeParameter(data, 6711, 3), decoders.decodeParameterOlder(data, 6711), decoders.decodeDiagnosisOlder(data, 6711)];
  plain.forEach(checkNumbers);
  const texts = [decodeSystem(data)?.type, ...decodeAxisNames(data), decodeProgramPath(data), decodeProgramName(data), decodeBlockText(data)];
  const records = [...decoders.decodeAlarms(data, 64), ...decoders.decodeAlarms(data, 32)];
  const status = decodeStatus(data) ?? { mode: 1, run: 0, motion: 0, mstb: 0, emergency: 0, alarm: 1, edit: 0 };
  const alarms = activeAlarms({ status, bits: decodeAlarmBits(data), records, isOlder: data.length % 2 === 0, axes: ["X"], textOf: (bytes) => decodeText(bytes, "shift-jis") });
  const message = decodeOperatorMessage(data) ?? decoders.decodeDirectory(data, 1) ?? new Uint8Array(0);
  decodeProgramNumbers(data);
  return [...plain, ...texts, decodeText(message, "gbk"), ...alarms].filter((value) => value !== null && value !== undefined && value !== "").length;
}

it(`${INPUTS} mutated answers, FUZZ_SEED=${SEED}, give values or a clear error`, () => {
  const random = seeded(SEED);
  const told = { shortest: Infinity, values: 0, frames: 0, errors: new Map<string, number>() };
  const heapBefore = process.memoryUsage().heapUsed;
  for (let input = 0; input < INPUTS; input++) {
    const bytes = mutated(random);
    const reader = new FrameReader("an answer");
    try {
      for (let at = 0; at < bytes.length;) {
        const size = 1 + Math.floor(random() * 400);
        for (const frame of reader.push(bytes.subarray(at, at + size))) {
          told.frames++;
          if (isRefusal(frame)) decodeRefusal(frame.payload, "an answer");
          else for (const { status, data } of decodeBlocks(frame.payload, questionsOf(frame.payload), "an answer")) if (status === 0) told.values += decodeAll(data);
        }
        at += size;
      }
    } catch (cause) {
      if (!(cause instanceof LinkError)) throw new Error(`FUZZ_SEED=${SEED} input ${input}: ${bytes.toString("hex")}`, { cause });
      told.shortest = Math.min(told.shortest, cause.message.length);
      const word = cause.message.replaceAll(/[0-9a-f/]+/gu, "").slice(0, 60);
      if (told.errors.size < 500) told.errors.set(word, (told.errors.get(word) ?? 0) + 1);
    }
  }
  const refused = [...told.errors.values()].reduce((sum, count) => sum + count, 0);
  console.log(`${INPUTS} inputs: ${told.frames} frames, ${told.values} values, ${refused} refused in ${told.errors.size} ways`);
  expect(told.values).toBeGreaterThan(INPUTS);
  expect(told.errors.size).toBeGreaterThan(5);
  expect(told.shortest).toBeGreaterThan(20);
  expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(100 * 1024 * 1024);
}, 24 * 3_600_000);
