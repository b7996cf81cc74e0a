/** Texts of devices for people: whatever a device says, it writes on nobody's terminal but letters. */

const LIMIT = 400;

/** One line, without control characters (colours, cursor, line ends) and without marks that turn the reading direction. */
export const plain = (text: string): string =>
  text.slice(0, LIMIT * 4).replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\ufeff]+/gu, " ").replaceAll(/ {2,}/gu, " ").trim().slice(0, LIMIT);

/** Two columns. */
export function rows(pairs: readonly (readonly [string, string])[], indent = "  "): string {
  const wide = Math.min(32, Math.max(0, ...pairs.map(([left]) => plain(left).length)));
  return pairs.map(([left, right]) => `${indent}${plain(left).padEnd(wide)}  ${plain(right)}\n`).join("");
}
