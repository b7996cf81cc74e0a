/** Any one bit of a text, its number or its checksum: it is read as it was. Anything more is not. */
import { describe, expect, it } from "vitest";
import { crcOf } from "../../../buffer/ledger/checksum.ts";
import { mended } from "../../../buffer/ledger/mend.ts";

const STORED = { id: 5, text: '{"équipement":{"machine":"VMC-3"}}' };
const CRC = crcOf(`${STORED.id}|${STORED.text}`);
const BYTES = Buffer.from(STORED.text);
const flipped = (bit: number): Buffer => {
  const bytes = Buffer.from(BYTES);
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return bytes;
};
const bits = (count: number): readonly number[] => Array.from({ length: count }, (_, bit) => bit);

describe("a text with a flipped bit", () => {
  it("anywhere in it", () => {
    expect(bits(BYTES.length * 8).map((bit) => mended(STORED.id, flipped(bit), CRC))).toEqual(bits(BYTES.length * 8).map(() => STORED));
  });
  it("in its checksum", () => {
    expect(bits(32).map((bit) => mended(STORED.id, BYTES, CRC ^ (1 << bit)))).toEqual(bits(32).map(() => STORED));
  });
  it("in its number", () => {
    expect(bits(16).map((bit) => mended(STORED.id ^ (1 << bit), BYTES, CRC))).toEqual(bits(16).map(() => STORED));
  });
  it("and another: it is nothing", () => {
    for (const bit of bits(BYTES.length * 8 - 9)) {
      const bytes = flipped(bit);
      bytes[(bit >> 3) + 1] = (bytes[(bit >> 3) + 1] ?? 0) ^ 0x10;
      expect(mended(STORED.id, bytes, CRC)).toBeNull();
    }
    expect(mended(STORED.id, Buffer.alloc(0), CRC)).toBeNull();
  });
});
