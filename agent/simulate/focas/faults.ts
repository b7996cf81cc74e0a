/** How an answer may go wrong on its way (focas.md §10), one word each. */
import type { Socket } from "node:net";

/**
 * `bytewise`: each byte in a segment of its own. `twice`: with a copy behind it, in one segment. `silent`: no answer, ever.
 * `half`: the first half, and nothing more; `cut`: the first half, then the end. `reset`: reset instead of an answer.
 * `sync`, `longer`, `count`, `swapped`, `detail`: other bytes in its place; `detail` is a good answer none the less.
 */
export type Fault = "bytewise" | "twice" | "silent" | "half" | "cut" | "reset" | "sync" | "longer" | "count" | "swapped" | "detail";

const HEAD = 10;

export function send(socket: Socket, bytes: Buffer, fault: Fault | null): void {
  switch (fault) {
    case null: socket.write(bytes); return;
    case "bytewise": trickle(socket, bytes); return;
    case "twice": socket.write(Buffer.concat([bytes, bytes])); return;
    case "silent": return;
    case "half": socket.write(bytes.subarray(0, Math.trunc(bytes.length / 2))); return;
    case "cut": socket.end(bytes.subarray(0, Math.trunc(bytes.length / 2))); return;
    case "reset": socket.resetAndDestroy(); return;
    case "sync": socket.write(with16(bytes, 2, 0x5050)); return;
    // As many bytes more as it says: its blocks no longer fill it.
    case "longer": socket.write(with16(Buffer.concat([bytes, Buffer.alloc(4)]), 8, bytes.length - HEAD + 4)); return;
    case "count": socket.write(bytes.length > HEAD + 2 ? with16(bytes, HEAD, bytes.readUInt16BE(HEAD) + 1) : bytes); return;
    case "swapped": socket.write(swapped(bytes)); return;
    case "detail": socket.write(bytes.length >= HEAD + 2 + 16 ? with16(bytes, HEAD + 2 + 10, 2) : bytes); return;
  }
}

function with16(bytes: Buffer, at: number, value: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt16BE(value & 0xffff, at);
  return changed;
}

function trickle(socket: Socket, bytes: Buffer): void {
  if (bytes.length === 0 || socket.destroyed) return;
  socket.write(bytes.subarray(0, 1), () => { trickle(socket, bytes.subarray(1)); });
}

/** The first block last. */
function swapped(bytes: Buffer): Buffer {
  if (bytes.length < HEAD + 2 + 16) return bytes;
  const [start, size] = [HEAD + 2, bytes.readUInt16BE(HEAD + 2)];
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + size), bytes.subarray(start, start + size)]);
}
