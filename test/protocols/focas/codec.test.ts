/** Bytes of the fact sheet and of real controls: all are read, those the driver may send are made exactly, and no others. */
import { describe, expect, it } from "vitest";
import { InvariantError } from "../../../agent/contract/errors.ts";
import { decodeBlocks, decodeRefusal, encodeBlocks, type Answer } from "../../../protocols/focas/blocks.ts";
import {
  decodeAlarmBits, decodeAlarms, decodeAxes, decodeAxisNames, decodeDiagnosisOlder, decodeI32, decodeNumber, decodeParameter, decodeParameterOlder,
  decodeProgramNumbers, decodeStatus, decodeSystem, decodeU16, timerDecoder,
} from "../../../protocols/focas/decode.ts";
import { encodeAsk, encodeClose, encodeOpen, FRAME_TYPES, FrameReader, isRefusal, type Frame } from "../../../protocols/focas/frame.ts";
import { ask, READ_FUNCTIONS, type Block } from "../../../protocols/focas/functions.ts";
import { SIGNAL_ROWS, TIMERS } from "../../../protocols/focas/signals.ts";
import { number8 } from "../../../protocols/focas/number8.ts";
import { decodeText } from "../../../protocols/focas/text.ts";
import { describeWithCaptures } from "../../support/captures.ts";
import { hex, listings, SHEET } from "./frames.ts";

const WHAT = "an answer of the control";
const request = (...blocks: readonly Block[]): string => Buffer.from(encodeAsk(encodeBlocks(blocks))).toString("hex");
const frameOf = (bytes: Uint8Array): Frame => {
  const [frame, ...more] = new FrameReader(WHAT).push(bytes);
  if (frame === undefined || more.length > 0) throw new Error("not one frame");
  return frame;
};
const answers = (bytes: Uint8Array, ...blocks: readonly Block[]): readonly Answer[] => decodeBlocks(frameOf(bytes).payload, blocks, WHAT);
const data = (bytes: Uint8Array, block: Block): Uint8Array => {
  const [answer] = answers(bytes, block);
  if (answer?.status !== 0) throw new Error(`status ${answer?.status}`);
  return answer.data;
};

describe("made, byte for byte", () => {
  it("opening and farewell", () => {
    expect(Buffer.from(encodeOpen())).toEqual(SHEET.open);
    expect(Buffer.from(encodeClose())).toEqual(SHEET.close);
  });

  it.each([
    ["system information", SHEET.systemAsked, ask("system", 1)],
    ["program numbers", SHEET.programAsked, ask("programNumbers", 1)],
    ["parts", SHEET.partsAsked, ask("parameter", 1, 6711, 6711)],
    ["parts, 16i class", SHEET.partsOlderAsked, ask("parameterOlder", 1, 6711, 6711)],
    ["spindle speed", SHEET.speedAsked, ask("spindleSpeed", 1)],
    ["alarm bits", SHEET.alarmBitsAsked, ask("alarmBits", 1)],
    ["alarm texts", SHEET.alarmsAsked, ask("alarmTexts", 1, -1, 10, 2, 64)],
    ["alarm texts, short", SHEET.alarmsAskedShort, ask("alarmTexts", 1, -1, 29, 2, 32)],
    ["positions", SHEET.positionsAsked, ask("position", 1, 4, -1)],
    ["time of the run", SHEET.cycleTimeAsked, ask("timer", 1, 3)],
    ["path of the program", SHEET.programPathAsked, ask("programPath", 1)],
    ["feed override", SHEET.feedOverrideAsked, ask("pmc", 1, 12, 12, 0, 0)],
  ])("%s", (_, bytes, block) => {
    expect(request(block)).toBe(bytes.toString("hex"));
  });

  it("another control path stands in each block", () => {
    expect(encodeBlocks([ask("status", 2)]).subarray(2, 10)).toEqual(hex("001C 0001 0002 0019"));
  });
});

