/** `cellgate simulate modbus`: a machine's PLC and its energy meter, as two units of one gateway or of a serial line. */
import { open } from "node:fs/promises";
import { ReadStream } from "node:tty";
import { systemClock } from "../runtime/time/clock.ts";
import { shiftCommand } from "./simulate-shift.ts";

export const simulateModbusCommand = shiftCommand({
  kind: "modbus",
  summary: "serve a simulated Modbus PLC and energy meter that play a shift",
  port: 5020,
  options: { serial: { kind: "value", value: "PATH", help: "answer on this serial line instead of TCP, as it is set" } },
  async start({ clock, host, port, seed, args }) {
    const { simulateModbus } = await import("../simulate/modbus/start.ts");
    const { SHIFT_DEVICES } = await import("../simulate/modbus/shift.ts");
    const path = args.value("serial");
    const line = path === undefined ? null : await lineAt(path);
    const simulation = await simulateModbus({ clock, network: systemClock(), seed, place: line === null ? { host, port } : { line: line.stream } });
    const place = path === undefined ? { host, port: simulation.port } : { serial: { path } };
    return {
      at: path ?? `${host}:${simulation.port}`,
      source: JSON.stringify({ type: "modbus", ...place, devices: SHIFT_DEVICES }),
      async close() {
        await simulation.close();
        await line?.close();
      },
    };
  },
});

/** Opened as it is: `stty` sets speed and parity. */
async function lineAt(path: string): Promise<{ readonly stream: ReadStream; close(): Promise<void> }> {
  const file = await open(path, "r+");
  const stream = new ReadStream(file.fd);
  stream.setRawMode(true);
  return {
    stream,
    async close() {
      stream.destroy();
      await file.close().catch(() => undefined);
    },
  };
}
