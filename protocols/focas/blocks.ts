/**
 * What is asked and answered inside a frame: several blocks, answered in order, each with a status of its own
 * (focas.md §2.2 to §2.5). `encodeBlocks` is the only way to a question, and lets nothing out that is not in the table of
 * functions that read; it has no place for data, which every write needs.
 */
import { InvariantError } from "../../agent/contract/errors.ts";
import { ByteReader } from "../shared/bytes.ts";
import { isRead, type Block } from "./functions.ts";

/** More blocks in a frame have not been seen (§2.4). */
export const BLOCKS_PER_FRAME = 10;
export const ANSWER_HEAD = 16;
const ASK_SIZE = 28;
const PATHS = 64;

export interface Answer {
  /** 0: good. Else an EW_ code (§2.6); only this decides, not the details. */
  readonly status: number;
  readonly detail: readonly [number, number];
  readonly data: Uint8Array;
}

export function encodeBlocks(blocks: readonly Block[]): Uint8Array {
  if (blocks.length === 0 || blocks.length > BLOCKS_PER_FRAME) throw new InvariantError(`a FOCAS frame asks for 1 to ${BLOCKS_PER_FRAME} things, not ${blocks.length}`);
  const bytes = Buffer.alloc(2 + blocks.length * ASK_SIZE);
  bytes.writeUInt16BE(blocks.length, 0);
  blocks.forEach((block, index) => {
    if (!isRead(block)) throw new InvariantError(`FOCAS function ${block.device}:0x${block.command.toString(16)} is not one that reads: it is never sent`);
    if (!Number.isInteger(block.path) || block.path < 1 || block.path > PATHS) throw new InvariantError(`${block.path} is no control path`);
    if (block.values.length > 4) throw new InvariantError(`a FOCAS function has four arguments, not ${block.values.length}`);
    const at = 2 + index * ASK_SIZE;
    bytes.writeUInt16BE(ASK_SIZE, at);
    bytes.writeUInt16BE(block.device, at + 2);
    bytes.writeUInt16BE(block.path, at + 4);
    bytes.writeUInt16BE(block.command, at + 6);
    block.values.forEach((value, place) => bytes.writeInt32BE(value, at + 8 + 4 * place));
  });
  return bytes;
}

/** The answers to `asked`, in its order. Anything out of step throws LinkError("protocol"): the stream can no longer be trusted. */
export function decodeBlocks(payload: Uint8Array, asked: readonly Block[], what: string): readonly Answer[] {
  const reader = new ByteReader(payload, what);
  const count = reader.u16();
  if (count !== asked.length) throw reader.wrong(`answers ${count} of ${asked.length} questions`);
  const answers = asked.map((block) => decodeBlock(reader, block));
  if (reader.left > 0) throw reader.wrong(`has ${reader.left} bytes more than its answers`);
  return answers;
}

function decodeBlock(reader: ByteReader, { device, path, command }: Block): Answer {
  const size = reader.u16();
  if (size < ANSWER_HEAD) throw reader.wrong(`has an answer of ${size} bytes, fewer than its own head`);
  const [isDevice, isPath, isCommand] = [reader.u16(), reader.u16(), reader.u16()];
  if (isDevice !== device || isPath !== path || isCommand !== command)
    throw reader.wrong(`is out of step: asked for ${device}/${path}/0x${command.toString(16)}, answered ${isDevice}/${isPath}/0x${isCommand.toString(16)}`);
  const status = reader.s16();
  const detail = [reader.s16(), reader.s16()] as const;
  const length = reader.u16();
  if (length !== size - ANSWER_HEAD) throw reader.wrong(`has an answer of ${size} bytes with ${length} bytes of data`);
  return { status, detail, data: reader.take(length) };
}

/** A frame that refuses the whole question (§2.5). */
export function decodeRefusal(payload: Uint8Array, what: string): { readonly code: number; readonly detail: readonly [number, number] } {
  const reader = new ByteReader(payload, what);
  reader.skip(2);
  return { code: reader.s16(), detail: [reader.s16(), reader.s16()] };
}

/** EW_ codes in words (§2.6); for messages. */
const STATUSES: Readonly<Record<number, string>> = {
  1: "has no such function", 2: "data length wrong", 3: "number out of range", 4: "wrong axis or type", 5: "data error", 6: "option not fitted",
  7: "write-protected", 8: "memory overflow", 9: "parameter setting wrong", 10: "buffer empty or full", 11: "no such path", 12: "wrong mode", 13: "rejected now",
  14: "data server error", 15: "in alarm", 16: "not running", 17: "protected by a password", "-1": "busy", "-2": "reset or stop", "-17": "malformed request",
};
export const statusInWords = (status: number): string => `${STATUSES[status] ?? "unknown status"} (${status})`;

/** Statuses that asking again will not change in this session: the next way to the value is tried, else it is given up. */
const LASTING: ReadonlySet<number> = new Set([1, 2, 3, 4, 6, 7, 9, 11, 17, -17]);
export const isLasting = (status: number): boolean => LASTING.has(status);
