/**
 * FOCAS frames: a ten-byte header, then so many bytes as it says (focas.md §2.1). Only three frames can be made here:
 * open the command channel, close, and one that asks (its payload comes from blocks.ts). The transfer channel, on which
 * programs are written, cannot be opened.
 *
 *   A0 A0 A0 A0 | version | kind, direction | length | payload
 */
import type { Framer } from "../shared/exchange.ts";
import { malformed } from "../shared/bytes.ts";

/** Kind and direction in one word. */
export const FRAME_TYPES = {
  open: 0x0101, opened: 0x0102, close: 0x0201, closed: 0x0202, ask: 0x2101, answer: 0x2102,
} as const;
const SYNC = 0xa0;
const HEADER = 10;
/** Of our requests; a control answers with its own. */
const VERSION = 1;
const NEWEST_VERSION = 4;
/** Direction of an answer that refuses the whole frame. */
const REFUSES = 3;
/** Selects the command channel. 1 would be the transfer channel. */
const COMMAND_CHANNEL = 2;

export interface Frame {
  /** The control's protocol level, 1 to 4. It does not tell the series. */
  readonly version: number;
  readonly type: number;
  readonly payload: Uint8Array;
}

export const isRefusal = ({ type }: Frame): boolean => (type & 0xff) === REFUSES;

export const encodeOpen = (): Uint8Array => encodeFrame(FRAME_TYPES.open, Uint8Array.of(0, COMMAND_CHANNEL));
export const encodeClose = (): Uint8Array => encodeFrame(FRAME_TYPES.close, new Uint8Array(0));
/** `payload` from `encodeBlocks`: what may be asked is decided there. */
export const encodeAsk = (payload: Uint8Array): Uint8Array => encodeFrame(FRAME_TYPES.ask, payload);

function encodeFrame(type: (typeof FRAME_TYPES)[keyof typeof FRAME_TYPES], payload: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(HEADER + payload.length, SYNC);
  bytes.writeUInt16BE(VERSION, 4);
  bytes.writeUInt16BE(type, 6);
  bytes.writeUInt16BE(payload.length, 8);
  bytes.set(payload, HEADER);
  return bytes;
}

/** Bytes in any pieces → whole frames. Holds at most one frame, 65,545 bytes. What does not begin with the sync bytes throws LinkError("protocol"). */
export class FrameReader implements Framer<Frame> {
  readonly #what: string;
  #held: Buffer = Buffer.alloc(0);

  /** `what` names the sender, for messages. */
  constructor(what: string) {
    this.#what = what;
  }

  push(bytes: Uint8Array): readonly Frame[] {
    let left = this.#held.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#held, bytes]);
    const frames: Frame[] = [];
    for (;;) {
      const size = this.#sizeOf(left);
      if (size === null || left.length < size) break;
      frames.push({ version: left.readUInt16BE(4), type: left.readUInt16BE(6), payload: left.subarray(HEADER, size) });
      left = left.subarray(size);
    }
    // A copy: what is held must not hold on to the frames before it.
    this.#held = left.length === 0 ? Buffer.alloc(0) : Buffer.from(left);
    return frames;
  }

  reset(): void {
    this.#held = Buffer.alloc(0);
  }

  /** Of the frame at the start, with its header; null while that is not known. Wrong bytes are told as soon as they are there. */
  #sizeOf(bytes: Buffer): number | null {
    for (let at = 0; at < 4 && at < bytes.length; at++) if (bytes[at] !== SYNC) throw malformed(this.#what, "does not begin a FOCAS frame (a0a0a0a0): is this its FOCAS port?", bytes, 0);
    if (bytes.length < HEADER) return null;
    const version = bytes.readUInt16BE(4);
    if (version < 1 || version > NEWEST_VERSION) throw malformed(this.#what, `speaks protocol level ${version}, known are 1 to ${NEWEST_VERSION}`, bytes, 0);
    return HEADER + bytes.readUInt16BE(8);
  }
}
