/**
 * The one way to modbus-serial, and it only lets reads out: functions 1 to 4. Nothing else of the library can be reached
 * from anywhere (lint forbids the import elsewhere), so that no code of ours can express a write. It is loaded when the
 * first source connects.
 */
import type ModbusSerial from "modbus-serial";
import { MISSHAPEN } from "./exceptions.ts";
import type { MbapPort } from "./mbap-port.ts";
import type { RtuPort } from "./rtu-port.ts";
import type { Table } from "./tables.ts";

/** Of the library's client, these alone. */
type Client = Pick<InstanceType<typeof ModbusSerial.default>, "on" | "open" | "setID" | "readCoils" | "readDiscreteInputs" | "readHoldingRegisters" | "readInputRegisters">;

export interface Question {
  readonly unit: number;
  readonly table: Table;
  readonly address: number;
  readonly count: number;
}
/** The device refused: it lives, and does not give this. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly exception: number;
  constructor(exception: number, options?: ErrorOptions) {
    super(`exception ${exception}`, options);
    this.exception = exception;
  }
}
/**
 * One connection. `ask` rejects with `Refused` or with what was wrong with the answer; it may stay pending for ever (no
 * answer, or the connection went), so it is always raced with a deadline. One question at a time: the unit is the
 * library's state.
 */
export interface Wire {
  ask(question: Question): Promise<Uint8Array>;
}

/** What carries the frames; its owner closes it: the library's own close waits for a peer that may never close. */
export async function wireOver(port: RtuPort | MbapPort): Promise<Wire> {
  const client = await newClient(port);
  await new Promise<void>((resolve) => { client.open(() => { resolve(); }); });
  return wire(client);
}

/** A new one for each connection: one that was closed never hears its port again (modbus.md §5.6). */
async function newClient(port: RtuPort | MbapPort): Promise<Client> {
  const { default: { default: ModbusRtu } } = await import("modbus-serial");
  const client = new ModbusRtu(port);
  // Without a listener its errors would end the process; the connection's own listeners tell the same.
  client.on("error", () => undefined);
  return client;
}

const READS: Readonly<Record<Table, (client: Client, address: number, count: number) => Promise<{ readonly buffer: Buffer }>>> = {
  coil: (client, address, count) => client.readCoils(address, count),
  discrete: (client, address, count) => client.readDiscreteInputs(address, count),
  holding: (client, address, count) => client.readHoldingRegisters(address, count),
  input: (client, address, count) => client.readInputRegisters(address, count),
};

/** What the library says of an answer in the name of another unit, for a technician. */
function inWords(said: string): string {
  const unit = /expected address \d+ got (\d+)/u.exec(said)?.[1];
  return unit === undefined ? said : `it answers as unit ${unit}: is that its number?`;
}

const wire = (client: Client): Wire => ({
  async ask({ unit, table, address, count }) {
    client.setID(unit);
    try {
      return (await READS[table](client, address, count)).buffer;
    } catch (cause) {
      if (cause instanceof Error && "modbusCode" in cause && typeof cause.modbusCode === "number") throw new Refused(cause.modbusCode, { cause });
      // The library says it so of a frame, and stumbles over a count of bytes that is larger than its frame.
      if (cause instanceof RangeError || (cause instanceof Error && cause.message.startsWith("Data length error"))) throw new Refused(MISSHAPEN, { cause });
      throw new Error(inWords(cause instanceof Error ? cause.message : String(cause)), { cause });
    }
  },
});
