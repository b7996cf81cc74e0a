/**
 * Bytes in the order of the network (most significant first), read with bounds: what is too short, or not what it should
 * be, is a LinkError that shows the place and up to 32 bytes from there.
 */
import { LinkError } from "../../agent/contract/errors.ts";

const SHOWN = 32;

/** `at byte 4: 0a0b0c…`, for a message. */
export function hexAt(bytes: Uint8Array, offset: number): string {
  const part = Buffer.from(bytes.subarray(offset, offset + SHOWN)).toString("hex");
  return `at byte ${offset}: ${part || "(end)"}${bytes.length > offset + SHOWN ? "…" : ""}`;
}

/** `what` names the bytes: "the answer of 10.0.7.30:8193". */
export const malformed = (what: string, wrong: string, bytes: Uint8Array, offset: number): LinkError =>
  new LinkError("protocol", "backoff", `${what} ${wrong}, ${hexAt(bytes, offset)}`);

/** Reads forward from the start. Every method throws LinkError("protocol") when the bytes end before the value does. */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly what: string;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.bytes = bytes;
    this.what = what;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number { return this.#at; }
  get left(): number { return this.bytes.length - this.#at; }

  u8(): number { return this.#view.getUint8(this.#next(1)); }
  s8(): number { return this.#view.getInt8(this.#next(1)); }
  u16(): number { return this.#view.getUint16(this.#next(2)); }
  s16(): number { return this.#view.getInt16(this.#next(2)); }
  u32(): number { return this.#view.getUint32(this.#next(4)); }
  s32(): number { return this.#view.getInt32(this.#next(4)); }
  f32(): number { return this.#view.getFloat32(this.#next(4)); }
  f64(): number { return this.#view.getFloat64(this.#next(8)); }

  /** A view of the next bytes, not a copy. */
  take(length: number): Uint8Array {
    const at = this.#next(length);
    return this.bytes.subarray(at, at + length);
  }

  skip(length: number): void {
    this.#next(length);
  }

  /** The same error for a value that is there and wrong: shows where reading stands. */
  wrong(wrong: string): LinkError {
    return malformed(this.what, wrong, this.bytes, this.#at);
  }

  #next(length: number): number {
    const at = this.#at;
    if (length < 0 || length > this.bytes.length - at) throw this.wrong(`ends ${length - this.left} bytes too early`);
    this.#at = at + length;
    return at;
  }
}
