/** How a device's register map is written down: one row a value, with where it is from. */
import type { Order, Type } from "../decode.ts";
import type { Quantity } from "../signals.ts";
import type { Table } from "../tables.ts";

export interface ProfileRow {
  readonly quantity: Quantity;
  /** `l1`, `total`; empty where there is only one. */
  readonly part: string;
  readonly address: number;
  readonly type: Type;
  /** From the register's unit to ours: kW → W is 1000. */
  readonly scale?: number;
  readonly offset?: number;
  readonly bit?: number;
}
export interface Profile {
  /** Who makes it and which models, for people. */
  readonly models: string;
  readonly table: Table;
  readonly order: Order;
  /** Where the device allows less than the protocol does. */
  readonly maxBlock?: number;
  readonly gap?: number;
  /** Fact sheet. */
  readonly source: string;
  /** Seen in the maker's list only, on no device: compare one value with the display first. */
  readonly unconfirmed?: true;
  readonly rows: readonly ProfileRow[];
}

/** How a group of values is coded. */
interface Coding {
  readonly type: Type;
  readonly scale?: number;
  readonly offset?: number;
}
const row = (quantity: Quantity, part: string, address: number, coding: Coding): ProfileRow => ({ quantity, part, address, ...coding });

/** One value for each of the phases, from L1 on. */
export const phases = (quantity: Quantity, addresses: readonly [number, number, number], coding: Coding): readonly ProfileRow[] =>
  addresses.map((address, index) => row(quantity, `l${index + 1}`, address, coding));
export const total = (quantity: Quantity, address: number, coding: Coding): ProfileRow => row(quantity, "total", address, coding);
export const average = (quantity: Quantity, address: number, coding: Coding): ProfileRow => row(quantity, "average", address, coding);
export const single = (quantity: Quantity, address: number, coding: Coding): ProfileRow => row(quantity, "", address, coding);
