/** The YAML keys of one Modbus point: where it lies, how it is coded, and what it is to us. */
import { fail, INVALID, optional, withDefault, type Invalid, type Of, type Path, type Problem, type Shape } from "../../agent/contract/shape.ts";
import { integer, list, number, object, oneOf } from "../../agent/contract/shapes.ts";
import { checkPoint, POINT_KEYS } from "../shared/points.ts";
import { ORDERS, registersOf, TYPES } from "./decode.ts";
import { isBits, MOST_REGISTERS, TABLES } from "./tables.ts";

const HEXADECIMAL = /^0x[0-9a-f]{1,4}$/iu;
/** A whole number of 16 bits; as manuals often have it, in quotes: "0x0BB7". */
function word(description: string, minimum: number): Shape<number> {
  const plain = integer({ description, minimum, maximum: 65_535 });
  return {
    schema: { anyOf: [{ type: "integer", minimum, maximum: 65_535 }, { type: "string", pattern: "^0[xX][0-9a-fA-F]{1,4}$" }], description },
    read: (value, path, problems) => plain.read(typeof value === "string" && HEXADECIMAL.test(value) ? Number(value) : value, path, problems),
  };
}

const KEYS = object({
  ...POINT_KEYS,
  table: withDefault(oneOf(TABLES, "coil (0x, function 1), discrete (1x, 2), holding (4x, 3), input (3x, 4)"), "holding"),
  address: word("as on the wire, from 0: manuals that count 40001, 40002 mean 0, 1; hexadecimal in quotes, \"0x0BB7\"", 0),
  type: optional(oneOf(TYPES, "how the value is coded; default u16, of coils and discrete inputs bool")),
  order: optional(oneOf(ORDERS, "order of the bytes of several registers, A the most significant: CDAB is low word first; default: the device's")),
  bit: optional(integer({ description: "with type: bool: the bit of the register, 0 the least significant", minimum: 0, maximum: 15 })),
  mask: optional(word("with type: u16: these bits alone, moved down to the lowest of them", 1)),
  length: optional(integer({ description: "with type: ascii: registers, two characters each", minimum: 1, maximum: MOST_REGISTERS })),
  invalid: optional(list(number(), { description: "raw values that mean no value: 0xFFFF, -32768", maxItems: 16 })),
}, "one value of the device");

type Written = Of<typeof KEYS>;
/** Decoded: what has a default has it, but for the order, which the device may say. */
export interface ModbusPoint extends Omit<Written, "type"> {
  readonly type: (typeof TYPES)[number];
}

export const MODBUS_POINT: Shape<ModbusPoint> = {
  schema: KEYS.schema,
  read(value, path, problems) {
    const written = KEYS.read(value, path, problems);
    if (written === INVALID) return INVALID;
    const point: ModbusPoint = { ...written, type: written.type ?? (isBits(written.table) || written.bit !== undefined ? "bool" : "u16") };
    return checkPoint(point, path, problems) ?? checkCoding(point, path, problems) ?? checkTable(point, path, problems) ?? point;
  },
};

function checkCoding({ table, address, type, order, bit, mask, length }: ModbusPoint, path: Path, problems: Problem[]): Invalid | null {
  const wrong = (key: string, found: string, expected: string): Invalid => fail(problems, { path: [...path, key], on: "value", found, expected });
  const bits = isBits(table);
  if (bits && type !== "bool") return wrong("type", `${type} of a ${table}`, "bool: a coil or a discrete input is one bit");
  if (bits && (bit !== undefined || order !== undefined)) return wrong(bit === undefined ? "order" : "bit", `a ${table} with ${bit === undefined ? "an order" : "a bit"}`, "its address alone: it is one bit");
  if (!bits && (type === "bool") !== (bit !== undefined)) return wrong("type", type === "bool" ? "bool of a register without its bit" : `a bit of ${type}`, "type: bool together with bit: 0 to 15");
  if (mask !== undefined && type !== "u16") return wrong("mask", `a mask of ${type}`, "type: u16 together with mask");
  if ((length !== undefined) !== (type === "ascii")) return wrong("type", type === "ascii" ? "ascii without its length" : `a length of ${type}`, "type: ascii together with length: REGISTERS");
  if (address + registersOf(type, length) > 65_536) return wrong("address", `the address ${address}`, `one from which ${registersOf(type, length)} registers lie below 65536`);
  return null;
}

/** A table is met by the raw value as it is written: 0x01 or 01 in quotes would never be. */
function checkTable({ type, values = {} }: ModbusPoint, path: Path, problems: Problem[]): Invalid | null {
  const canBe = (raw: string): boolean => type === "ascii" || (type === "bool" ? ["0", "1", "false", "true"].includes(raw) : String(Number(raw)) === raw || /^-?[1-9]\d*$/u.test(raw));
  const never = Object.keys(values).find((raw) => !canBe(raw));
  return never === undefined ? null : fail(problems, { path: [...path, "values", never], on: "key", found: `the raw value ${JSON.stringify(never)}`, expected: type === "bool" ? "0 or 1" : "a decimal number, such as 1" });
}
