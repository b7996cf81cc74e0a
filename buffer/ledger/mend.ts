/**
 * A text of which one bit is not what it was: the checksum tells which. All records of a machine stand on one such text, so
 * without it all of them would be lost. Two texts that differ in one bit never have one checksum; that a text with more
 * damage passes for one with a single flipped bit is one chance in a million (as many tries as it has bits, of 2^32).
 */
import { crc32 } from "node:zlib";
import { crcOf } from "./checksum.ts";

/** A longer one would take seconds: the checksum is made anew for each of its bits. */
const MOST_BYTES = 4_096;
const ID_BITS = 16;

export interface Text {
  readonly id: number;
  readonly text: string;
}

/** What was stored under `crc`, the checksum over id and text; null where more than one bit is wrong. `bytes`: the text as it lies there. */
export function mended(id: number, bytes: Buffer, crc: number): Text | null {
  const text = bytes.toString("utf8");
  const head = Buffer.from(`${id}|`);
  const whole = Buffer.concat([head, bytes]);
  if (isOneBit((crc32(whole) | 0) ^ crc)) return { id, text }; // The checksum's own.
  for (let bit = 0; bit < ID_BITS; bit++) if (crcOf(`${id ^ (1 << bit)}|${text}`) === crc) return { id: id ^ (1 << bit), text };
  for (let at = head.length; at < Math.min(whole.length, MOST_BYTES); at++) {
    const byte = whole[at] ?? 0;
    for (let bit = 0; bit < 8; bit++) {
      whole[at] = byte ^ (1 << bit);
      if ((crc32(whole) | 0) === crc) return { id, text: whole.toString("utf8", head.length) };
    }
    whole[at] = byte;
  }
  return null;
}
const isOneBit = (bits: number): boolean => bits !== 0 && (bits & (bits - 1)) === 0;