describe("never made", () => {
  const reads = new Set(Object.values(READ_FUNCTIONS).map(({ device, command }) => `${device}:${command}`));

  it("a function that is not in the table of reads: every number of every device is tried", () => {
    const made: string[] = [];
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    for (let device = 0; device <= 4; device++) {
      for (let command = 0; command <= 0xffff; command++) {
        try {
          encodeBlocks([{ device, path: 1, command, values: [] }]);
          made.push(`${device}:${command}`);
        } catch (cause) {
          if (!(cause instanceof InvariantError)) throw cause;
        }
      }
    }
    Error.stackTraceLimit = stackTraceLimit;
    expect(new Set(made)).toEqual(reads);
  });

  it("the table holds none of the commands that are known to write or to move", () => {
    for (const write of [0x01, 0x03, 0x05, 0x09, 0x0c, 0x16, 0x46, 0xa0, 0xb5, 0xb6, 0xba]) expect(reads).not.toContain(`1:${write}`);
    expect(reads).not.toContain("2:32770");
  });

  it("data, a fifth argument, no block or more than ten, a path that is none", () => {
    const bytes = Buffer.from(encodeBlocks([ask("pmc", 1, 0, 3, 9, 2)]));
    expect([bytes.length, bytes.readUInt16BE(2 + 26)]).toEqual([30, 0]);
    expect(() => encodeBlocks([{ ...ask("macro", 1), values: [1, 2, 3, 4, 5] }])).toThrow("four arguments");
    expect(() => encodeBlocks([])).toThrow("1 to 10");
    expect(() => encodeBlocks(Array.from({ length: 11 }, () => ask("status", 1)))).toThrow("1 to 10");
    for (const path of [0, -1, 65, 1.5]) expect(() => encodeBlocks([ask("status", path)])).toThrow("no control path");
  });

  it("the transfer channel, on which programs are written", () => {
    expect(Object.values(FRAME_TYPES).filter((type) => ![0x01, 0x02, 0x21].includes(type >> 8))).toEqual([]);
    expect(Buffer.from(encodeOpen())).not.toEqual(SHEET.openTransfer);
  });
});

