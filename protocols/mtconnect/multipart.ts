/**
 * A multipart stream, bytes → parts, for the three families of agents (mtconnect.md §4). Incremental and pure: any
 * split of the bytes gives the same parts. Content-length counts bytes, and what it counts differs by family, so after
 * it the decoder looks for the next boundary line again. Bounds: a head of HEAD_LIMIT, a body of BODY_LIMIT, and
 * SKIP_LIMIT between parts. Beyond them, or on a malformed head, it throws LinkError with place and bytes.
 *
 *   between ── boundary line ──► head ── empty line ──► body ── Content-length, or the next boundary ──► between
 */
import { LinkError } from "../../agent/contract/errors.ts";

export interface Part {
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

const HEAD_LIMIT = 8 * 1024;
export const BODY_LIMIT = 64 * 1024 * 1024;
const SKIP_LIMIT = 64 * 1024;
/** A larger store is given back once it is empty. */
const IDLE_BYTES = 1024 * 1024;
const LF = 10;
const CR = 13;

type Phase =
  | { readonly name: "between" }
  | { readonly name: "head"; readonly headers: Map<string, string>; readonly size: number }
  | { readonly name: "counted"; readonly headers: ReadonlyMap<string, string>; readonly length: number }
  /** No Content-length: the body ends before the next boundary line. `searched`: bytes known to hold none. */
  | { readonly name: "delimited"; readonly headers: ReadonlyMap<string, string>; readonly searched: number }
  | { readonly name: "ended" };

/** The boundary of a Content-Type, or null when it is not multipart. The parameter may be quoted, in any case, with spaces. */
export function boundaryOf(contentType: string): string | null {
  if (!/^\s*multipart\//iu.test(contentType)) return null;
  const match = /;\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;]+))/iu.exec(contentType);
  return match?.[1] ?? match?.[2] ?? null;
}

export class MultipartDecoder {
  readonly #lines: readonly string[];
  readonly #marks: readonly Buffer[];
  #phase: Phase = { name: "between" };
  /** Pending bytes lie from #start to #end. */
  #bytes = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #skipped = 0;
  #consumed = 0;

  constructor(boundary: string) {
    // Some servers put the two dashes into the parameter: both spellings of the line count.
    const bare = boundary.replace(/^--/u, "");
    this.#lines = [...new Set([`--${boundary}`, boundary, `--${bare}`])];
    this.#marks = [...new Set([`\n--${bare}`, `\n--${boundary}`])].map((mark) => Buffer.from(mark, "latin1"));
  }

  /** True after the closing boundary: nothing more follows. */
  get ended(): boolean {
    return this.#phase.name === "ended";
  }

  /** Takes bytes in; returns the parts that they complete. */
  push(bytes: Uint8Array): readonly Part[] {
    if (bytes.length === 0 || this.ended) return [];
    this.#append(bytes);
    const parts: Part[] = [];
    while (this.#advance(parts));
    return parts;
  }

  /** One step; false when more bytes are needed. */
  #advance(parts: Part[]): boolean {
    const phase = this.#phase;
    switch (phase.name) {
      case "between": return this.#seekBoundary();
      case "head": return this.#readHead(phase.headers, phase.size);
      case "counted": return this.#readCounted(phase.headers, phase.length, parts);
      case "delimited": return this.#readDelimited(phase.headers, phase.searched, parts);
      case "ended": return false;
    }
  }

  #seekBoundary(): boolean {
    const line = this.#takeLine(SKIP_LIMIT, "no boundary between parts");
    if (line === null) return false;
    const text = line.replace(/^\u00ef\u00bb\u00bf/u, "").trimEnd();
    if (this.#lines.includes(text)) {
      this.#phase = { name: "head", headers: new Map(), size: 0 };
      this.#skipped = 0;
    } else if (text.endsWith("--") && this.#lines.includes(text.slice(0, -2))) this.#phase = { name: "ended" };
    else {
      this.#skipped += line.length + 1;
      if (this.#skipped > SKIP_LIMIT) throw this.#malformed(`no boundary within ${SKIP_LIMIT} bytes`, Buffer.from(line, "latin1"));
    }
    return true;
  }

  #readHead(headers: Map<string, string>, before: number): boolean {
    const line = this.#takeLine(HEAD_LIMIT, `a part head beyond ${HEAD_LIMIT} bytes`);
    if (line === null) return false;
    const size = before + line.length + 1;
    if (size > HEAD_LIMIT) throw this.#malformed(`a part head beyond ${HEAD_LIMIT} bytes`, Buffer.from(line, "latin1"));
    if (line === "") {
      this.#phase = this.#bodyPhase(headers);
      return true;
    }
    const colon = line.indexOf(":");
    if (colon < 1) throw this.#malformed("a line in a part head that is no header", Buffer.from(line, "latin1"));
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
    this.#phase = { name: "head", headers, size };
    return true;
  }

