/**
 * Whether a Modbus device answers, and one register read in every way that it could be meant. Functions 3 and 4 alone; the
 * bus is the one that sources of this process share, so that a running agent asks over the connection it has.
 */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Found, Keys, RegisterQuestion, RegisterReadings, Survey } from "../../agent/contract/survey.ts";
import type { Answer, Bus } from "./bus.ts";
import { borrowBus } from "./buses.ts";
import type { ModbusConfig } from "./config.ts";
import { decodeRegisters, ORDERS, type Type } from "./decode.ts";
import { exceptionOf, MISSHAPEN } from "./exceptions.ts";

/** A device that is the TCP end itself often has 1 or 255. */
const UNITS = [1, 255] as const;
/** What a person must still say: here one register, so that the source can be read at all. */
const points = [{ address: 0, signal: "point/register_0" }];

export const survey: Survey<ModbusConfig> = {
  async identify({ at, timeoutMs }, ports, signal): Promise<readonly Found[]> {
    const lent = await borrowBus({ kind: "tcp", ...at }, ports, signal);
    const { bus } = lent;
    try {
      for (const unit of UNITS) {
        const answer = await bus.ask({ unit, table: "holding", address: 0, count: 1 }, { timeoutMs, pauseMs: 0 }, signal);
        // A port that gives back what it was sent is no device.
        if (answer.kind === "refused" && answer.exception === MISSHAPEN) throw new LinkError("protocol", "backoff", `what ${bus.where} answers to a read of register 0 is no register`);
        if (answer.kind !== "silent") return [foundOf({ ...at }, unit, answer)];
      }
      throw new LinkError("timeout", "backoff", `${bus.where} takes the connection, and no unit (${UNITS.join(", ")}) answers a read of register 0`);
    } finally {
      await lent.release();
    }
  },
  keys: (at) => ("host" in at ? { ...at, devices: [{ unit: 1, points }] } : serialKeys(at.serial)),
  serialKeys,
  async registers(config, question, ports, signal) {
    const lent = await borrowBus(config.address, ports, signal);
    try {
      return await readingsAround(lent.bus, question, config, signal);
    } finally {
      await lent.release();
    }
  },
};

function serialKeys(path: string): Keys {
  return { serial: { path }, devices: [{ unit: 1, points }] };
}

function foundOf(at: Keys, unit: number, answer: Answer): Found {
  const said = answer.kind === "refused" ? `refuses register 0 (${exceptionOf(answer.exception).words})` : "answers";
  return {
    words: `Modbus device, unit ${unit} ${said}`, keys: { ...at, devices: [{ unit, points }] }, facts: { unit: String(unit) },
    notes: ["put the registers you need in place of register 0: a profile, or points; cellgate probe modbus ADDRESS --register N helps to find them"],
  };
}

const ONE: readonly Type[] = ["u16", "s16"];
const TWO: readonly Type[] = ["u32", "s32", "f32"];

/** The register, the one before and the one after; values of two registers in all four orders. Each is asked for alone: a device may refuse a neighbour. */
async function readingsAround(bus: Bus, { unit, table, address }: RegisterQuestion, { timeoutMs, pauseMs }: ModbusConfig, signal: AbortSignal): Promise<RegisterReadings> {
  const registers = new Map<number, Uint8Array>();
  const refused: string[] = [];
  for (const at of [address, address - 1, address + 1, address + 2]) {
    if (at < 0 || at > 65_535) continue;
    const answer = await bus.ask({ unit, table, address: at, count: 1 }, { timeoutMs, pauseMs }, signal);
    if (answer.kind === "silent") throw new LinkError("timeout", "backoff", `unit ${unit} of ${bus.where} does not answer: ${answer.why}`);
    if (answer.kind === "data") registers.set(at, answer.bytes);
    else refused.push(`${at}: ${exceptionOf(answer.exception).words}`);
  }
  return { rows: [address - 1, address, address + 1].flatMap((at) => rowsAt(registers, at)), refused };
}

function rowsAt(registers: ReadonlyMap<number, Uint8Array>, address: number): RegisterReadings["rows"] {
  const [first, second] = [registers.get(address), registers.get(address + 1)];
  if (first === undefined) return [];
  const one = { address, values: { hex: `0x${Buffer.from(first).toString("hex")}`, ...valuesOf(first, ONE, "ABCD") } };
  return second === undefined ? [one] : [one, ...ORDERS.map((order) => ({ address, order, values: valuesOf(Buffer.concat([first, second]), TWO, order) }))];
}

const valuesOf = (bytes: Uint8Array, types: readonly Type[], order: (typeof ORDERS)[number]): Readonly<Record<string, string>> =>
  Object.fromEntries(types.map((type) => [type, String(decodeRegisters(bytes, { type, order }) ?? "no number")]));
