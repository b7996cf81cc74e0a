/**
 * Registers → raw values (modbus.md §2). A register is 16 bits, most significant byte first; values of several registers
 * come in four orders, named by the bytes A (most significant) to D. What is no number (NaN, an infinity, a digit that is
 * none in BCD) is null.
 */
import type { Raw } from "../shared/points.ts";

export const TYPES = ["bool", "u16", "s16", "u32", "s32", "f32", "u64", "s64", "f64", "bcd16", "bcd32", "ascii"] as const;
export type Type = (typeof TYPES)[number];
export const ORDERS = ["ABCD", "CDAB", "BADC", "DCBA"] as const;
export type Order = (typeof ORDERS)[number];

/** Registers that a value takes; of ascii, its own `length`; of bool, one (or one coil). */
const SIZES: Readonly<Record<Exclude<Type, "ascii">, number>> = { bool: 1, u16: 1, s16: 1, u32: 2, s32: 2, f32: 2, u64: 4, s64: 4, f64: 4, bcd16: 1, bcd32: 2 };
export const registersOf = (type: Type, length = 1): number => (type === "ascii" ? length : SIZES[type]);

export interface Encoding {
  readonly type: Type;
  readonly order: Order;
  /** Of a register: 0 is the least significant. */
  readonly bit?: number;
  /** Of u16: these bits alone, moved down to the lowest of them. */
  readonly mask?: number;
  /** Raw values that mean "no value". */
  readonly invalid?: readonly number[];
}

/** `bytes` are those of the value alone, as they came over the wire. */
export function decodeRegisters(bytes: Uint8Array, { type, order, bit, mask, invalid }: Encoding): Raw | null {
  const ordered = inOrder(bytes, order, type !== "ascii");
  const raw = valueOf(ordered, type, { bit, mask });
  // 2^64 - 1 is written as the nearest number there is.
  return invalid?.some((one) => (typeof raw === "bigint" ? Number(raw) : raw) === one) ? null : raw;
}

/** The same bytes, most significant first. */
function inOrder(bytes: Uint8Array, order: Order, wordsToo: boolean): DataView {
  const copy = Buffer.from(bytes);
  if (order === "BADC" || order === "DCBA") copy.swap16();
  if (!wordsToo || order === "ABCD" || order === "BADC") return new DataView(copy.buffer, copy.byteOffset, copy.length);
  const turned = Buffer.alloc(copy.length);
  for (let at = 0; at < copy.length; at += 2) copy.copy(turned, copy.length - 2 - at, at, at + 2);
  return new DataView(turned.buffer, turned.byteOffset, turned.length);
}

function valueOf(view: DataView, type: Type, { bit, mask }: { readonly bit: number | undefined; readonly mask: number | undefined }): Raw | null {
  switch (type) {
    case "bool": return ((view.getUint16(0) >> (bit ?? 0)) & 1) === 1;
    case "u16": return mask === undefined ? view.getUint16(0) : (view.getUint16(0) & mask) / lowest(mask);
    case "s16": return view.getInt16(0);
    case "u32": return view.getUint32(0);
    case "s32": return view.getInt32(0);
    case "f32": return finite(shortest(view.getFloat32(0)));
    case "u64": return view.getBigUint64(0);
    case "s64": return view.getBigInt64(0);
    case "f64": return finite(view.getFloat64(0));
    case "bcd16": return decimal(view.getUint16(0));
    case "bcd32": return decimal(view.getUint32(0));
    case "ascii": return textOf(view);
  }
}

const lowest = (mask: number): number => mask & -mask;
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** 230.1 in 32 bits is 230.1000061… in 64: the digits that 32 bits hold are meant. */
const shortest = (value: number): number => {
  const short = Number(value.toPrecision(7));
  return Math.fround(short) === value ? short : value;
};

function decimal(bits: number): number | null {
  const digits = bits.toString(16);
  return /^\d+$/u.test(digits) ? Number(digits) : null;
}

/** Ends at the first zero byte; what is no printable ASCII is left out. */
function textOf(view: DataView): string {
  const text = Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString("latin1");
  const end = text.indexOf("\0");
  return (end === -1 ? text : text.slice(0, end)).replace(/[^\x20-\x7e]/gu, "").trim();
}

/** Bit `index` of what a read of coils or discrete inputs gave: eight to a byte, the lowest first. */
export const decodeBit = (bytes: Uint8Array, index: number): boolean => (((bytes[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
