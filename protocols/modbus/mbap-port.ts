/**
 * A TCP connection as modbus-serial wants its ports (specification of Modbus on TCP/IP V1.0b §3.1.3): a frame is written,
 * and "data" gives the one that answers it. Requests are numbered by 16 bits: the library's own port has 256 numbers, which
 * come round in seconds, so that the late answer of a slow gateway could meet its number again; and it takes whatever
 * comes for frames. Here a late answer is passed over, and what is no frame is said, with the bytes.
 */
import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import type { LinkError } from "../../agent/contract/errors.ts";
import { malformed } from "../shared/bytes.ts";
import { crc16 } from "./rtu-frame.ts";

/** Number, protocol (0) and length; the length counts from the unit on. */
const HEADER = 6;
/** Unit, function and one byte. */
const SHORTEST = 3;
/** Unit and 253 bytes. */
const LONGEST = 254;

export class MbapPort extends EventEmitter {
  /** Read by the library: to it there is one request at a time. */
  readonly _transactionIdRead = 1;
  readonly _transactionIdWrite = 1;
  readonly #socket: Duplex;
  readonly #where: string;
  readonly #rubbish: (error: LinkError) => void;
  #number = 0;
  #awaited: number | null = null;
  #heard: Buffer = Buffer.alloc(0);
  isOpen = true;

  /** `rubbish` is told once; nothing is taken after it. */
  constructor(socket: Duplex, where: string, rubbish: (error: LinkError) => void) {
    super();
    this.#socket = socket;
    this.#where = where;
    this.#rubbish = rubbish;
    socket.on("data", (bytes: Buffer) => { this.#take(bytes); });
    socket.on("close", () => { this.isOpen = false; });
  }

  /** The socket is open already. */
  open(opened: (error: null) => void): void {
    opened(null);
  }

  /** The socket's owner closes it. */
  close(closed: () => void): void {
    this.forget();
    closed();
  }

  /** `frame` as on a serial line: unit, function, data, checksum. */
  write(frame: Uint8Array): void {
    this.#number = (this.#number + 1) & 0xffff;
    this.#awaited = this.#number;
    const header = Buffer.alloc(HEADER);
    header.writeUInt16BE(this.#number, 0);
    header.writeUInt16BE(frame.length - 2, 4);
    this.#socket.write(Buffer.concat([header, frame.subarray(0, -2)]));
  }

  /** Nobody waits any more. */
  forget(): void {
    this.#awaited = null;
  }

  #take(bytes: Buffer): void {
    if (!this.isOpen) return;
    this.#heard = this.#heard.length === 0 ? bytes : Buffer.concat([this.#heard, bytes]);
    while (this.#heard.length >= HEADER) {
      const [number, protocol, length] = [this.#heard.readUInt16BE(0), this.#heard.readUInt16BE(2), this.#heard.readUInt16BE(4)];
      if (protocol !== 0 || length < SHORTEST || length > LONGEST) return this.#refuse();
      if (this.#heard.length < HEADER + length) return;
      const answer = this.#heard.subarray(HEADER, HEADER + length);
      this.#heard = this.#heard.subarray(HEADER + length);
      if (number === this.#awaited) this.#give(answer);
    }
  }

  #give(answer: Uint8Array): void {
    this.forget();
    const frame = Buffer.concat([answer, Buffer.alloc(2)]);
    frame.writeUInt16LE(crc16(answer), answer.length);
    this.emit("data", frame);
  }

  #refuse(): void {
    this.isOpen = false;
    this.#rubbish(malformed(`what ${this.#where} sends`, "is no Modbus TCP (is it a serial device server: framing: rtu?)", this.#heard, 0));
  }
}
