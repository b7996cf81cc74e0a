/**
 * One line of an adapter → what it is: data, a command, or nothing for us (mtconnect.md §11). Fields are only split here;
 * which of them belong to which item, the device model must say (names.ts). Assets are swallowed with their blocks.
 */
import { decodeTimestamp } from "../shared/mtconnect/timestamp.ts";

export type Stamp =
  | { readonly kind: "none" }
  | { readonly kind: "time"; readonly at: number }
  /** Milliseconds of a clock that began somewhere. */
  | { readonly kind: "relative"; readonly ms: number };

export type Line =
  | { readonly kind: "data"; readonly stamp: Stamp; readonly fields: readonly string[] }
  | { readonly kind: "command"; readonly name: string; readonly value: string }
  /** Blank, an asset, or what no adapter should send; `strange`: the latter. */
  | { readonly kind: "nothing"; readonly strange: boolean };

const NOTHING: Line = { kind: "nothing", strange: false };
const STRANGE: Line = { kind: "nothing", strange: true };
/** A lost terminator must not swallow the rest of the day. */
export const LONGEST_BLOCK_LINES = 10_000;
/** More fields than any control has items. */
const FIELD_LIMIT = 4_096;

/** A line of data with a whole stamp, which no asset has: the end of its block was lost. */
const STAMPED = /^\s*\d{4}-\d\d-\d\dT\d\d:[^|<]{4,40}\|/u;

/** Lines in order; a block of several lines is one asset. */
export class LineDecoder {
  #terminator: string | null = null;
  #swallowed = 0;

  decode(text: string): Line {
    if (this.#terminator !== null) {
      const isLost = ++this.#swallowed >= LONGEST_BLOCK_LINES || STAMPED.test(text);
      if (isLost || text.trim() === this.#terminator) this.#terminator = null;
      if (!STAMPED.test(text)) return NOTHING;
    }
    const trimmed = text.trim();
    if (trimmed === "") return NOTHING;
    if (trimmed.startsWith("*")) return decodeCommand(trimmed.slice(1));
    const bar = text.indexOf("|");
    if (bar === -1) return STRANGE;
    const stamp = decodeStamp(text.slice(0, bar));
    const rest = text.slice(bar + 1);
    if (/^\s*@[A-Z_]+@/u.test(rest)) {
      this.#terminator = /--multiline--\S*/u.exec(rest)?.[0] ?? null;
      this.#swallowed = 0;
      return NOTHING;
    }
    return stamp === null ? STRANGE : { kind: "data", stamp, fields: splitFields(rest) };
  }
}

/** `PONG 10000` has no colon, all others have: `adapterVersion: 2.0`. */
function decodeCommand(text: string): Line {
  const [, name = "", value = ""] = /^\s*([A-Za-z]+)\s*:?\s*(.*)$/u.exec(text.slice(0, 1_024)) ?? [];
  return name === "" ? STRANGE : { kind: "command", name: name.toLowerCase(), value: value.trim() };
}

/** `TIME@DURATION`: the duration covers what was before the time and says nothing that we use. Null: it is no stamp. */
function decodeStamp(text: string): Stamp | null {
  const at = text.indexOf("@");
  const time = (at === -1 ? text : text.slice(0, at)).trim();
  if (time === "") return { kind: "none" };
  if (/^\d{1,15}(?:\.\d+)?$/u.test(time)) return { kind: "relative", ms: Math.trunc(Number(time)) };
  const decoded = decodeTimestamp(time);
  return decoded === null ? null : { kind: "time", at: decoded };
}

/** A field in quotes may hold a bar behind a backslash (version 2); other quotes are part of the text. */
const QUOTED = /\s*"((?:[^"\\]|\\.)*)"\s*(?=\||$)/uy;

function splitFields(text: string): readonly string[] {
  const fields: string[] = [];
  for (let at = 0; fields.length < FIELD_LIMIT; ) {
    QUOTED.lastIndex = at;
    const quoted = text.includes("\\|") ? QUOTED.exec(text) : null;
    const isQuoted = quoted?.[1]?.includes("\\|") === true;
    const end = isQuoted ? at + (quoted?.[0].length ?? 0) : text.indexOf("|", at);
    const raw = text.slice(at, end === -1 ? undefined : end);
    fields.push(isQuoted ? (quoted?.[1] ?? "").replaceAll(/\\(.)/gu, "$1") : raw.trim());
    if (end === -1 || end >= text.length) break;
    at = end + 1;
  }
  return fields;
}
