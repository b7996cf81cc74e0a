/** Multipart framing of the three families of agents, byte for byte (table in mtconnect.md §4). */
import { createHash, randomUUID } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Dialect, Family } from "./dialect.ts";

export interface Framing {
  readonly contentType: string;
  readonly boundary: string;
  part(document: string): Buffer;
}

const BOM = Buffer.from("\uFEFF");
/** What follows the document, and how much of it Content-length counts. */
const TRAILER: Readonly<Record<Family, { readonly text: string; readonly counted: boolean }>> = {
  cpp1: { text: "\r\n", counted: true },
  cpp2: { text: "\r\n", counted: false },
  net: { text: "\n\r\n", counted: true },
};

export function framing(dialect: Dialect, compress: boolean): Framing {
  const { family } = dialect;
  const uuid = randomUUID();
  const boundary = family === "cpp2" ? uuid : createHash("md5").update(uuid).digest("hex");
  const trailer = TRAILER[family];
  return {
    boundary,
    contentType: `${family === "cpp2" ? "multipart/mixed" : "multipart/x-mixed-replace"};boundary=${boundary}`,
    part(document) {
      const plain = Buffer.from(document);
      const body = compress ? gzipSync(plain) : plain;
      const length = body.length + (trailer.counted && !compress ? trailer.text.length : 0);
      const encoding = compress ? "Content-encoding: gzip\r\n" : "";
      const head = family === "cpp2"
        ? `--${boundary}\r\nContent-Type: application/xml\r\n${encoding}Content-Length: ${length}\r\n\r\n`
        : `--${boundary}\r\nContent-type: text/xml\r\n${encoding}Content-length: ${length}\r\n\r\n`;
      return Buffer.concat([...(family === "net" ? [BOM] : []), Buffer.from(head), body, Buffer.from(trailer.text)]);
    },
  };
}
