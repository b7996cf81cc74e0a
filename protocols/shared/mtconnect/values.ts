/**
 * The text of an observation → quality and value (mtconnect.md §7). UNAVAILABLE in any case, and what cannot be read as
 * the number it should be, is not known: never an invented zero. A word outside its list is kept, as UNCERTAIN.
 */
import { UNAVAILABLE, type Valued } from "../points.ts";
import type { ValueKind } from "./signals.ts";
import { detached } from "./text.ts";

/** Longer texts are cut: a signal is shown and compared, not archived. */
const TEXT_LIMIT = 1_024;

const isUnavailable = (text: string): boolean => text.length === 11 && text.toUpperCase() === "UNAVAILABLE";

/** `factor` turns the model's unit into ours; `uncertain` marks a unit that the model does not name. */
export function decodeValue(kind: ValueKind, text: string, { factor, uncertain }: { readonly factor: number; readonly uncertain: boolean }): Valued {
  const trimmed = text.trim();
  if (isUnavailable(trimmed)) return UNAVAILABLE;
  const quality = uncertain ? "UNCERTAIN" : "GOOD";
  switch (kind.kind) {
    // Blank means "none": Hurco sends a program name of one space when none runs.
    case "text": return { quality, value: detached(trimmed.slice(0, TEXT_LIMIT)) };
    case "words": return decodeWord(kind, trimmed);
    case "number": {
      const value = numberOf(trimmed);
      return value === null ? UNAVAILABLE : { quality, value: value * factor };
    }
    case "integer": {
      // Agents deliver 125 or 125.0.
      const value = numberOf(trimmed);
      return value === null || !Number.isSafeInteger(value) ? UNAVAILABLE : { quality, value };
    }
    case "free": {
      const value = numberOf(trimmed);
      return { quality, value: value === null ? detached(trimmed.slice(0, TEXT_LIMIT)) : value * factor };
    }
  }
}

function decodeWord({ words, aliases }: Extract<ValueKind, { kind: "words" }>, text: string): Valued {
  const upper = text.toUpperCase();
  const word = Object.hasOwn(aliases, upper) ? aliases[upper] : upper;
  const known = words.find((one) => one === word);
  return known === undefined ? { quality: "UNCERTAIN", value: detached(text.slice(0, TEXT_LIMIT)) } : { quality: "GOOD", value: known };
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/u;

function numberOf(text: string): number | null {
  const value = NUMBER.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : null;
}
