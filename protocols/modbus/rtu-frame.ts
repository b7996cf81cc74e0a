/**
 * Finds the answer to one request in what came over a serial line (modbus.md §4): by unit, function, length and checksum,
 * never by pauses, which USB adapters do not keep. Noise before it, an echo of the request and frames of other units are
 * passed over.
 */

/** CRC-16/MODBUS; on the wire low byte first. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  }
  return crc;
}

const EXCEPTION_LENGTH = 5;

/** Length of the answer to a request for registers or bits (functions 1 to 4), address and checksum included. */
export function answerLength(request: Uint8Array): number {
  const count = ((request[4] ?? 0) << 8) | (request[5] ?? 0);
  return 5 + ((request[1] ?? 0) <= 2 ? Math.ceil(count / 8) : 2 * count);
}

const isWhole = (frame: Uint8Array): boolean => crc16(frame.subarray(0, -2)) === ((frame.at(-1) ?? 0) << 8 | (frame.at(-2) ?? 0));
const startsWith = (bytes: Uint8Array, start: Uint8Array): boolean => bytes.length >= start.length && start.every((byte, index) => bytes[index] === byte);

const REQUEST_LENGTH = 8;

/**
 * Units that somebody else on the line asks for registers or bits: requests in `heard` that are not ours, up to where an
 * answer to ours may begin (its registers may look like anything).
 */
export function othersAsk(heard: Uint8Array, request: Uint8Array): readonly number[] {
  const units: number[] = [];
  for (let at = 0; at + REQUEST_LENGTH <= heard.length; at++) {
    const frame = heard.subarray(at, at + REQUEST_LENGTH);
    const [unit = 0, code = 0] = frame;
    const isOurs = request.length > 0 && startsWith(frame, request);
    if (!isOurs && unit === request[0] && code === request[1] && frame[2] === answerLength(request) - 5) break;
    if (!isOurs && code >= 1 && code <= 4 && isWhole(frame)) units.push(unit);
  }
  return units;
}

/**
 * Null while it is not there yet. A request that comes back is never an answer: of some reads (17 to 24 coils) an answer
 * could look the same, and is then passed over too rather than risk that an echo becomes a value.
 */
export function findAnswer(heard: Uint8Array, request: Uint8Array): Uint8Array | null {
  const [unit = 0, code = 0] = request;
  const length = answerLength(request);
  for (let at = 0; at + EXCEPTION_LENGTH <= heard.length; at++) {
    if (heard[at] !== unit) continue;
    const rest = heard.subarray(at);
    if (startsWith(rest, request)) {
      at += request.length - 1;
      continue;
    }
    const answer = rest[1] === code && rest[2] === length - 5 ? rest.subarray(0, length) : rest[1] === (code | 0x80) ? rest.subarray(0, EXCEPTION_LENGTH) : null;
    if (answer !== null && (answer.length === length || answer.length === EXCEPTION_LENGTH) && isWhole(answer)) return answer;
  }
  return null;
}
