/** Text of machines: bytes that are mostly UTF-8, and pieces of it that must not hold on to the whole. */
import { isAscii, isUtf8 } from "node:buffer";

/** UTF-8 unless the bytes say otherwise: a byte order mark of UTF-16, or what cannot be UTF-8 (mislabelled Latin-1 occurs). */
export function decodeText(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer[0] === 0xff && buffer[1] === 0xfe) return buffer.toString("utf16le", 2).trim();
  if (isAscii(buffer)) return buffer.toString("latin1").trim();
  return buffer.toString(isUtf8(buffer) ? "utf8" : "latin1").replace(/^\ufeff/u, "").trim();
}

/** A copy: V8 keeps the whole document alive behind a longer piece of it. */
export function detached<T extends string | null>(text: T): T {
  return text === null || text.length < 13 ? text : Buffer.from(text, "utf16le").toString("utf16le") as T;
}
