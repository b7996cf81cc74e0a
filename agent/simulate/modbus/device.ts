/**
 * One simulated Modbus device: its four tables, and what it answers to a request (specification V1.1b3 §6; modbus.md §1).
 * Registers that nobody defined are refused, as devices do. A write is counted and refused: nobody may try.
 */

export interface DeviceOptions {
  /** Most registers of one read. */
  readonly maxBlock?: number;
}

const WRITES: ReadonlySet<number> = new Set([5, 6, 15, 16, 21, 22, 23]);
const ILLEGAL_FUNCTION = 1;
const ILLEGAL_ADDRESS = 2;
const ILLEGAL_VALUE = 3;
const MOST_REGISTERS = 125;
const MOST_BITS = 2_000;

export class SimulatedDevice {
  readonly coils = new Map<number, boolean>();
  readonly discretes = new Map<number, boolean>();
  readonly holdings = new Map<number, number>();
  readonly inputs = new Map<number, number>();
  /** Reads answered or refused so far. */
  reads = 0;
  writes = 0;
  readonly #maxBlock: number;

  constructor({ maxBlock = MOST_REGISTERS }: DeviceOptions = {}) {
    this.#maxBlock = maxBlock;
  }

  /** Sets registers from `address` on, 16 bits each. */
  setRegisters(table: "holdings" | "inputs", address: number, words: readonly number[]): void {
    for (const [index, word] of words.entries()) this[table].set(address + index, word & 0xffff);
  }

  /** `pdu`: function and data, without unit and checksum. */
  answer(pdu: Uint8Array): Uint8Array {
    const [code = 0] = pdu;
    if (WRITES.has(code)) {
      this.writes++;
      return refusal(code, ILLEGAL_FUNCTION);
    }
    if (code < 1 || code > 4) return refusal(code, ILLEGAL_FUNCTION);
    this.reads++;
    if (pdu.length !== 5) return refusal(code, ILLEGAL_VALUE);
    const request = Buffer.from(pdu);
    const [address, count] = [request.readUInt16BE(1), request.readUInt16BE(3)];
    return code <= 2 ? this.#bits(code, address, count) : this.#registers(code, address, count);
  }

  #bits(code: number, address: number, count: number): Uint8Array {
    if (count < 1 || count > MOST_BITS) return refusal(code, ILLEGAL_VALUE);
    const table = code === 1 ? this.coils : this.discretes;
    const bytes = Buffer.alloc(Math.ceil(count / 8));
    for (let index = 0; index < count; index++) {
      const bit = table.get(address + index);
      if (bit === undefined) return refusal(code, ILLEGAL_ADDRESS);
      if (bit) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (1 << (index & 7));
    }
    return Buffer.concat([Buffer.from([code, bytes.length]), bytes]);
  }

  #registers(code: number, address: number, count: number): Uint8Array {
    if (count < 1 || count > this.#maxBlock) return refusal(code, ILLEGAL_VALUE);
    const table = code === 3 ? this.holdings : this.inputs;
    const answer = Buffer.alloc(2 + 2 * count);
    answer.set([code, 2 * count]);
    for (let index = 0; index < count; index++) {
      const word = table.get(address + index);
      if (word === undefined) return refusal(code, ILLEGAL_ADDRESS);
      answer.writeUInt16BE(word, 2 + 2 * index);
    }
    return answer;
  }
}

const refusal = (code: number, exception: number): Uint8Array => Buffer.from([code | 0x80, exception]);

/** 32 bits, high word first: the words of a float. */
export function floatWords(value: number): readonly number[] {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatBE(value);
  return [bytes.readUInt16BE(0), bytes.readUInt16BE(2)];
}
/** 32 bits, high word first. */
export const longWords = (value: number): readonly number[] => [(value >>> 16) & 0xffff, value & 0xffff];
/** Two characters to a register, filled with zero bytes. */
export function textWords(text: string, registers: number): readonly number[] {
  const bytes = Buffer.alloc(2 * registers);
  bytes.write(text.slice(0, 2 * registers), "latin1");
  return Array.from({ length: registers }, (_, index) => bytes.readUInt16BE(2 * index));
}
