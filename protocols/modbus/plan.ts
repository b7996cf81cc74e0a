/**
 * Points → few reads (modbus.md §3). Points of one unit and table that lie near each other are read together; a value of
 * several registers is never cut. Where a device refuses a block (it may for one register in it that it does not have),
 * the block is split into its points.
 */
import { registersOf } from "./decode.ts";
import type { ModbusPoint } from "./point-shape.ts";
import { isBits, MOST_BITS, TABLES, type Table } from "./tables.ts";

export interface Block {
  readonly table: Table;
  readonly address: number;
  readonly count: number;
  readonly points: readonly ModbusPoint[];
}
export interface Limits {
  /** Registers between two points that may be read along; 16 times as many coils. */
  readonly gap: number;
  /** Most registers of one read; 16 times as many coils, at most 2,000. */
  readonly maxBlock: number;
}

const sizeOf = ({ table, type, length }: ModbusPoint): number => (isBits(table) ? 1 : registersOf(type, length));

export function planReads(points: readonly ModbusPoint[], limits: Limits): readonly Block[] {
  return TABLES.flatMap((table) => planTable(table, points.filter((point) => point.table === table), limits));
}

function planTable(table: Table, points: readonly ModbusPoint[], { gap, maxBlock }: Limits): readonly Block[] {
  const [most, near] = isBits(table) ? [Math.min(MOST_BITS, maxBlock * 16), gap * 16] : [maxBlock, gap];
  const blocks: { address: number; end: number; points: ModbusPoint[] }[] = [];
  for (const point of points.toSorted((one, other) => one.address - other.address)) {
    const end = point.address + sizeOf(point);
    const last = blocks.at(-1);
    if (last !== undefined && point.address <= last.end + near && Math.max(end, last.end) - last.address <= most) {
      last.points.push(point);
      last.end = Math.max(last.end, end);
    } else blocks.push({ address: point.address, end, points: [point] });
  }
  return blocks.map((block) => ({ table, address: block.address, count: block.end - block.address, points: block.points }));
}

/** One block for each place: points on the very same registers stay together. */
export function splitBlock({ table, points }: Block): readonly Block[] {
  const places = new Map<string, ModbusPoint[]>();
  for (const point of points) {
    const place = `${point.address}+${sizeOf(point)}`;
    places.set(place, [...(places.get(place) ?? []), point]);
  }
  return [...places.values()].flatMap((together) => {
    const [first] = together;
    return first === undefined ? [] : [{ table, address: first.address, count: sizeOf(first), points: together }];
  });
}
