/**
 * Breaks a connection off when its peer begins an MQTT packet larger than any it has a reason to send. mqtt.js gathers a
 * packet whole, up to the 256 MB that MQTT allows, and what we ask for in CONNECT only binds a broker that means well.
 * Reads the fixed headers alone (MQTT 5 §2.1.4, the same in 3.1.1) beside mqtt.js: nothing is copied or held back.
 */
import type { Duplex } from "node:stream";

/** Calls `onLarger` once, after destroying the socket. To be called in one go with mqtt.js's taking the socket: listening makes it flow. */
export function limitPackets(socket: Duplex, maximumBytes: number, onLarger: (error: Error) => void): void {
  const framing = new Framing();
  socket.on("data", (chunk: Buffer) => {
    const largest = framing.read(chunk);
    if (largest <= maximumBytes || socket.destroyed) return;
    socket.destroy();
    onLarger(new Error(`a packet of ${largest} bytes, more than ${maximumBytes}: is it an MQTT broker?`));
  });
}

/** Where in a packet the stream is: at its type, in its length (seven bits a byte, lowest first), or in its body. */
class Framing {
  #part: "type" | "length" | "body" = "type";
  #length = 0;
  #factor = 1;

  /** Bytes of the largest packet that begins or goes on in this chunk, its fixed header not counted; 0 for none. */
  read(chunk: Buffer): number {
    let largest = 0;
    for (let at = 0; at < chunk.length;) {
      if (this.#part === "body") {
        const taken = Math.min(this.#length, chunk.length - at);
        at += taken;
        this.#length -= taken;
        if (this.#length === 0) this.#part = "type";
        continue;
      }
      const byte = chunk[at++] ?? 0;
      if (this.#part === "type") {
        this.#part = "length";
        this.#length = 0;
        this.#factor = 1;
        continue;
      }
      this.#length += (byte & 127) * this.#factor;
      this.#factor *= 128;
      largest = Math.max(largest, this.#length);
      if (byte < 128) this.#part = this.#length === 0 ? "type" : "body";
    }
    return largest;
  }
}
