/**
 * The number of eight bytes in which a control gives speeds, positions, loads, macros (focas.md §3): mantissa, base,
 * number of decimals. Null: vacant, or the garbage that some controls send, with status 0, for an axis that is not there.
 */
export const NUMBER8 = 8;
const MOST_DECIMALS = 9;

/** Null also where the data ends before the number does. */
export function number8(data: Uint8Array, at = 0): number | null {
  if (at + NUMBER8 > data.length) return null;
  const view = new DataView(data.buffer, data.byteOffset + at, NUMBER8);
  const [mantissa, base, decimals] = [view.getInt32(0), view.getUint16(4), view.getInt16(6)];
  if ((base !== 10 && base !== 2) || decimals < 0 || decimals > MOST_DECIMALS) return null;
  return mantissa / base ** decimals;
}

/** One for each whole eight bytes. */
export const numbers8 = (data: Uint8Array): readonly (number | null)[] =>
  Array.from({ length: Math.trunc(data.length / NUMBER8) }, (_, index) => number8(data, index * NUMBER8));
