/** How each configured point is read, and what its bytes mean: focas.md §3, §5.4, §5.14. */
import { decodeDiagnosisOlder, decodeParameter, decodeParameterOlder } from "./decode.ts";
import { ask } from "./functions.ts";
import type { Way } from "./item.ts";
import { number8 } from "./number8.ts";
import { ADDRESS, type FocasPoint } from "./points.ts";

/** PMC areas by letter. source: §5.14; E is not confirmed. */
const AREAS: Readonly<Record<string, number>> = { G: 0, F: 1, Y: 2, X: 3, A: 4, R: 5, T: 6, K: 7, C: 8, D: 9, E: 12 };
/** For people, and to tell two points with one signal apart: "macro 500", "pmc R100.3". */
export const placeOf = ({ macro, pmc, parameter, diagnosis, axis }: FocasPoint): string =>
  `${macro !== undefined ? `macro ${macro}` : pmc !== undefined ? `pmc ${pmc}` : parameter !== undefined ? `parameter ${parameter}` : `diagnosis ${diagnosis ?? 0}`}${axis === undefined ? "" : `/${axis}`}`;

/** `isOlder`: the 16i class has other functions for parameters and diagnosis; the likelier comes first. */
export function waysOf(point: FocasPoint, path: number, isOlder: boolean): readonly Way<number>[] {
  if (point.macro !== undefined) return [{ block: ask("macro", path, point.macro, point.macro), bytes: 8, decode: number8 }];
  if (point.pmc !== undefined) return [pmcWay(point.pmc, point)];
  if (point.parameter !== undefined) return parameterWays(point.parameter, path, isOlder, point.axis);
  const number = point.diagnosis ?? 0;
  const newer: Way<number> = { block: ask("diagnosis", path, number, number, point.axis ?? 0), bytes: 264, decode: (data) => decodeParameter(data, number) };
  const older: Way<number> = { block: ask("diagnosisOlder", path, number, number, point.axis ?? 0), bytes: 40, decode: (data) => decodeDiagnosisOlder(data, number) };
  return isOlder ? [older, newer] : [newer, older];
}

/** The value of one axis stands first when that axis alone is asked for (§5.4). */
export function parameterWays(number: number, path: number, isOlder: boolean, axis = 0): readonly Way<number>[] {
  const newer: Way<number> = { block: ask("parameter", path, number, number, axis), bytes: 264, decode: (data) => decodeParameter(data, number) };
  const older: Way<number> = { block: ask("parameterOlder", path, number, number, axis), bytes: 40, decode: (data) => decodeParameterOlder(data, number) };
  return isOlder ? [older, newer] : [newer, older];
}

/** The control paths share one sequence program: it is asked as path 1 unless told otherwise. Throws nothing: the address was checked by its shape. */
export function pmcWay(address: string, { as = "byte", signed = false, path = 1 }: { readonly as?: FocasPoint["as"]; readonly signed?: boolean; readonly path?: number } = {}): Way<number> {
  const [, letter = "R", digits = "0", bit] = ADDRESS.exec(address) ?? [];
  const start = Number(digits);
  const [size, width] = ({ byte: [1, 0], word: [2, 1], long: [4, 2] } as const)[as];
  return {
    block: ask("pmc", path, start, start + size - 1, AREAS[letter] ?? 0, width), bytes: size,
    decode(data) {
      if (data.length < size) return null;
      const bytes = Buffer.from(data.subarray(0, size));
      const value = signed ? bytes.readIntBE(0, size) : bytes.readUIntBE(0, size);
      return bit === undefined ? value : (value >> Number(bit)) & 1;
    },
  };
}
