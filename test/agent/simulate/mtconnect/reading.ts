/** What the tests read answers with: regular expressions and a small multipart reader, sharing nothing with simulator or driver. */
import { get, type IncomingMessage } from "node:http";

/** sequence → the whole observation element, white space between attributes normalised. */
export function observations(document: string): Map<number, string> {
  const found = new Map<number, string>();
  for (const [whole, , attributes = "", , text = ""] of document.matchAll(/<([\w:.-]+)((?:\s+[\w:.-]+="[^"]*")*\s+sequence="\d+"(?:\s+[\w:.-]+="[^"]*")*)\s*(\/>|>([^<]*)<\/)/gu)) {
    const sorted = [...attributes.matchAll(/[\w:.-]+="[^"]*"/gu)].map(([attribute]) => attribute).sort().join(" ");
    found.set(Number(/sequence="(\d+)"/u.exec(attributes)?.[1]), `${/^<[\w:.-]+/u.exec(whole)?.[0] ?? ""} ${sorted}>${text}`);
  }
  return found;
}

export const attribute = (document: string, name: string): string => new RegExp(`<Header[^>]* ${name}="([^"]*)"`, "u").exec(document)?.[1] ?? "";
/** Names and order of the header's attributes. */
export const headerNames = (document: string): string[] => [...(/<Header([^>]*)>/u.exec(document)?.[1] ?? "").matchAll(/([\w:]+)=/gu)].map(([, name = ""]) => name);
/** Every element name in document order, observations and their text left out. */
export const shape = (document: string): string => [...document.matchAll(/<(\/?[A-Za-z][\w:.-]*)/gu)].map(([, name]) => name).join(" ");

export async function fetchText(url: string, init?: RequestInit): Promise<{ readonly status: number; readonly text: string; readonly headers: Headers }> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

export interface OpenStream {
  readonly response: IncomingMessage;
  /** The next part's document; null at the end of the body. Rejects when the connection breaks or nothing comes in 10 s. */
  next(): Promise<string | null>;
  close(): void;
}

/** Parts by Content-Length; `raw` sees each part head. */
export async function openStream(url: string, raw?: (head: string) => void): Promise<OpenStream> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { agent: false }, resolve).on("error", reject);
  });
  const boundary = `--${/boundary=(.+)$/u.exec(response.headers["content-type"] ?? "")?.[1] ?? "?"}`;
  let buffer = Buffer.alloc(0);
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const more = async (): Promise<boolean> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("nothing came for 10 s")), 10_000);
    });
    const chunk = await Promise.race([chunks.next(), late]).finally(() => clearTimeout(timer));
    if (chunk.done === true) return false;
    buffer = Buffer.concat([buffer, chunk.value]);
    return true;
  };
  return {
    response,
    async next() {
      for (;;) {
        const start = buffer.indexOf(boundary);
        const end = start < 0 ? -1 : buffer.indexOf("\r\n\r\n", start);
        if (end >= 0) {
          const head = buffer.subarray(start, end).toString();
          const length = Number(/content-length: (\d+)/iu.exec(head)?.[1]);
          if (buffer.length >= end + 4 + length) {
            const body = buffer.subarray(end + 4, end + 4 + length).toString();
            buffer = buffer.subarray(end + 4 + length);
            raw?.(head);
            return body;
          }
        }
        if (!(await more())) return null;
      }
    },
    close() {
      response.destroy();
    },
  };
}
