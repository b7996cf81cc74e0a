/** How one series differs from another on the wire (focas.md §4, §5.1, §10): which functions it has, how it lays them out. */

export interface Profile {
  readonly name: string;
  /** Protocol level of its answers. */
  readonly version: 2 | 3 | 4;
  /** The 18 bytes of its system information, without the number of axes. */
  readonly system: { readonly info: number; readonly type: string; readonly machine: string; readonly series: string; readonly software: string };
  /** Places in what it says of all axes. */
  readonly slots: 8 | 32;
  /** 16i class: parameters by 0x0E and diagnosis by 0x30, of four bytes; else by 0x8D and 0x93. */
  readonly isOlder: boolean;
  readonly timer: "big" | "little" | "none";
  /** Decimals of its feed. */
  readonly feedDecimals: number;
  /** A longer PMC range is answered with its first element only. */
  readonly shortPmc: boolean;
  /** Numbers above three axes are nonsense with status 0. */
  readonly nonsense: boolean;
}

export const SERIES = ["16i", "0i-D", "31i-B", "0i-F"] as const;
export type Series = (typeof SERIES)[number];
export const isSeries = (name: string): name is Series => SERIES.some((one) => one === name);

export const PROFILES: Readonly<Record<Series, Profile>> = {
  "16i": { name: "16i", version: 2, system: { info: 0x0102, type: "16", machine: " M", series: "B0H1", software: "03.0" }, slots: 8, isOlder: true, timer: "none", feedDecimals: 4, shortPmc: false, nonsense: false },
  "0i-D": { name: "0i-D", version: 4, system: { info: 0x0402, type: " 0", machine: " M", series: "D5F3", software: "11.0" }, slots: 32, isOlder: false, timer: "big", feedDecimals: 0, shortPmc: false, nonsense: false },
  "31i-B": { name: "31i-B", version: 3, system: { info: 0x0202, type: "31", machine: " M", series: "G421", software: "29.0" }, slots: 32, isOlder: false, timer: "little", feedDecimals: 0, shortPmc: false, nonsense: false },
  "0i-F": { name: "0i-F", version: 3, system: { info: 0x0662, type: " 0", machine: " M", series: "D4F1", software: "10.0" }, slots: 32, isOlder: false, timer: "little", feedDecimals: 0, shortPmc: true, nonsense: true },
};
