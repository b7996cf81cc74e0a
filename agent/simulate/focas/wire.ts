/** FOCAS frames as a control takes and gives them, written from focas.md §1, §2 alone: no line is shared with the driver. */

export interface Asked {
  readonly device: number;
  readonly path: number;
  readonly command: number;
  readonly args: readonly [number, number, number, number];
  /** Bytes of data that came with it: reads have none. */
  readonly dataLength: number;
  /** Its twelve bytes that are echoed: device, path, command. */
  readonly echo: Buffer;
}
export interface Request {
  readonly kind: number;
  readonly direction: number;
  readonly payload: Buffer;
  /** Header and payload. */
  readonly whole: Buffer;
}

const SYNC = Buffer.from("a0a0a0a0", "hex");
const HEAD = 10;

/** Takes whole frames off the front of `bytes`. Null: this is not FOCAS. */
export function requestsIn(bytes: Buffer): { readonly requests: readonly Request[]; readonly rest: Buffer } | null {
  const requests: Request[] = [];
  let rest = bytes;
  while (rest.length >= HEAD) {
    if (!rest.subarray(0, 4).equals(SYNC) || rest.readUInt16BE(4) !== 1) return null;
    const end = HEAD + rest.readUInt16BE(8);
    if (rest.length < end) break;
    requests.push({ kind: rest[6] ?? 0, direction: rest[7] ?? 0, payload: rest.subarray(HEAD, end), whole: rest.subarray(0, end) });
    rest = rest.subarray(end);
  }
  return { requests, rest };
}

/** The blocks of a request that asks; null: their lengths do not add up. */
export function blocksIn(payload: Buffer): readonly Asked[] | null {
  if (payload.length < 2) return null;
  const blocks: Asked[] = [];
  let at = 2;
  for (let left = payload.readUInt16BE(0); left > 0; left--) {
    if (at + 28 > payload.length) return null;
    const size = payload.readUInt16BE(at);
    const dataLength = payload.readUInt16BE(at + 26);
    if (size !== 28 + dataLength || at + size > payload.length) return null;
    blocks.push({
      device: payload.readUInt16BE(at + 2), path: payload.readUInt16BE(at + 4), command: payload.readUInt16BE(at + 6), dataLength, echo: payload.subarray(at + 2, at + 8),
      args: [payload.readInt32BE(at + 8), payload.readInt32BE(at + 12), payload.readInt32BE(at + 16), payload.readInt32BE(at + 20)],
    });
    at += size;
  }
  return at === payload.length ? blocks : null;
}

export function frame(version: number, kind: number, direction: number, payload: Buffer): Buffer {
  const head = Buffer.concat([SYNC, Buffer.alloc(6)]);
  head.writeUInt16BE(version, 4);
  head[6] = kind;
  head[7] = direction;
  head.writeUInt16BE(payload.length, 8);
  return Buffer.concat([head, payload]);
}

/** One block of an answer. Details say more of an error; a good answer may have one too. */
export function block({ echo }: Asked, status: number, data: Buffer, detail = 0): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt16BE(16 + data.length, 0);
  echo.copy(head, 2);
  head.writeInt16BE(status, 8);
  head.writeInt16BE(detail, 10);
  head.writeUInt16BE(data.length, 14);
  return Buffer.concat([head, data]);
}
export const blocks = (all: readonly Buffer[]): Buffer => Buffer.concat([u16(all.length), ...all]);

/** Payload of an answer that refuses the whole frame (§2.5). */
export const refusal = (code: number, detail = 0): Buffer => Buffer.concat([u16(0), i16(code), i16(detail), u16(0)]);

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value & 0xffff);
  return bytes;
}
const i16 = (value: number): Buffer => u16(value);
export function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
}

/** The eight-byte number (§3); null: vacant. */
export function number8(value: number | null, decimals = 0): Buffer {
  return value === null ? Buffer.concat([i32(0), u16(10), i16(-1)]) : Buffer.concat([i32(Math.round(value * 10 ** decimals)), u16(10), u16(decimals)]);
}
/** What a control sends for an axis that it does not have: no sense, and status 0 (§3). */
export const NONSENSE = Buffer.from("0030303100003033", "hex");

/** The table in the answer to an opening (§1.3): of 0i, level 4, as captured; of others by the length rule. */
export function openTable(version: number): Buffer {
  if (version <= 2) {
    const table = Buffer.alloc(16 + 8);
    table.writeUInt16BE(1, 8);
    return table;
  }
  const table = Buffer.alloc(40 + 32 * 10);
  [6, 5, 1, 32, 8, 10, 3, 3, 2, 2, 0, 1, 1, 0, 1].forEach((word, index) => table.writeUInt16BE(word, index * 2));
  [0x204d, 1, 0, 2, 2, 0, 1, 1].forEach((word, index) => table.writeUInt16BE(word, 40 + index * 2));
  return table;
}