  #bodyPhase(headers: ReadonlyMap<string, string>): Phase {
    const text = headers.get("content-length");
    if (text === undefined) return { name: "delimited", headers, searched: 0 };
    const length = /^\d{1,15}$/u.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(length)) throw this.#malformed(`a Content-length of "${text.slice(0, 40)}"`, Buffer.from(text, "latin1"));
    if (length > BODY_LIMIT) throw this.#malformed(`a part of ${length} bytes, more than ${BODY_LIMIT}`, Buffer.from(text, "latin1"));
    return { name: "counted", headers, length };
  }

  #readCounted(headers: ReadonlyMap<string, string>, length: number, parts: Part[]): boolean {
    if (this.#size < length) return false;
    parts.push({ headers, body: this.#takeBody(length) });
    this.#phase = { name: "between" };
    return true;
  }

  #readDelimited(headers: ReadonlyMap<string, string>, searched: number, parts: Part[]): boolean {
    const pending = this.#bytes.subarray(this.#start, this.#end);
    const ends = this.#marks.map((mark) => pending.indexOf(mark, searched)).filter((at) => at !== -1);
    if (ends.length > 0) {
      parts.push({ headers, body: this.#takeBody(Math.min(...ends) + 1) });
      this.#phase = { name: "between" };
      return true;
    }
    if (pending.length > BODY_LIMIT) throw this.#malformed(`a part of more than ${BODY_LIMIT} bytes`, pending);
    const longest = Math.max(...this.#marks.map((mark) => mark.length));
    this.#phase = { name: "delimited", headers, searched: Math.max(0, pending.length - longest) };
    return false;
  }

  /** The next line without its end, as Latin-1; null when it is not complete yet. */
  #takeLine(limit: number, what: string): string | null {
    const end = this.#bytes.subarray(0, this.#end).indexOf(LF, this.#start);
    if (end === -1) {
      if (this.#size > limit) throw this.#malformed(what, this.#bytes.subarray(this.#start, this.#end));
      return null;
    }
    const length = end > this.#start && this.#bytes[end - 1] === CR ? end - 1 : end;
    const line = this.#bytes.toString("latin1", this.#start, length);
    this.#drop(end + 1 - this.#start);
    return line;
  }

  /** A copy: the bytes here are written over by what comes next. */
  #takeBody(length: number): Uint8Array {
    const body = Buffer.from(trimmed(this.#bytes.subarray(this.#start, this.#start + length)));
    this.#drop(length);
    return body;
  }

  #append(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#bytes.length) {
      const pending = this.#bytes.subarray(this.#start, this.#end);
      const grown = this.#size + bytes.length > this.#bytes.length / 2 ? Buffer.alloc((this.#size + bytes.length) * 2) : this.#bytes;
      pending.copy(grown, 0);
      this.#bytes = grown;
      this.#end = this.#size;
      this.#start = 0;
    }
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  #drop(length: number): void {
    this.#start += length;
    this.#consumed += length;
    if (this.#start < this.#end) return;
    this.#start = this.#end = 0;
    if (this.#bytes.length > IDLE_BYTES) this.#bytes = Buffer.alloc(0);
  }

  get #size(): number {
    return this.#end - this.#start;
  }

  #malformed(what: string, near: Uint8Array): LinkError {
    return new LinkError("protocol", "backoff", `the stream is malformed: ${what}, at byte ${this.#consumed}: ${Buffer.from(near.subarray(0, 32)).toString("hex")}`);
  }
}

/** Without white space and byte order mark around the document. */
function trimmed(body: Uint8Array): Uint8Array {
  let from = 0;
  let to = body.length;
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) from = 3;
  while (from < to && (body[from] ?? 0) <= 32) from++;
  while (to > from && (body[to - 1] ?? 0) <= 32) to--;
  return body.subarray(from, to);
}