describe("read", () => {
  it("the answer to an opening, whatever its table holds", () => {
    expect(frameOf(SHEET.opened)).toMatchObject({ version: 4, type: FRAME_TYPES.opened });
    expect(SHEET.opened.length).toBe(370);
    expect(frameOf(SHEET.closed)).toMatchObject({ version: 3, type: FRAME_TYPES.closed });
  });

  it("who it is", () => {
    expect(decodeSystem(data(SHEET.system0i, ask("system", 1)))).toEqual({ type: "0", machine: "M", series: "D5F3", version: "11.0", isI: true, model: "D", axes: 2 });
    expect(decodeSystem(data(SHEET.system30i, ask("system", 1)))).toEqual({ type: "30", machine: "M", series: "G31Z", version: "10.0", isI: true, model: "B", axes: 3 });
  });

  it("status, alone and with the two that belong to it", () => {
    // hdck and tmmode are not asked for; a source that does answers like this.
    const { payload } = frameOf(SHEET.status);
    expect(decodeStatus(payload.subarray(18, 32))).toEqual({ mode: 1, run: 1, motion: 0, mstb: 0, emergency: 0, alarm: 0, edit: 0 });
    expect(decodeStatus(data(SHEET.statusAlone, ask("status", 1)))).toMatchObject({ mode: 1, run: 3, motion: 1 });
    expect(decodeStatus(Buffer.alloc(28))).toBeNull();
  });

  it("program, parts, speed, alarms", () => {
    expect(decodeProgramNumbers(data(SHEET.program, ask("programNumbers", 1)))).toEqual({ running: 3000, main: 3000 });
    expect(decodeParameter(data(SHEET.parts, ask("parameter", 1, 6711, 6711)), 6711)).toBe(123);
    expect(decodeParameterOlder(data(SHEET.partsOlder, ask("parameterOlder", 1, 6711, 6711)), 6711)).toBe(123);
    expect(decodeNumber(data(SHEET.speed, ask("spindleSpeed", 1)))).toBe(1002);
    expect(decodeAlarmBits(data(SHEET.noAlarmBits, ask("alarmBits", 1)))).toBe(0);
    expect(decodeAlarmBits(data(SHEET.alarmBits, ask("alarmBits", 1)))).toBe(8);
    expect(decodeAlarms(data(SHEET.noAlarms, ask("alarmTexts", 1)), 64)).toEqual([]);
    const [alarm] = decodeAlarms(data(SHEET.alarms, ask("alarmTexts", 1)), 64);
    expect(alarm).toMatchObject({ number: 75, type: 3, axis: 0 });
    expect(decodeText(alarm?.text ?? Buffer.alloc(0), "gbk")).toBe("保护");
  });

  it("a status decides, its details do not; a refusal of the whole frame", () => {
    expect(answers(SHEET.speedRefused, ask("spindleSpeed", 1))).toMatchObject([{ status: 1, detail: [0, 0] }]);
    expect(answers(SHEET.goodWithDetail, { device: 1, path: 1, command: 3, values: [] })).toMatchObject([{ status: 0, detail: [2, 0] }]);
    expect(answers(SHEET.dataError, { device: 1, path: 1, command: 5, values: [] })).toMatchObject([{ status: 5, detail: [2, 0] }]);
    const refused = frameOf(SHEET.refused);
    expect(isRefusal(refused)).toBe(true);
    expect(decodeRefusal(refused.payload, WHAT)).toEqual({ code: -17, detail: [1, 0] });
  });

  it("a timer in either order of bytes, and none that fits in neither", () => {
    expect(timerDecoder()(hex("48010000 00000000"))).toBe(328 * 60_000);
    expect(timerDecoder()(hex("00000005 00000BB8"))).toBe(303_000);
    expect(timerDecoder()(hex("FFFFFFFF FFFFFFFF"))).toBeNull();
    expect(timerDecoder()(hex("00000005"))).toBeNull();
    // 65,536 minutes or 256: once the order is known, it is believed.
    const decode = timerDecoder();
    expect([hex("00000100 00000000"), hex("48010000 B80B0000"), hex("00000100 00000000")].map(decode)).toEqual([256 * 60_000, 328 * 60_000 + 3_000, 65_536 * 60_000]);
  });
});

it("every row of the tables says where it is from", () => {
  expect([...Object.values(READ_FUNCTIONS), ...SIGNAL_ROWS, ...TIMERS].filter(({ source }) => !source.startsWith("§"))).toEqual([]);
});

describe("numbers of eight bytes", () => {
  it.each([
    ["002F7AE9 000A 0004", 311.1657], ["FFFFFFFD 000A 0000", -3], ["00000005 0002 0001", 2.5], ["80000000 000A 0000", -2_147_483_648], ["7FFFFFFF 000A 0009", 2.147483647],
    ["00000000 000A FFFF", null], ["00000000 000A 000A", null], ["00303031 0003 3033", null], ["00000007 0010 0000", null], ["00000007 000A 8000", null], ["0000", null],
  ])("%s is %s", (bytes, value) => {
    expect(number8(hex(bytes))).toBe(value);
  });
});

it("bytes cut anywhere, and frames in one piece, give the same frames", () => {
  const all = [SHEET.opened, SHEET.system0i, SHEET.status, SHEET.closed, SHEET.parts, SHEET.refused];
  const bytes = Buffer.concat(all);
  const read = (...sizes: readonly number[]): readonly string[] => {
    const reader = new FrameReader(WHAT);
    const frames: string[] = [];
    for (let at = 0, turn = 0; at < bytes.length; turn++) {
      const size = sizes[turn % sizes.length] ?? 1;
      for (const { version, type, payload } of reader.push(bytes.subarray(at, at + size))) frames.push(`${version} ${type} ${Buffer.from(payload).toString("hex")}`);
      at += size;
    }
    return frames;
  };
  const whole = read(bytes.length);
  expect(whole).toHaveLength(all.length);
  for (const sizes of [[1], [3], [9], [10], [11], [370], [371, 1], [5, 400, 2], [bytes.length - 1]]) expect(read(...sizes)).toEqual(whole);
});

