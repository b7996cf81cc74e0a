/**
 * A serial port: its YAML keys, opening it, and what goes wrong, in words. The port is opened with an exclusive lock; it
 * must be closed before it is opened again, and is never reopened because of a timeout or a damaged frame
 * (modbus.md §5.9). The serialport package is loaded when the first port is opened.
 */
import type { SerialPort } from "serialport";
import { LinkError, type Fault } from "../../agent/contract/errors.ts";
import { withDefault, type Of } from "../../agent/contract/shape.ts";
import { integer, oneOf, text } from "../../agent/contract/shapes.ts";

/** For `object({...SERIAL_KEYS, …})`. Each driver gives the defaults of its devices by its own `withDefault`. */
export const SERIAL_PATH = text({
  description: "the port, by a path that does not move: /dev/serial/by-id/…, or by-path for adapters without serial numbers",
  pattern: /^\/[^\0]+$/u, expected: "a path such as /dev/serial/by-id/usb-FTDI_…-port0", maxLength: 512,
});
export const SERIAL_LINE_KEYS = {
  baud: withDefault(integer({ description: "bits a second, as set at the device", minimum: 110, maximum: 4_000_000 }), 9_600),
  parity: withDefault(oneOf(["none", "even", "odd"], "as set at the device"), "none"),
  stop_bits: withDefault(oneOf(["1", "2"], "as set at the device"), "1"),
  data_bits: withDefault(oneOf(["7", "8"], "as set at the device"), "8"),
} as const;
export interface SerialLine {
  readonly path: string;
  readonly baud: number;
  readonly parity: Of<(typeof SERIAL_LINE_KEYS)["parity"]>;
  readonly stopBits: 1 | 2;
  readonly dataBits: 7 | 8;
  /** Hardware or software flow control, where a device wants it. Default: none. */
  readonly rtscts?: boolean;
  readonly xon?: boolean;
}

/** Bits of one character on the wire: start, data, parity, stop. */
export const characterBits = ({ dataBits, parity, stopBits }: SerialLine): number => 1 + dataBits + (parity === "none" ? 0 : 1) + stopBits;

/** As serialport wants it said. */
const serialOptions = ({ baud, parity, stopBits, dataBits, rtscts = false, xon = false }: SerialLine) =>
  ({ baudRate: baud, parity, stopBits, dataBits, rtscts, xon, xoff: xon });

/** Resolves with the open port, a Duplex. An error that nobody waits for never ends the process. Rejects with LinkError. */
export async function openSerial(line: SerialLine): Promise<SerialPort> {
  const { SerialPort: Port } = await import("serialport");
  const port = new Port({ ...serialOptions(line), path: line.path, autoOpen: false });
  port.on("error", () => undefined);
  await new Promise<void>((resolve, reject) => {
    port.open((error) => {
      if (error) reject(explainSerialError(error, line.path));
      else resolve();
    });
  });
  return port;
}

/** Resolves when the lock is given back. Idempotent, never throws: a port whose adapter was pulled is closed already. */
export const closeSerial = (port: SerialPort): Promise<void> => new Promise((resolve) => {
  if (!port.isOpen && !port.closing) resolve();
  else if (port.closing) port.once("close", () => { resolve(); });
  else port.close(() => { resolve(); });
});

const EXPLAINED: readonly (readonly [RegExp, Fault, string])[] = [
  [/no such file|ENOENT/iu, "unreachable", "the port is not there: is the adapter plugged in? ls /dev/serial/by-id shows what is"],
  [/permission denied|EACCES/iu, "refused", "we may not open it: the user of the service must be in the group dialout"],
  [/cannot lock|temporarily unavailable|EBUSY|EAGAIN|resource busy/iu, "refused", "somebody else has it open: end the other program"],
  [/not a typewriter|inappropriate ioctl|ENOTTY/iu, "unsupported", "this is no serial port"],
  [/ENXIO|ENODEV|EIO|no such device|input\/output error/iu, "lost", "the adapter is gone: check cable and power of the USB hub"],
];

export function explainSerialError(cause: unknown, path: string): LinkError {
  if (cause instanceof LinkError) return cause;
  const said = cause instanceof Error ? cause.message : String(cause);
  const [, fault, remedy] = EXPLAINED.find(([words]) => words.test(said)) ?? [null, "lost" as const, "the port failed"];
  return new LinkError(fault, "backoff", `${path}: ${remedy} (${said})`, { cause });
}
