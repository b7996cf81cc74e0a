/** What bytes mean (modbus.md §2), written out from the definitions and not by an encoder. */
import { describe, expect, it } from "vitest";
import { decodeBit, decodeRegisters, type Encoding } from "../../../protocols/modbus/decode.ts";
import { answerLength, crc16, findAnswer, othersAsk } from "../../../protocols/modbus/rtu-frame.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("registers", () => {
  it.each<[string, string, Partial<Encoding>, unknown]>([
    // 4.25 is 40 88 00 00.
    ["f32, high word first", "40880000", { type: "f32" }, 4.25],
    ["f32, low word first", "00004088", { type: "f32", order: "CDAB" }, 4.25],
    ["f32, bytes swapped", "88400000", { type: "f32", order: "BADC" }, 4.25],
    ["f32, little-endian", "00008840", { type: "f32", order: "DCBA" }, 4.25],
    ["f32 as its digits", "4366199a", { type: "f32" }, 230.1],
    ["u32, all four orders", "01020304", { type: "u32" }, 0x0102_0304],
    ["u32, all four orders", "03040102", { type: "u32", order: "CDAB" }, 0x0102_0304],
    ["u32, all four orders", "02010403", { type: "u32", order: "BADC" }, 0x0102_0304],
    ["u32, all four orders", "04030201", { type: "u32", order: "DCBA" }, 0x0102_0304],
    ["s32", "ffffff85", { type: "s32" }, -123],
    ["u16", "ffff", {}, 65_535],
    ["u16, bytes swapped", "3412", { order: "BADC" }, 0x1234],
    ["s16", "8000", { type: "s16" }, -32_768],
    ["u64", "0000000000000102", { type: "u64" }, 258n],
    ["u64, words reversed", "0102000000000000", { type: "u64", order: "CDAB" }, 258n],
    ["s64", "fffffffffffffffe", { type: "s64" }, -2n],
    ["f64", "40f8698000000000", { type: "f64" }, 99_992],
    ["a bit", "0008", { type: "bool", bit: 3 }, true],
    ["the bit beside it", "0008", { type: "bool", bit: 2 }, false],
    ["the highest bit", "8000", { type: "bool", bit: 15 }, true],
    ["some bits, moved down", "1234", { mask: 0x0ff0 }, 0x23],
    ["decimal digits", "1234", { type: "bcd16" }, 1_234],
    ["decimal digits, 8 of them", "00120034", { type: "bcd32" }, 120_034],
    ["no decimal digit", "12a4", { type: "bcd16" }, null],
    ["text", "4f31323334200000", { type: "ascii" }, "O1234"],
    ["text, bytes swapped", "314f3332", { type: "ascii", order: "BADC" }, "O123"],
    ["text, words never", "4f31", { type: "ascii", order: "CDAB" }, "O1"],
    ["text without what cannot be printed", "07411b42", { type: "ascii" }, "AB"],
    // Sentinels: no number, or configured.
    ["NaN", "7fc00000", { type: "f32" }, null],
    ["another NaN", "ffffffff", { type: "f32" }, null],
    ["negative NaN", "ffc00000", { type: "f32" }, null],
    ["infinity", "7f800000", { type: "f32" }, null],
    ["NaN in 64 bits", "7ff8000000000000", { type: "f64" }, null],
    ["0x8000 where it means none", "8000", { type: "s16", invalid: [-32_768] }, null],
    ["0xFFFF where it means none", "ffff", { invalid: [65_535] }, null],
    ["0xFFFFFFFF where it means none", "ffffffff", { type: "u32", invalid: [0xffff_ffff] }, null],
    ["64 bits where they mean none", "00000000000000ff", { type: "u64", invalid: [255] }, null],
    ["all of 64 bits where they mean none", "ffffffffffffffff", { type: "u64", invalid: [2 ** 64] }, null],
    ["a sentinel that is not whole", "c479ffdf", { type: "f32", invalid: [-999.998] }, null],
    ["another value than a sentinel that is not whole", "00000002", { type: "u32", invalid: [-999.998, 1.5] }, 2],
    ["64 bits beside a sentinel that is not whole", "0000000000000002", { type: "s64", invalid: [2.5] }, 2n],
    ["another value beside it", "7fff", { type: "s16", invalid: [-32_768] }, 32_767],
  ])("%s: %s", (_, bytes, encoding, value) => {
    expect(decodeRegisters(hex(bytes), { type: "u16", order: "ABCD", ...encoding })).toBe(value);
  });

  it("coils, the lowest bit first", () => {
    expect([0, 1, 2, 7, 8, 9].map((index) => decodeBit(hex("8502"), index))).toEqual([true, false, true, true, false, true]);
  });
});

