/** Amounts in words for a person: bytes, numbers, lengths of time, a bar. */
const UNITS = ["bytes", "kB", "MB", "GB", "TB"] as const;

/** 1 decimal below 10: "3.4 GB", "812 MB". */
export function bytesWords(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1_000 && unit < UNITS.length - 1) [value, unit] = [value / 1_000, unit + 1];
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit] ?? ""}`;
}

/** 12,345. */
export const numberWords = (value: number): string => String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, ",");

export const recordsWords = (count: number): string => `${numberWords(count)} ${count === 1 ? "record" : "records"}`;

const STEPS: readonly (readonly [ms: number, one: string, many: string])[] = [
  [365 * 86_400_000, "year", "years"], [86_400_000, "day", "days"], [3_600_000, "hour", "hours"], [60_000, "minute", "minutes"], [1_000, "second", "seconds"],
];
/** The largest unit that fits, with one decimal below 10: "2.5 days", "40 minutes". */
export function lengthWords(ms: number): string {
  const [step, one, many] = STEPS.find(([unit]) => ms >= unit) ?? [1_000, "second", "seconds"];
  const value = ms / step;
  const shown = value < 10 && many !== "seconds" ? Math.round(value * 10) / 10 : Math.round(value);
  return `${shown} ${shown === 1 ? one : many}`;
}

/** `share` of `width` filled: 0 is empty, more than nothing at least one. */
export function bar(share: number, width = 30): string {
  const filled = share <= 0 ? 0 : Math.min(width, Math.max(1, Math.round(share * width)));
  return `[${"#".repeat(filled)}${".".repeat(width - filled)}]`;
}

const COLOURS = { red: 31, yellow: 33, green: 32 } as const;
export const coloured = (text: string, colour: keyof typeof COLOURS, isTerminal: boolean): string => (isTerminal ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text);
