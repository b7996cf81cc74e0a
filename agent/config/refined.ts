/** Shapes the configuration adds to the contract's: identities, local times, dates, zones, quantities, and checks across keys. */
import { INVALID, fail, name, nearest, type Path, type Problem, type Shape } from "../contract/shape.ts";
import { text } from "../contract/shapes.ts";

/** A shape and what must hold between its keys. `check` runs only when each key by itself is good; a problem makes the whole invalid. */
export function checked<T>(shape: Shape<T>, check: (value: T, path: Path, problems: Problem[]) => void): Shape<T> {
  return {
    schema: shape.schema,
    read(value, path, problems) {
      const decoded = shape.read(value, path, problems);
      if (decoded === INVALID) return INVALID;
      const before = problems.length;
      check(decoded, path, problems);
      return problems.length > before ? INVALID : decoded;
    },
  };
}

/** The name of something of the site: letters, digits, spaces and . _ - */
export const identity = (description: string): Shape<string> => text({
  description,
  pattern: /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._-]{0,63}$/u,
  expected: "a name of 1 to 64 letters, digits, spaces or . _ - that begins with a letter or digit",
});

/** One line of free text. */
export const line = (description: string, maxLength = 200): Shape<string> => text({
  description, maxLength, pattern: /^[^\p{Cc}]+$/u, expected: `one line of at most ${maxLength} characters`,
});

/** A program's name or an alarm with `*` for any text and `?` for one character. */
export const glob = (description: string): Shape<string> => text({
  description, maxLength: 200, pattern: /^[^\p{Cc}]+$/u, expected: 'a name, with * for any text and ? for one character, such as "O9*"',
});

const CLOCK_TIME = /^(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/;
/** `06:00` → minutes since local midnight; `24:00` is midnight, 0. */
export function timeOfDay(description: string): Shape<number> {
  return {
    schema: { type: "string", pattern: CLOCK_TIME.source, description },
    read(value, path, problems) {
      const match = typeof value === "string" ? CLOCK_TIME.exec(value) : null;
      if (match) return Number(match[1] ?? 0) * 60 + Number(match[2] ?? 0);
      const loose = typeof value === "string" ? /^(\d{1,2})[:.h](\d{2})$/.exec(value) : null;
      const near = loose && Number(loose[1]) < 24 && Number(loose[2]) < 60 ? { nearest: `"${(loose[1] ?? "").padStart(2, "0")}:${loose[2]}"` } : {};
      return fail(problems, { path, on: "value", found: name(value), expected: 'a local time from "00:00" to "24:00"', ...near });
    },
  };
}

const DATE = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/;
/** A local date that exists, `2026-12-24`. */
export function localDate(description: string): Shape<string> {
  return {
    schema: { type: "string", pattern: DATE.source, description },
    read(value, path, problems) {
      const exists = typeof value === "string" && DATE.test(value) && new Date(`${value}T00:00:00Z`).toISOString().startsWith(value);
      return exists ? value : fail(problems, { path, on: "value", found: name(value), expected: "a date that exists, such as 2026-12-24" });
    },
  };
}

/** An IANA zone that this runtime knows. Offsets such as +02:00 are no zones: they know no daylight saving. */
export function timezone(description: string): Shape<string> {
  return {
    schema: { type: "string", description },
    read(value, path, problems) {
      if (typeof value === "string" && isZone(value)) return value;
      const near = typeof value === "string" ? nearest(value.slice(0, 64), ["UTC", ...Intl.supportedValuesOf("timeZone")]) : undefined;
      return fail(problems, { path, on: "value", found: name(value), expected: "an IANA time zone, such as Europe/Paris or America/Chicago", ...(near && { nearest: near }) });
    },
  };
}

export function isZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name) || name.length > 64) return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

const SPEED = /^(\d{1,6}) ?rpm$/;
/** `50 rpm` → 50. A bare number has no unit and is an error. */
export function rotationSpeed(description: string): Shape<number> {
  return {
    schema: { type: "string", pattern: SPEED.source, description },
    read(value, path, problems) {
      const match = typeof value === "string" ? SPEED.exec(value) : null;
      if (match) return Number(match[1]);
      const near = typeof value === "number" ? { nearest: `${value} rpm` } : {};
      return fail(problems, { path, on: "value", found: name(value), expected: "a rotation speed with its unit, such as 50 rpm", ...near });
    },
  };
}
