/**
 * Bytes of a Haas control → replies, whatever its framing (haas.md §1): prompts in front, STX and ETB around, CR or LF or
 * both after (Setting 25 of older controls), in any pieces. A reply is its fields; whose question it answers, link.ts decides by the first.
 */
import type { LinkError } from "../../agent/contract/errors.ts";
import { malformed } from "../shared/bytes.ts";

/** Longer than any reply there is. */
export const LINE_LIMIT = 1_024;
const [STX, ETB] = [0x02, 0x17];
const ENDS = [0x0d, 0x0a, ETB];

export type Reply =
  | { readonly kind: "values"; readonly label: string; readonly fields: readonly string[] }
  /** The control knows no such question. `echo`: what it says it was asked, where it does. */
  | { readonly kind: "rejected"; readonly echo: string | null; readonly text: string };

export class ReplyDecoder {
  readonly #where: string;
  /** A line set to seven bits may carry its parity in the eighth. */
  readonly #mask: number;
  #rest: Uint8Array = new Uint8Array();

  constructor(where: string, { sevenBits }: { readonly sevenBits: boolean }) {
    this.#where = where;
    this.#mask = sevenBits ? 0x7f : 0xff;
  }

  /** Throws LinkError when a line has no end. */
  push(bytes: Uint8Array): readonly Reply[] {
    const replies: Reply[] = [];
    const all = Buffer.concat([this.#rest, Uint8Array.from(bytes, (byte) => byte & this.#mask)]);
    let from = 0;
    for (let end = endFrom(all, 0); end !== -1; end = endFrom(all, from)) {
      const reply = end - from > LINE_LIMIT ? null : decodeReply(all.subarray(from, end));
      if (reply !== null) replies.push(reply);
      from = end + 1;
    }
    this.#rest = all.subarray(from);
    if (this.#rest.length > LINE_LIMIT) throw this.#endless();
    return replies;
  }

  #endless(): LinkError {
    return malformed(`what ${this.#where} sends`, `is no answer of a Haas control (a line of more than ${LINE_LIMIT} bytes): is this the port of Setting 143?`, this.#rest, 0);
  }
}

function endFrom(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) if (ENDS.includes(bytes[at] ?? 0)) return at;
  return -1;
}

/** One line without its end. Null: nothing is in it. */
function decodeReply(line: Uint8Array): Reply | null {
  const start = line.lastIndexOf(STX) + 1;
  const end = line.indexOf(ETB, start);
  const text = Buffer.from(line.subarray(start, end === -1 ? undefined : end)).toString("utf8").replace(/^[>\s\0]+/u, "").trim();
  if (text === "") return null;
  const [label = "", ...fields] = text.split(",").map((field) => field.trim());
  // `UNKNOWNS` would be a word of its own.
  if (label === "UNKNOWN") return { kind: "rejected", echo: null, text };
  if (label.startsWith("?")) {
    const echo = [label, ...fields].map((field) => /^\?*\s*(Q\d+(?: +\d+)?)$/u.exec(field)?.[1]).find((asked) => asked !== undefined);
    return { kind: "rejected", echo: echo?.replace(/ +/u, " ") ?? null, text };
  }
  return { kind: "values", label, fields };
}

/** A number, or null: `NaN` of an unset variable is none, nor what is too large to be kept. */
export function numberOf(text: string | undefined): number | null {
  const value = text !== undefined && /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/u.test(text) ? Number(text) : Number.NaN;
  // `-0.000` is zero: else it would change where nothing does.
  return Number.isFinite(value) ? value + 0 : null;
}

/** `06282:17:13` → seconds, or null. */
export function secondsOf(text: string | undefined): number | null {
  const [, hours, minutes, seconds] = /^(\d{1,6}):([0-5]?\d):([0-5]?\d)$/u.exec(text ?? "") ?? [];
  return hours === undefined ? null : Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds);
}