describeWithCaptures("recordings of real controls", () => {
  it("16i-W: nine blocks, two of them refused, the others whole", () => {
    const [asked, answered] = listings("sample_with_error.md");
    const blocks = [ask("alarmBits", 1), ask("programNumbers", 1), ask("sequence", 1), ask("feed", 1), ask("spindleSpeed", 1), ...[4, 1, 6, 7].map((selector) => ask("position", 1, selector, -1))];
    expect(request(...blocks)).toBe(asked?.toString("hex"));
    const [bits, program, sequence, feed, speed, absolute, machine, relative, distance] = answers(answered ?? Buffer.alloc(0), ...blocks);
    expect(decodeAlarmBits(bits?.data ?? Buffer.alloc(0))).toBe(0);
    expect(decodeProgramNumbers(program?.data ?? Buffer.alloc(0))).toEqual({ running: 3000, main: 3000 });
    expect(decodeI32(sequence?.data ?? Buffer.alloc(0))).toBe(0);
    expect(decodeNumber(feed?.data ?? Buffer.alloc(0))).toBe(0);
    expect([speed?.status, distance?.status]).toEqual([1, 6]);
    expect(decodeAxes(absolute?.data ?? Buffer.alloc(0), 6)).toEqual([311.1657, 17.9202, 0, 0, -125.0000, 360]);
    expect(decodeAxes(machine?.data ?? Buffer.alloc(0), 3)).toEqual([-15.1363, -122.4431, -0.2131]);
    expect(decodeAxes(relative?.data ?? Buffer.alloc(0), 2)).toEqual([149.5301, 29.2875]);
  });

  it("31i: four blocks, the same one twice", () => {
    const [asked, answered] = listings("sample_multipacket.md");
    const blocks = [ask("count", 1, 2), ask("axisNames", 1), ask("servoLoad", 1, 1), ask("count", 1, 2)];
    expect(request(...blocks)).toBe(asked?.toString("hex"));
    const [count, names, load, again] = answers(answered ?? Buffer.alloc(0), ...blocks);
    expect([decodeU16(count?.data ?? Buffer.alloc(0)), decodeU16(again?.data ?? Buffer.alloc(0))]).toEqual([4, 4]);
    expect(decodeAxisNames(names?.data ?? Buffer.alloc(0))).toEqual(["X", "Y", "Z", "B"]);
    expect(decodeAxes(load?.data ?? Buffer.alloc(0), 4)).toEqual([0, -3, 33, 0]);
  });

  it("diagnosis, as each class lays it out", () => {
    const [olderAsked, older, newerAsked, newer] = listings("compare_read_diag.md");
    expect(request(ask("diagnosisOlder", 1, 918, 918, 1))).toBe(olderAsked?.toString("hex"));
    expect(decodeDiagnosisOlder(data(older ?? Buffer.alloc(0), ask("diagnosisOlder", 1)), 918)).toBe(1_536_675);
    expect(request(ask("diagnosis", 1, 308, 309, -1))).toBe(newerAsked?.toString("hex"));
    const both = data(newer ?? Buffer.alloc(0), ask("diagnosis", 1));
    expect([1, 2, 3, 4].map((axis) => decodeParameter(both, 308, axis))).toEqual([28, 28, 44, 26]);
    expect([1, 2, 3, 4].map((axis) => decodeParameter(both.subarray(264), 309, axis))).toEqual([36, 36, 49, 0]);
  });
});
