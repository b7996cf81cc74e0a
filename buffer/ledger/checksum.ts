/** CRC-32 of rows, as SQLite stores it best: a signed 32-bit integer takes four bytes, an unsigned one six. */
import { crc32 } from "node:zlib";

export const crcOf = (text: string): number => crc32(text) | 0;

export interface RecordColumns {
  readonly seq: number;
  readonly machine: number;
  readonly type: number;
  /** UUID text, lower case with dashes. */
  readonly id: string;
  readonly rev: number;
  readonly start: number;
  readonly observed: number;
  readonly late: number;
  readonly context: number;
  readonly body: string;
}

/** Over every column of a record's row but the checksum itself. */
export const recordCrc = (row: RecordColumns): number =>
  crcOf(`${row.seq}|${row.machine}|${row.type}|${row.rev}|${row.start}|${row.observed}|${row.late}|${row.context}|${row.id}|${row.body}`);

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const isUuid = (id: string): boolean => UUID.test(id);
const HEX_DIGITS = Int8Array.from({ length: 128 }, (_, code) => "0123456789abcdef".indexOf(String.fromCharCode(code)));
/** Where the two digits of each byte stand in the text. */
const DIGIT_AT = Uint8Array.of(0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34);
/** Puts the 16 bytes of a UUID into `bytes` and returns it. */
export function uuidBytes(id: string, bytes: Buffer): Buffer {
  for (let index = 0; index < 16; index++) {
    const at = DIGIT_AT[index] ?? 0;
    bytes[index] = ((HEX_DIGITS[id.charCodeAt(at)] ?? 0) << 4) | (HEX_DIGITS[id.charCodeAt(at + 1)] ?? 0);
  }
  return bytes;
}
export function uuidText(bytes: Buffer): string {
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
