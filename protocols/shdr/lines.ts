/**
 * Bytes of an adapter → lines, wherever reads cut them (mtconnect.md §11). A line ends with LF or CR LF. One that is
 * longer than any that we use (assets run to megabytes) is passed over up to its end, without being kept.
 */
import { decodeText } from "../shared/mtconnect/text.ts";

export const LINE_LIMIT = 256 * 1024;
const LF = 0x0a;

export class LineSplitter {
  #pieces: Uint8Array[] = [];
  #length = 0;
  #overlong = 0;

  /** Lines passed over because of their length. */
  get overlong(): number { return this.#overlong; }
  /** True between two lines. */
  get isEmpty(): boolean { return this.#length === 0; }

  push(bytes: Uint8Array): readonly string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, from)) {
      this.#keep(bytes.subarray(from, end));
      if (this.#length > LINE_LIMIT) this.#overlong++;
      else lines.push(decodeText(this.#pieces.length === 1 ? this.#pieces[0] ?? new Uint8Array() : Buffer.concat(this.#pieces)));
      this.#pieces = [];
      this.#length = 0;
      from = end + 1;
    }
    if (from < bytes.length) this.#keep(bytes.slice(from));
    return lines;
  }

  #keep(piece: Uint8Array): void {
    this.#length += piece.length;
    if (this.#length <= LINE_LIMIT) this.#pieces.push(piece);
    else this.#pieces = [];
  }
}
