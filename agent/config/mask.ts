/**
 * Hides what may be a secret in a line that is going to be shown: the value of a key that is called like a secret
 * (or nearly so: a typo must not uncover it), and a user name and password inside a URL.
 * The position of what is underlined moves along. When in doubt too much is hidden, never too little.
 */
import { nearest } from "../contract/shape.ts";

export const HIDDEN = "•••";

const SECRET_WORDS = ["password", "passphrase", "passwd", "passcode", "secret", "token", "pwd", "apikey", "api_key", "private_key"];
const CONTAINS = /pass(?:word|wd|phrase|code)|secret|token|pwd|api_?key|private_?key/i;
/** `key: value` inside a line; the value ends at a comma or a brace outside quotes, or at the line's end. */
const PAIR = /(["']?)([\p{L}\p{N}_-]+)\1\s*:\s+("(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?|[^\s"'{[&*|>#][^,}\]]*|&\S+\s+[^\s,}\]]+)/gu;
const USER_INFO = /:\/\/([^\s/@"']+)@/g;

/** Called like a secret. */
export const namesSecret = (key: string): boolean => CONTAINS.test(key);
/** The same, or nearly: for keys that a person typed. */
export const soundsSecret = (key: string): boolean => namesSecret(key) || nearest(key, SECRET_WORDS) !== undefined;

export interface Marked {
  readonly text: string;
  /** Index of the mark, from 0. */
  readonly start: number;
  readonly length: number;
}

/** `secret`: what is marked is itself a secret, whatever its key is called. */
export function mask(line: Marked, secret: boolean): Marked {
  const spans: [number, number][] = secret ? [[line.start, Math.max(line.start + line.length, line.text.length)]] : [];
  for (const match of line.text.matchAll(PAIR)) {
    const value = match[3] ?? "";
    if (soundsSecret(match[2] ?? "")) spans.push([match.index + match[0].length - value.length, match.index + match[0].length]);
  }
  for (const match of line.text.matchAll(USER_INFO)) spans.push([match.index + 3, match.index + match[0].length - 1]);
  return spans.length === 0 ? line : hide(line, spans);
}

function hide(line: Marked, spans: [number, number][]): Marked {
  const moved = (at: number): number => {
    let shift = 0;
    for (const [from, to] of merged) {
      if (at >= to) shift += HIDDEN.length - (to - from);
      else if (at > from) return from + shift;
    }
    return at + shift;
  };
  const merged: [number, number][] = [];
  for (const [from, to] of spans.sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  let text = "";
  let done = 0;
  for (const [from, to] of merged) {
    text += line.text.slice(done, from) + HIDDEN;
    done = to;
  }
  text += line.text.slice(done);
  const start = moved(line.start);
  const inside = merged.some(([from, to]) => line.start >= from && line.start < to);
  return { text, start, length: Math.max(1, inside ? HIDDEN.length : moved(line.start + line.length) - start) };
}

/** User names and passwords in URLs, in any text. */
export const maskUrls = (text: string): string => text.replace(USER_INFO, `://${HIDDEN}@`);
