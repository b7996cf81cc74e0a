/**
 * Captures: what a driver yielded, batch by batch, as JSON lines; the first line says whose. `cellgate record` writes
 * them, `cellgate replay` reads them: the same batches give the same records, on any machine, at any speed.
 */
import type { Arrival, Batch } from "../contract/observation.ts";
import { isRecord } from "../contract/shape.ts";
import { monoMs, unixMs } from "../contract/time.ts";

const FORMAT = "cellgate-capture/1";

export interface CaptureHead {
  readonly format: typeof FORMAT;
  readonly machine: string;
  readonly source: string;
  readonly kind: string;
  readonly peer: string;
}
export interface Captured {
  readonly batch: Batch;
  readonly arrival: Arrival;
}

export const captureHead = (head: Omit<CaptureHead, "format">): string => `${JSON.stringify({ format: FORMAT, ...head })}\n`;
export const captureLine = ({ batch, arrival }: Captured): string =>
  `${JSON.stringify({ at: arrival.received.unixMs, mono: arrival.received.monoMs, boot: arrival.received.boot, ...(arrival.unsynchronised && { unsynchronised: true }), batch })}\n`;

export class CaptureError extends Error {
  override readonly name = "CaptureError";
}

export function decodeHead(line: string): CaptureHead {
  const head = json(line, 1);
  if (!isRecord(head) || head["format"] !== FORMAT || typeof head["machine"] !== "string" || typeof head["source"] !== "string")
    throw new CaptureError(`line 1: this is not a capture: expected {"format":"${FORMAT}",…}. Captures are written by "cellgate record".`);
  return head as unknown as CaptureHead;
}

/** Checks the shape of the envelope, and of each item as far as a later part could fall over it. */
export function decodeLine(line: string, number: number, source: string): Captured {
  const value = json(line, number);
  const batch = isRecord(value) ? value["batch"] : undefined;
  if (!isRecord(value) || !isRecord(batch) || typeof value["at"] !== "number" || typeof value["mono"] !== "number" || !Array.isArray(batch["items"]) || typeof batch["caughtUp"] !== "boolean")
    throw new CaptureError(`line ${number}: not a captured batch; the capture is damaged from here on`);
  for (const item of batch["items"] as unknown[])
    if (!isRecord(item) || (item["kind"] !== "gap" && (item["kind"] !== "reading" || typeof item["signal"] !== "string" || !("value" in item))))
      throw new CaptureError(`line ${number}: a batch holds something that is neither a reading nor a gap`);
  const received = { unixMs: unixMs(value["at"]), monoMs: monoMs(value["mono"]), boot: String(value["boot"]) };
  return { batch: batch as unknown as Batch, arrival: { source, received, ...(value["unsynchronised"] === true && { unsynchronised: true }) } };
}

function json(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new CaptureError(`line ${number}: not JSON; the capture is damaged from here on`, { cause });
  }
}
