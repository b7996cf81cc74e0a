/**
 * bdSeq: 0 to 255, one more with every CONNECT, over restarts too (Sparkplug 3.0 §5.4). It is written before the CONNECT
 * that uses it, so that a number is passed over by a power cut and never used twice in a row.
 */
import type { DestinationPorts } from "../../../agent/contract/destination.ts";

export class BirthNumber {
  readonly #key: string;
  readonly #ports: Pick<DestinationPorts, "keep" | "log">;
  #last: number | null | undefined;

  constructor(destination: string, ports: Pick<DestinationPorts, "keep" | "log">) {
    this.#key = `sparkplug-bdseq-${/^[A-Za-z0-9_-]{1,64}$/.test(destination) ? destination : `b64-${Buffer.from(destination).toString("base64url").slice(0, 128)}`}`;
    this.#ports = ports;
  }

  /** Never rejects: where the disk fails it goes on counting in memory, and says so. */
  async next(): Promise<number> {
    const { keep, log } = this.#ports;
    const failed = (cause: unknown): void => log.warn({ reason: cause instanceof Error ? cause.message : String(cause) }, "the number of the Sparkplug birth is kept in memory only: the disk does not take it");
    // What is there and is no number counts as never used.
    this.#last ??= await keep.read(this.#key).then((text) => (text !== null && /^\d{1,3}\n?$/.test(text) && Number(text) < 256 ? Number(text) : null), (cause: unknown) => {
      failed(cause);
      return null;
    });
    this.#last = this.#last === null ? 0 : (this.#last + 1) % 256;
    await keep.write(this.#key, `${this.#last}\n`).catch(failed);
    return this.#last;
  }
}
