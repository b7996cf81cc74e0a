/** Multipart streams of the three families of agents, cut anywhere (mtconnect.md §4). */
import { readFileSync } from "node:fs";
import { array, assert, nat, property } from "fast-check";
import { describe, expect, it } from "vitest";
import { boundaryOf, MultipartDecoder, type Part } from "../../../protocols/mtconnect/multipart.ts";
import { capture, describeWithCaptures } from "../../support/captures.ts";

const shown = (parts: readonly Part[]): readonly string[] => parts.map(({ headers, body }) => `${[...headers].map(([name, value]) => `${name}=${value}`).join(",")}|${Buffer.from(body).toString("latin1")}`);

function decode(bytes: Uint8Array, boundary: string, cuts: readonly number[] = []): { readonly parts: readonly string[]; readonly ended: boolean } {
  const decoder = new MultipartDecoder(boundary);
  const parts: Part[] = [];
  const places = [...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
  let from = 0;
  for (const place of [...places, bytes.length]) {
    // A fresh copy that is overwritten afterwards: the decoder must not hold on to what it was given.
    const piece = Uint8Array.from(bytes.subarray(from, place));
    parts.push(...decoder.push(piece));
    piece.fill(0);
    from = place;
  }
  return { parts: shown(parts), ended: decoder.ended };
}

const A = "<a>\u00e9</a>";
const length = Buffer.byteLength(A);
const FAMILIES: Readonly<Record<string, string>> = {
  "C++ 1.x: length counts the line end": `--b\r\nContent-type: text/xml\r\nContent-length: ${length + 2}\r\n\r\n${A}\r\n--b\r\nContent-type: text/xml\r\nContent-length: 6\r\n\r\n<c/>\r\n`,
  "C++ 2.x: length counts the document": `--b\r\nContent-Type: application/xml\r\nContent-Length: ${length}\r\n\r\n${A}\r\n--b\r\nContent-Type: application/xml\r\nContent-Length: 4\r\n\r\n<c/>\r\n`,
  "MTConnect.NET: byte order mark, length of three more": `\ufeff--b\r\nContent-type: text/xml\r\nContent-length: ${length + 3}\r\n\r\n${A}\n\r\n\ufeff--b\r\nContent-type: text/xml\r\nContent-length: 7\r\n\r\n<c/>\n\r\n`,
  "without length": `--b\r\nContent-type: text/xml\r\n\r\n${A}\r\n--b\r\n\r\n<c/>\r\n--b\r\n`,
  "line feeds alone": `\n\n--b\nContent-Length: ${length}\n\n${A}\n--b\nContent-Length: 4\n\n<c/>\n`,
  "dashes in the parameter": `b\r\nContent-Length: ${length}\r\n\r\n${A}\r\nb\r\nContent-Length: 4\r\n\r\n<c/>\r\n`,
  "a document that itself is Latin-1 of UTF-8, and a closing boundary": `--b\r\nContent-Length: ${length}\r\n\r\n${A}\r\n--b\r\nContent-Length: 4\r\n\r\n<c/>\r\n--b--\r\nafter`,
};

describe("parts", () => {
  it.each(Object.entries(FAMILIES))("%s", (_, text) => {
    const bytes = Buffer.from(text, "utf8");
    const whole = decode(bytes, "b");
    expect(whole.parts.map((part) => part.split("|")[1])).toEqual([Buffer.from(A).toString("latin1"), "<c/>"]);
    assert(property(array(nat(bytes.length)), (cuts) => {
      expect(decode(bytes, "b", cuts)).toEqual(whole);
    }), { numRuns: 200 });
    expect(decode(bytes, "b", Array.from({ length: bytes.length }, (__, at) => at))).toEqual(whole);
  });

  it("ends with the closing boundary, and takes nothing after it", () => {
    expect(decode(Buffer.from("--b--\r\n--b\r\nContent-Length: 1\r\n\r\nx\r\n"), "b")).toEqual({ parts: [], ended: true });
  });

  it("finds a large part without length in one pass", () => {
    const decoder = new MultipartDecoder("b");
    decoder.push(Buffer.from("--b\r\n\r\n"));
    const megabyte = Buffer.alloc(1 << 20, "x");
    for (let turn = 0; turn < 40; turn++) expect(decoder.push(megabyte)).toEqual([]);
    expect(decoder.push(Buffer.from("\r\n--b\r\n"))[0]?.body.length).toBe(40 << 20);
  });
});

describe("boundary", () => {
  it.each([
    ["multipart/x-mixed-replace;boundary=abc", "abc"], ["multipart/mixed; boundary=\"a b\"; charset=utf-8", "a b"],
    ["Multipart/X-Mixed-Replace ; Boundary = --abc", "--abc"], ["text/xml", null], ["application/xml;boundary=x", null], ["multipart/mixed", null],
  ])("%s", (type, boundary) => {
    expect(boundaryOf(type)).toBe(boundary);
  });
});

describeWithCaptures("recorded streams", () => {
  /** The body of a chunked answer, taken apart by the chunk sizes alone. */
  function dechunked(name: string): { readonly body: Buffer; readonly boundary: string } {
    const file = readFileSync(capture(`mtconnect/live-reference-agent/${name}`));
    const head = file.indexOf("\r\n\r\n");
    const pieces: Buffer[] = [];
    for (let at = head + 4; at < file.length;) {
      const line = file.indexOf("\r\n", at);
      const size = Number.parseInt(file.toString("latin1", at, line), 16);
      if (!(size > 0)) break;
      pieces.push(file.subarray(line + 2, line + 2 + size));
      at = line + 4 + size;
    }
    return { body: Buffer.concat(pieces), boundary: boundaryOf(/Content-Type: ([^\r]*)/u.exec(file.toString("latin1", 0, head))?.[1] ?? "") ?? "" };
  }

  it.each(["stream-filtered-2.7.http", "stream-all-2.7.http", "stream-fell-behind-end-2.7.http", "stream-cut-by-shutdown-2.7.http"])("%s gives the same parts however it is cut", (name) => {
    const { body, boundary } = dechunked(name);
    const whole = decode(body, boundary);
    const documents = body.toString("latin1").split(`--${boundary}`).length - 1;
    expect(whole.parts.length).toBeGreaterThanOrEqual(documents - 1);
    expect(whole.parts.every((part) => /\|<\?xml[^]*<\/MTConnect(?:Streams|Error)>$/u.test(part))).toBe(true);
    assert(property(array(nat(body.length), { maxLength: 60 }), (cuts) => {
      expect(decode(body, boundary, cuts)).toEqual(whole);
    }), { numRuns: 20 });
  });
});
