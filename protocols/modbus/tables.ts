/** The four tables of a Modbus device, and what one request may ask for (specification V1.1b3 §6.1 to §6.4; modbus.md §1). */

/** In the order of their functions: 1, 2, 3, 4. */
export const TABLES = ["coil", "discrete", "holding", "input"] as const;
export type Table = (typeof TABLES)[number];
/** One bit each; the others are registers of 16. */
export const isBits = (table: Table): boolean => table === "coil" || table === "discrete";

export const MOST_REGISTERS = 125;
export const MOST_BITS = 2_000;