describe("frames on a line", () => {
  // From the specification's example of function 3 for unit 17, with its checksum.
  const request = hex("1103006b00037687");
  const answer = hex("110306ae415652434049ad");

  it("the checksum", () => {
    expect(crc16(request.subarray(0, 6))).toBe(0x8776);
    expect(crc16(answer.subarray(0, -2))).toBe(0xad49);
    expect([1, 2, 3, 4].map((code) => answerLength(Buffer.from([1, code, 0, 0, 0, 20])))).toEqual([8, 8, 45, 45]);
  });

  it.each<[string, Buffer, Buffer | null]>([
    ["alone", answer, answer],
    ["after noise", Buffer.concat([hex("00ff00"), answer]), answer],
    ["after the echo of the request", Buffer.concat([request, answer]), answer],
    ["after the answer of another unit", Buffer.concat([hex("0c0306ae4156524340"), answer]), answer],
    ["an exception", hex("118302c134"), hex("118302c134")],
    ["the echo alone", request, null],
    ["half of it", answer.subarray(0, 7), null],
    ["damaged", hex("110306ae415652434149ad"), null],
    ["of another unit", hex("120306ae41565243402900"), null],
    ["of another function", hex("110406ae41565243400000"), null],
    ["of another length", hex("110304ae4156520000"), null],
    ["nothing", Buffer.alloc(0), null],
  ])("%s", (_, heard, found) => {
    expect(findAnswer(heard, request)).toEqual(found);
  });

  it("an echo is no answer where it would look like one: 17 to 24 coils at an address of 0x03xx", () => {
    const coils = Buffer.concat([hex("010103000011"), Buffer.alloc(2)]);
    coils.writeUInt16LE(crc16(coils.subarray(0, 6)), 6);
    expect(answerLength(coils)).toBe(coils.length);
    expect(findAnswer(coils, coils)).toBeNull();
    const real = hex("0101030f0f0f0000");
    real.writeUInt16LE(crc16(real.subarray(0, 6)), 6);
    expect(findAnswer(Buffer.concat([coils, real]), coils)).toEqual(real);
  });

  it("a second master's request is told from an echo, from an answer to us, and from what lies in one", () => {
    const theirs = hex("1103000a0001a698");
    expect(othersAsk(theirs, request)).toEqual([0x11]);
    expect(othersAsk(Buffer.concat([hex("00ff"), theirs, answer]), request)).toEqual([0x11]);
    expect(othersAsk(theirs, Buffer.alloc(0))).toEqual([0x11]);
    expect(othersAsk(Buffer.concat([request, answer]), request)).toEqual([]);
    expect(othersAsk(Buffer.concat([hex("110306"), theirs]), request)).toEqual([]);
    for (let end = 0; end < theirs.length; end++) expect(othersAsk(theirs.subarray(0, end), request)).toEqual([]);
  });

  it("is found whatever pieces it comes in, and wherever the noise ends", () => {
    for (let noise = 0; noise < 12; noise++) {
      const all = Buffer.concat([Buffer.alloc(noise, 0x11), answer]);
      for (let end = 0; end <= all.length; end++) expect(findAnswer(all.subarray(0, end), request) !== null).toBe(end === all.length);
    }
  });
});
